//! wasmtime's configuration, and the ticks at which guests give up their threads.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::SandboxError;

/// The most bytes of a connector's initial memory.
pub const MEMORY_MOST: usize = 64 << 20;
/// The most bytes of one linear memory, whatever a call's allowance says. The reader of documents may have as many; the
/// pool reserves more address space for each memory anyway.
const POOL_MEMORY: usize = 256 << 20;
/// Linear memories of one component. Toolchains make one; adapters of older ones add another.
pub const MEMORIES_PER_COMPONENT: u32 = 2;
/// Tables of one component. Toolchains make two or three.
pub const TABLES_PER_COMPONENT: u32 = 4;
/// Core instances of one component. Python's toolchain links some thirty libraries.
pub const INSTANCES_PER_COMPONENT: u32 = 64;
/// Elements of one table.
pub const TABLE_ELEMENTS: usize = 65_536;

/// The part of a guest's native stack for wasm. The rest is for host functions, which run on the same stack.
const WASM_STACK: usize = 512 << 10;
const GUEST_STACK: usize = 1 << 20;
/// Bytes of each memory that stay mapped for the next call. Small guests fit, so their new instances cause no page
/// faults.
const KEEP_MEMORY: usize = 512 << 10;
const KEEP_TABLE: usize = 64 << 10;
/// Slots that keep a module's memory image while none of its instances runs.
const WARM_SLOTS: u32 = 16;

/// The settings that shape compiled code. The compile child uses only these.
fn base() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.shared_memory(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_tail_call(false);
    config.wasm_relaxed_simd(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_stack_switching(false);
    config.gc_support(false);
    config.wasm_backtrace_max_frames(None);
    config.max_wasm_stack(WASM_STACK);
    config.async_stack_size(GUEST_STACK);
    // The pool reserves this much address space for each memory, so that compiled code needs no bounds checks.
    config.memory_reservation(4 << 30);
    config.memory_may_move(false);
    config
}

/// An engine that only compiles. Its allocator reserves no address space, so it works under a limit of address space.
pub fn compiling() -> Result<Engine, SandboxError> {
    Engine::new(&base()).map_err(refused)
}

/// The engine that runs guests, with room for this many instances at the same time.
pub fn running(instances: u32) -> Result<Engine, SandboxError> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    pool.total_stacks(instances);
    pool.total_memories(instances * MEMORIES_PER_COMPONENT);
    pool.total_tables(instances * TABLES_PER_COMPONENT);
    pool.total_core_instances(instances * INSTANCES_PER_COMPONENT);
    pool.max_memories_per_component(MEMORIES_PER_COMPONENT);
    pool.max_tables_per_component(TABLES_PER_COMPONENT);
    pool.max_core_instances_per_component(INSTANCES_PER_COMPONENT);
    pool.max_component_instance_size(4 << 20);
    pool.max_core_instance_size(4 << 20);
    pool.max_memory_size(POOL_MEMORY);
    pool.max_tables_per_module(TABLES_PER_COMPONENT);
    pool.table_elements(TABLE_ELEMENTS);
    pool.total_gc_heaps(0);
    pool.max_unused_warm_slots(WARM_SLOTS);
    pool.linear_memory_keep_resident(KEEP_MEMORY);
    pool.table_keep_resident(KEEP_TABLE);
    // This resets only the pages that were written.
    pool.pagemap_scan(Enabled::Auto);
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(refused)
}

fn refused(error: wasmtime::Error) -> SandboxError {
    SandboxError::Engine(format!("{error:#}"))
}

/// A hash of what compiled code and the engine that loads it must agree on: wasmtime's version and every setting that
/// shapes code. It is the same in each process of one build on one machine.
pub fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Advances the engine's epoch at every tick while a guest runs, and sleeps while none does.
pub struct Ticker {
    stop: Arc<AtomicBool>,
    thread: thread::Thread,
}

impl Ticker {
    /// `busy` says whether any guest is alive. Code that starts a guest has to call [`Ticker::wake`].
    pub fn start(
        engine: Engine,
        tick: Duration,
        busy: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, SandboxError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = thread::Builder::new()
            .name("resly-ticks".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    if busy() {
                        thread::sleep(tick);
                        engine.increment_epoch();
                    } else {
                        thread::park();
                    }
                }
            })
            .map_err(SandboxError::Threads)?;
        Ok(Self { stop, thread: handle.thread().clone() })
    }

    pub fn wake(&self) {
        self.thread.unpark();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
