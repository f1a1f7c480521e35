//! The host's side of compiling: a queue, and one child process for each component.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};

use bytes::Bytes;
use resly_core::{boxed, id::OrganizationId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};
use wasmtime::Engine;

use crate::{
    compile::{Job, compile},
    config::{CompileBudget, Compiler, SandboxConfig},
    engine,
    error::ComponentError,
    log::prefix,
    native_code::PrecompiledComponent,
    slots::{Slot, Slots},
};

/// The most bytes of machine code. The host holds it in memory while it checks and stores it. The largest honest
/// components, language runtimes, have 60 MiB.
const OUTPUT_MOST: u64 = 192 << 20;
const MESSAGE_MOST: u64 = 8 << 10;
const HASH: usize = 32;

/// Signals (signal(7)) that show which limit ended a child.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;

/// Compiles a few components at a time. Organizations take turns.
pub struct Queue {
    compiler: Compiler,
    budget: CompileBudget,
    engine: Engine,
    turns: Slots,
}

/// The right to compile one component.
pub struct Turn(#[expect(dead_code, reason = "it is held, not read")] Slot);

impl Queue {
    pub fn new(config: &SandboxConfig, engine: Engine) -> Self {
        Self {
            compiler: config.compiler.clone(),
            budget: config.compile_budget,
            engine,
            turns: Slots::new(config.compile_parallel.max(1), config.compile_queue),
        }
    }

    /// Components that are compiled or wait for it.
    pub fn len(&self) -> usize {
        self.turns.taken() as usize + self.turns.waiting()
    }

    /// Components that wait to be compiled.
    pub fn waiting(&self) -> usize {
        self.turns.waiting()
    }

    /// Waits for an organization's turn. Whoever waits should not hold the component's bytes meanwhile.
    pub async fn turn(&self, organization: OrganizationId) -> Result<Turn, ComponentError> {
        self.turns.acquire(organization).await.map(Turn).map_err(|_| ComponentError::CompileQueue)
    }

    #[boxed]
    pub async fn compile(&self, _turn: Turn, component: Bytes) -> Result<PrecompiledComponent, ComponentError> {
        let code = match &self.compiler {
            Compiler::InProcess => {
                let engine = self.engine.clone();
                let compiled = tokio::task::spawn_blocking(move || compile(&engine, &component)).await;
                compiled.map_err(|error| ComponentError::Host(error.to_string()))??
            }
            Compiler::Child { program } => self.in_child(program, component).await?,
        };
        Ok(PrecompiledComponent::vouched_for(code))
    }

    async fn in_child(&self, program: &Path, component: Bytes) -> Result<Vec<u8>, ComponentError> {
        let failed = |error: std::io::Error| {
            tracing::error!(program = %program.display(), %error, "the compile child can't be used");
            ComponentError::Host(error.to_string())
        };
        // The standard library opens every descriptor close-on-exec, so the child has only these three.
        let mut child = Command::new(program)
            .arg("compile")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (cpu_s, memory_bytes) = (self.budget.cpu_s, self.budget.memory_bytes);
        let job = Job { cpu_s, memory_bytes, length: component.len() as u64 };
        let Ok(done) = timeout(self.budget.wall, run_child(&mut child, job, component)).await else {
            return Err(ComponentError::CompileBudget(format!("{} s", self.budget.wall.as_secs())));
        };
        let Answer { status, mut output, message } = done.map_err(failed)?;
        if output.len() as u64 > OUTPUT_MOST {
            let have = output.len() as u64;
            return Err(ComponentError::TooBig { what: "bytes of machine code", have, limit: OUTPUT_MOST });
        }
        if !status.success() {
            return Err(self.failure(status, &message));
        }
        // Loading checks this again. The check here tells the operator what is wrong.
        if !output.starts_with(&engine::compatibility(&self.engine)) {
            tracing::error!(program = %program.display(), "the compile child is another build than this host");
            return Err(ComponentError::Host("the compile child is another build than this host".to_owned()));
        }
        output.drain(..HASH);
        Ok(output)
    }

    fn failure(&self, status: ExitStatus, message: &str) -> ComponentError {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(SIGXCPU | SIGKILL) => ComponentError::CompileBudget(format!("{} s of CPU", self.budget.cpu_s)),
            Some(SIGABRT | SIGSEGV) => {
                ComponentError::CompileBudget(format!("{} MiB of memory", self.budget.memory_bytes >> 20))
            }
            Some(signal) => ComponentError::Host(format!("the compile child was ended by signal {signal}")),
            None => ComponentError::Compile(prefix(message.trim(), 2_000).to_owned()),
        }
    }
}

struct Answer {
    status: ExitStatus,
    output: Vec<u8>,
    message: String,
}

async fn run_child(child: &mut Child, job: Job, component: Bytes) -> std::io::Result<Answer> {
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(errors)) = streams else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let write = async move {
        // A child that fails stops reading, and its message says why.
        drop(input.write_all(&job.encode()).await);
        drop(input.write_all(&component).await);
        // Standard input stays open as long as the child should run.
        input
    };
    let (mut code, mut message) = (Vec::new(), Vec::new());
    let read = async { output.take(OUTPUT_MOST + 1).read_to_end(&mut code).await };
    let listen = async { errors.take(MESSAGE_MOST).read_to_end(&mut message).await };
    let (_input, read, listened) = tokio::join!(write, read, listen);
    read?;
    listened?;
    let status = child.wait().await?;
    Ok(Answer { status, output: code, message: String::from_utf8_lossy(&message).into_owned() })
}
