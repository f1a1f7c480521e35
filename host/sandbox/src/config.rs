//! The sandbox's configuration.

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use resly_core::time::{Clock, Random};

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In a process for each component, `<program> compile`, which limits itself.
    Child { program: PathBuf },
    /// In this process, without bounds. For tests and benches with trusted components.
    InProcess,
}

/// The bounds on compiling one component.
#[derive(Clone, Copy, Debug)]
pub struct CompileBudget {
    /// Seconds of CPU time, of all threads together.
    pub cpu_s: u64,
    /// Bytes of address space.
    pub memory_bytes: u64,
    /// The wall-clock time. It has to suffice on a machine that is busy with more urgent work.
    pub wall: Duration,
}

impl Default for CompileBudget {
    /// Honest JavaScript and Python guests take about 20 CPU seconds.
    fn default() -> Self {
        Self { cpu_s: 60, memory_bytes: 2 << 30, wall: Duration::from_secs(1800) }
    }
}

/// The sandbox's configuration.
pub struct SandboxConfig {
    /// The folder of compiled components. It is created if necessary.
    pub cache_dir: PathBuf,
    pub compiler: Compiler,
    pub compile_budget: CompileBudget,
    /// Components that are compiled at the same time.
    pub compile_parallel: u32,
    /// Components that may wait to be compiled.
    pub compile_queue: usize,
    /// Authenticates the files in `cache_dir`. Anybody who has it can make the host run native code.
    pub mac_key: [u8; 32],
    /// Threads that run guests and nothing else.
    pub guest_threads: usize,
    /// Connector instances at the same time.
    pub instances: u32,
    /// Mapper instances at the same time. They have a pool of their own, which connectors that wait for mappings can't
    /// exhaust.
    pub mappers: u32,
    /// Documents that are read at the same time. Each may take 256 MiB, and one organization gets all places but one.
    pub extractors: u32,
    /// Calls of one organization that may wait for an instance.
    pub queue: usize,
    /// How long a call may wait until its connector is loaded. Compiling can make that long. It doesn't count as the
    /// call's time.
    pub load_wait: Duration,
    /// Bytes of compiled code that stay in memory.
    pub code_cache_bytes: u64,
    /// How long a guest runs before another organization's guest gets its turn.
    pub tick: Duration,
    /// The time of day that guests see.
    pub clock: Arc<dyn Clock>,
    /// The source of guests' randomness.
    pub random: Arc<dyn Random>,
}

impl SandboxConfig {
    pub fn new(
        cache_dir: PathBuf,
        compiler: Compiler,
        mac_key: [u8; 32],
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            cache_dir,
            compiler,
            compile_budget: CompileBudget::default(),
            compile_parallel: 1,
            compile_queue: 64,
            mac_key,
            guest_threads: thread::available_parallelism().map_or(2, usize::from),
            instances: 64,
            mappers: 16,
            extractors: 4,
            queue: 256,
            load_wait: Duration::from_secs(30),
            code_cache_bytes: 48 << 20,
            tick: Duration::from_millis(2),
            clock,
            random,
        }
    }
}
