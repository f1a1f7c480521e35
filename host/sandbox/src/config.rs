//! What a sandbox is built with.

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use resly_core::time::{Clock, Random};

/// Who compiles components.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A process of its own for each component, which limits itself: `<program> compile`.
    Child { program: PathBuf },
    /// This process. For tests and benches with components that are trusted: nothing bounds what compiling takes.
    InProcess,
}

/// What compiling one component may take.
#[derive(Clone, Copy, Debug)]
pub struct CompileBudget {
    /// Seconds of CPU, all threads together.
    pub cpu_s: u64,
    /// Address space.
    pub memory_bytes: u64,
    /// From start to end: long enough for the CPU time on a machine that is busy with what goes first.
    pub wall: Duration,
}

impl Default for CompileBudget {
    /// Honest JavaScript and Python guests take about 20 CPU seconds.
    fn default() -> Self {
        Self { cpu_s: 60, memory_bytes: 2 << 30, wall: Duration::from_secs(1800) }
    }
}

/// What a sandbox is built with.
pub struct SandboxConfig {
    /// Where compiled components are kept; made when it isn't there.
    pub cache_dir: PathBuf,
    pub compiler: Compiler,
    pub compile_budget: CompileBudget,
    /// Components that are compiled at a time.
    pub compile_parallel: u32,
    /// Components that may wait to be compiled.
    pub compile_queue: usize,
    /// Authenticates the files in `cache_dir`. Whoever has it can make the host run native code.
    pub mac_key: [u8; 32],
    /// Threads that run guests and nothing else.
    pub guest_threads: usize,
    /// Connector instances at a time.
    pub instances: u32,
    /// Mapper instances at a time: a pool of their own, so that connectors that wait for mappings can't exhaust it.
    pub mappers: u32,
    /// Calls of one organization that may wait for an instance.
    pub queue: usize,
    /// How long a call may wait for its connector to be loaded, which for one that nobody kept compiled is long. It is no
    /// part of the call's own time.
    pub load_wait: Duration,
    /// Compiled code that is kept in memory.
    pub code_cache_bytes: u64,
    /// How long a guest runs before another organization's gets its turn.
    pub tick: Duration,
    /// What guests see as the time of day.
    pub clock: Arc<dyn Clock>,
    /// Where guests' randomness comes from.
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
            queue: 256,
            load_wait: Duration::from_secs(30),
            code_cache_bytes: 48 << 20,
            tick: Duration::from_millis(2),
            clock,
            random,
        }
    }
}
