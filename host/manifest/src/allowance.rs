//! The resources that one call may use.

use std::time::Duration;

use crate::manifest::Manifest;

/// The resources that one call may use. Every field is a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Fuel in wasmtime's units, for the guest and its mappings together. With a `FuelReserve`, this is what the call
    /// starts with.
    pub fuel: u64,
    /// Wall-clock time, including waiting for services.
    pub deadline: Duration,
    /// Bytes of all linear memories of the call together.
    pub memory_bytes: usize,
    pub http_calls: u32,
    /// Decoded bytes of all response bodies of the call together.
    pub response_bytes: usize,
    /// Bytes of the result's JSON text.
    pub output_bytes: usize,
    pub log_lines: usize,
}

impl Allowance {
    /// The most that a manifest may ask for.
    pub const MOST: Self = Self {
        fuel: 2_000_000_000,
        deadline: Duration::from_secs(60),
        memory_bytes: 32 << 20,
        http_calls: 64,
        response_bytes: 4 << 20,
        output_bytes: 1 << 20,
        log_lines: 100,
    };

    /// What the manifest asks for, up to the host's limits. The host's default where it asks for nothing.
    pub fn of(manifest: &Manifest) -> Self {
        let (usual, most, asked) = (Self::default(), Self::MOST, manifest.limits);
        let size = |asked: Option<u64>, usual: usize, most: usize| {
            asked.map_or(usual, |asked| usize::try_from(asked).map_or(most, |asked| asked.min(most)))
        };
        Self {
            fuel: asked.fuel.map_or(usual.fuel, |fuel| fuel.min(most.fuel)),
            deadline: asked.timeout_ms.map_or(usual.deadline, |ms| Duration::from_millis(ms.into()).min(most.deadline)),
            memory_bytes: size(asked.memory_bytes, usual.memory_bytes, most.memory_bytes),
            http_calls: asked.http_calls.map_or(usual.http_calls, |calls| calls.min(most.http_calls)),
            response_bytes: size(asked.response_bytes, usual.response_bytes, most.response_bytes),
            ..usual
        }
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            fuel: 200_000_000,
            deadline: Duration::from_secs(20),
            memory_bytes: 32 << 20,
            http_calls: 16,
            response_bytes: 4 << 20,
            output_bytes: 1 << 20,
            log_lines: 100,
        }
    }
}
