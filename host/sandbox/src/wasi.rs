//! WASI 0.2 without access to anything. Language runtimes import it to start, so it is there, but reaches nothing of
//! the host.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::TryRng;
use resly_core::{
    connector::sandbox::LogLevel,
    time::{Clock, Random},
};
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{
    guest::{Guest, Shared},
    limits::{LOG_LINE, RANDOM_BYTES},
    log::CallLog,
};

/// Links all of WASI 0.2's command world.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(deny_all_ctx(&self.shared, &self.log)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// No environment, no arguments, no folder, no socket, no name lookup; the host's clock and randomness; standard
/// streams that end in the call's log.
fn deny_all_ctx(shared: &Shared, log: &CallLog) -> WasiCtx {
    let mut seed = [0; 16];
    shared.random.fill(&mut seed);
    WasiCtxBuilder::new()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(Wall(Arc::clone(&shared.clock)))
        .monotonic_clock(Monotonic(Instant::now()))
        .secure_random(HostRandom(Arc::clone(&shared.random)))
        .insecure_random(HostRandom(Arc::clone(&shared.random)))
        .insecure_random_seed(u128::from_le_bytes(seed))
        .max_random_size(RANDOM_BYTES)
        .stdout(LogStream { log: log.clone(), level: LogLevel::Info })
        .stderr(LogStream { log: log.clone(), level: LogLevel::Error })
        .build()
}

struct Wall(Arc<dyn Clock>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().micros()).unwrap_or(0))
    }
}

/// Counts from the guest's first use of WASI, so it tells nothing about the host.
struct Monotonic(Instant);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct HostRandom(Arc<dyn Random>);

impl TryRng for HostRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// A standard stream that ends in the call's log.
#[derive(Clone)]
struct LogStream {
    log: CallLog,
    level: LogLevel,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 would use this, and it isn't linked.
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_LINE)
    }
}
