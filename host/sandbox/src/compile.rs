//! The compile child: limits itself, compiles what it is given, and ends.
//!
//! It reads a [`Job`] and a component on standard input and writes the engine's compatibility hash and the machine
//! code to standard output, or a reason to standard error. The host keeps standard input open: when that ends, the host is
//! gone, and so is the child. This contains what compiling may take, not what a
//! compromised compiler might do.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use rustix::{
    process::{Resource, Rlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use wasmtime::Engine;

use crate::{engine, error::ComponentError, precheck::COMPONENT_MOST};

/// What goes before the component: the limits that the child sets itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub cpu_s: u64,
    pub memory_bytes: u64,
    /// How long the component is.
    pub length: u64,
}

const MAGIC: &[u8; 8] = b"RESLYJ02";
const JOB: usize = 32;
/// The standard streams, and the few that the runtime opens for a moment.
const FILES: u64 = 16;
/// As little of the scheduler as can be asked: the host's answers go first.
const NICE: i32 = 19;

impl Job {
    pub fn encode(self) -> [u8; JOB] {
        let mut bytes = [0; JOB];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.cpu_s.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.memory_bytes.to_le_bytes());
        bytes[24..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; JOB]) -> Option<Self> {
        let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        (bytes.starts_with(MAGIC)).then_some(Self { cpu_s: number(8)?, memory_bytes: number(16)?, length: number(24)? })
    }
}

/// What `resly compile` runs.
pub fn compile_main() -> ExitCode {
    match child() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            drop(io::stderr().write_all(message.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn child() -> Result<(), String> {
    let mut input = io::stdin().lock();
    let mut job = [0; JOB];
    input.read_exact(&mut job).map_err(|error| format!("no job on standard input: {error}"))?;
    let job =
        Job::decode(job).ok_or("standard input doesn't begin with a job; `resly compile` is for the host itself")?;
    restrict(job).map_err(|error| format!("the limits can't be set: {error}"))?;
    let mut component = Vec::new();
    let length = job.length.min(COMPONENT_MOST as u64);
    input.take(length).read_to_end(&mut component).map_err(|error| error.to_string())?;
    thread::Builder::new().spawn(end_with_host).map_err(|error| error.to_string())?;
    let engine = engine::compiling().map_err(|error| error.to_string())?;
    let code = compile(&engine, &component).map_err(|error| error.to_string())?;
    let mut output = io::stdout().lock();
    output.write_all(&engine::compatibility(&engine)).map_err(|error| error.to_string())?;
    output.write_all(&code).map_err(|error| error.to_string())?;
    output.flush().map_err(|error| error.to_string())
}

/// Waits for the end of standard input, which comes when the host is gone.
fn end_with_host() {
    let _ = io::stdin().read(&mut [0]);
    std::process::exit(1);
}

fn restrict(job: Job) -> io::Result<()> {
    // When the machine runs out of memory, let it be this process that ends and not the host (proc_pid_oom_score_adj(5)).
    // Where that can't be said, the limit below still holds.
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Cpu, job.cpu_s)?;
    limit(Resource::As, job.memory_bytes)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, FILES)?;
    rustix::process::nice(NICE)?;
    // Where a container doesn't allow that, niceness still holds.
    drop(spare_processors());
    Ok(())
}

/// Keeps to half of the processors, where there are two: niceness alone doesn't keep a child that fills all of them, their
/// caches and the memory's bandwidth from stopping the host's threads for a tenth of a second now and then.
fn spare_processors() -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mine: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).collect();
    let mut kept = CpuSet::new();
    mine.iter().rev().take((mine.len() / 2).max(1)).for_each(|&processor| kept.set(processor));
    Ok(sched_setaffinity(None, &kept)?)
}

/// Compiles in this process.
pub fn compile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, ComponentError> {
    engine.precompile_component(component).map_err(|error| ComponentError::Compile(format!("{error:#}")))
}
