//! The bounds on one call, in one place.

use wasmtime::ResourceLimiter;

use crate::engine::{INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLE_ELEMENTS, TABLES_PER_COMPONENT};

/// Bytes that one host call may take from a guest, beyond its largest argument.
pub const HOST_CALL_SLACK: usize = 256 << 10;
/// Handles (streams, pollables) that a guest may hold.
pub const HANDLES: usize = 1_024;
/// The most bytes of one `get-random-bytes`.
pub const RANDOM_BYTES: u64 = 64 << 10;

/// `http.send`.
pub const HTTP_METHOD: usize = 16;
pub const HTTP_URL: usize = 8 << 10;
pub const HTTP_HEADERS: usize = 64;
pub const HTTP_HEADER_BYTES: usize = 32 << 10;
pub const HTTP_BODY: usize = 1 << 20;

/// The most bytes of a line of `log.emit` or a standard stream. The rest is cut.
pub const LOG_LINE: usize = 4 << 10;
/// All lines of a call together.
pub const LOG_BYTES: usize = 64 << 10;

/// `state`: the fuel that a call costs, because it is a query of the database.
pub const STATE_FUEL: u64 = 20_000;
/// Queries of all guests at the same time.
pub const STATE_AT_ONCE: u32 = 2;
pub const STATE_KEY: usize = 256;
pub const STATE_VALUE: usize = 64 << 10;
/// Thirty days, in seconds.
pub const STATE_TTL: u32 = 30 * 24 * 3600;

/// `mapping.apply`.
pub const MAPPING_FILTER: usize = 16 << 10;

/// A fault's message, from a guest.
pub const FAULT_MESSAGE: usize = 4 << 10;

/// Bounds the memory of all instances of a call together.
#[derive(Debug)]
pub struct Limits {
    memory_most: usize,
    memory: usize,
    elements: usize,
    refused: bool,
}

impl Limits {
    pub fn new(memory_bytes: usize) -> Self {
        Self { memory_most: memory_bytes, memory: 0, elements: 0, refused: false }
    }

    /// Bytes that may still be allocated.
    pub fn memory_left(&self) -> usize {
        self.memory_most.saturating_sub(self.memory)
    }

    /// Whether memory was ever refused.
    pub fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if more > self.memory_left() {
            self.refused = true;
            return Ok(false);
        }
        self.memory += more;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if self.elements + more > TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        self.elements += more;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT as usize
    }
}
