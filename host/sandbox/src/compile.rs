//! The compile child: a process that limits itself, compiles one component, and ends.
//!
//! It reads a [`Job`] and a component from standard input. It writes the engine's compatibility hash and the machine
//! code to standard output, or a reason to standard error. The host keeps standard input open. When it is closed, the
//! host has died, and the child ends, too. The limits bound what compiling takes. They don't contain a compromised
//! compiler.

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

/// The limits that the child sets itself. It comes before the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub cpu_s: u64,
    pub memory_bytes: u64,
    /// The component's length in bytes.
    pub length: u64,
}

const MAGIC: &[u8; 8] = b"RESLYJ02";
const JOB: usize = 32;
/// Open files: the standard streams, and the few that the runtime opens for a moment.
const FILES: u64 = 16;
/// The lowest priority, because the host's answers are more urgent.
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

/// The main function of `resly compile`.
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

/// Waits for the end of standard input, which means that the host has died, and ends the process.
fn end_with_host() {
    let _ = io::stdin().read(&mut [0]);
    std::process::exit(1);
}

fn restrict(job: Job) -> io::Result<()> {
    // When the machine runs out of memory, this process should end and not the host (proc_pid_oom_score_adj(5)). Where
    // that can't be set, the limit below still holds.
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Cpu, job.cpu_s)?;
    limit(Resource::As, job.memory_bytes)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, FILES)?;
    rustix::process::nice(NICE)?;
    // Where a container doesn't allow this, the low priority still holds.
    drop(spare_processors());
    Ok(())
}

/// Keeps to half of the processors, if there are at least two. With a low priority alone, a child that fills all
/// processors, their caches and the memory's bandwidth stops the host's threads for a tenth of a second now and then.
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
