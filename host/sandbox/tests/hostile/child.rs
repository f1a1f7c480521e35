//! The compile child: what it makes is what the host loads, and what it may take is bounded.

use std::{fmt::Write, path::PathBuf, process::Stdio, time::Duration};

use resly_manifest::Allowance;
use resly_sandbox::{CompileBudget, Compiler, ComponentError};
use tokio::io::AsyncWriteExt;

use crate::{
    guest::{invoke, module},
    harness::Harness,
};

fn child(budget: CompileBudget) -> Harness {
    Harness::with(|config| {
        config.compiler = Compiler::Child { program: PathBuf::from(env!("CARGO_BIN_EXE_resly-sandbox-compile")) };
        config.compile_budget = budget;
    })
}

/// One function, small as wasm and large to compile: every value is alive to its end.
fn bomb(values: usize) -> Vec<u8> {
    let mut code = String::new();
    for n in 0..values {
        write!(code, "(local.set {} (i32.mul (i32.load (i32.const {})) (local.get {})))", 8 + n, n * 4, n % 8).unwrap();
    }
    for n in 0..values {
        write!(code, "(if (local.get {}) (then (call $fetch)))", 8 + n).unwrap();
    }
    let locals = "(local i32)".repeat(values);
    module(&format!(
        r#"(func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {locals} {code} (call $fine))"#
    ))
    .bytes()
}

#[tokio::test]
async fn what_a_child_compiles_runs() {
    let harness = child(CompileBudget::default());
    let digest = harness.add(&invoke("(call $fine)"));
    harness.call_as(1, digest, Allowance::default()).await.result.unwrap();
    harness.sandbox.prepare_mapper().await.unwrap();
}

#[tokio::test]
async fn what_does_not_compile_says_why() {
    let harness = child(CompileBudget::default());
    let bytes = invoke("(f32.const 1)").bytes();
    let digest = harness.components.add(bytes.clone());
    let error = harness.sandbox.prepare(digest, &bytes.into()).await.unwrap_err();
    assert!(matches!(&error, ComponentError::Compile(reason) if reason.contains("type mismatch")), "{error}");
}

#[tokio::test]
async fn a_bomb_costs_its_cpu_seconds_and_the_host_nothing() {
    let harness = child(CompileBudget { cpu_s: 1, ..CompileBudget::default() });
    let bytes = bomb(20_000);
    let digest = harness.components.add(bytes.clone());
    let error = harness.sandbox.prepare(digest, &bytes.into()).await.unwrap_err();
    assert!(matches!(&error, ComponentError::CompileBudget(_)), "{error}");
    assert!(harness.cached().is_empty());
}

#[tokio::test]
async fn a_bomb_costs_its_memory_and_the_host_nothing() {
    let harness = child(CompileBudget { memory_bytes: 160 << 20, ..CompileBudget::default() });
    let bytes = bomb(20_000);
    let digest = harness.components.add(bytes.clone());
    let error = harness.sandbox.prepare(digest, &bytes.into()).await.unwrap_err();
    assert!(matches!(&error, ComponentError::CompileBudget(_) | ComponentError::Compile(_)), "{error}");
}

#[tokio::test]
async fn a_child_that_never_answers_is_ended() {
    let harness = Harness::with(|config| {
        config.compiler = Compiler::Child { program: PathBuf::from("/usr/bin/yes") };
        config.compile_budget.wall = Duration::ZERO;
    });
    let guest = invoke("(call $fine)");
    let digest = harness.add(&guest);
    let error = harness.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap_err();
    assert!(matches!(error, ComponentError::CompileBudget(_)), "{error}");
}

#[tokio::test]
async fn a_child_ends_with_its_host() {
    let component = bomb(20_000);
    let numbers = [60, 1 << 30, component.len() as u64].map(u64::to_le_bytes).concat();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_resly-sandbox-compile"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut host = child.stdin.take().unwrap();
    host.write_all(&[b"RESLYJ02", numbers.as_slice(), component.as_slice()].concat()).await.unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it is at work");
    drop(host);
    assert_eq!(child.wait().await.unwrap().code(), Some(1), "and neither done nor at the end of its budget");
}

#[tokio::test]
async fn a_program_that_is_not_the_compiler_is_not_believed() {
    for program in ["/bin/true", "/nonexistent"] {
        let harness = Harness::with(|config| config.compiler = Compiler::Child { program: PathBuf::from(program) });
        let guest = invoke("(call $fine)");
        let digest = harness.add(&guest);
        let error = harness.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap_err();
        assert!(matches!(error, ComponentError::Host(_)), "{program}: {error}");
    }
}
