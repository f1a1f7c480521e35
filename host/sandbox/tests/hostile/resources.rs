//! Guests that take all they can: time, memory, tables, stack, handles, the host's attention.

use std::time::{Duration, Instant};

use resly_core::connector::fault::FaultKind;
use resly_manifest::Allowance;
use resly_sandbox::ComponentError;

use crate::{
    guest::{Guest, invoke, module, parse},
    harness::{Harness, fault, short},
};

/// Each has to end by itself, long before anybody would give up on it.
async fn ends(guest: &Guest, allowance: Allowance, kind: FaultKind) {
    let harness = Harness::new();
    let started = Instant::now();
    let outcome = harness.call_with(guest, allowance).await;
    fault(&outcome, kind);
    assert!(started.elapsed() < Duration::from_secs(20));
    harness.call(&invoke("(call $fine)")).await.result.unwrap();
}

#[tokio::test]
async fn an_endless_loop_burns_its_fuel_and_no_more() {
    let harness = Harness::new();
    let allowance = Allowance { fuel: 3_000_000, ..Allowance::default() };
    let outcome = harness.call_with(&invoke("(loop $again (br $again)) (call $fine)"), allowance).await;
    fault(&outcome, FaultKind::Fuel);
    assert_eq!(outcome.cost.fuel, 3_000_000);
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline() {
    ends(&invoke("(loop $again (br $again)) (call $fine)"), short(100), FaultKind::Deadline).await;
}

#[tokio::test]
async fn an_endless_loop_at_the_start_of_an_instance_ends_too() {
    let guest = module(
        r#"(func $start (loop $again (br $again))) (start $start)
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $fine))"#,
    );
    ends(&guest, short(100), FaultKind::Deadline).await;
}

#[tokio::test]
async fn an_endless_loop_inside_bulk_memory_operations_ends() {
    let fill = "(loop $again (memory.fill (i32.const 0) (i32.const 7) (i32.const 31000000)) (br $again)) (call $fine)";
    ends(&invoke(fill).pages("480"), short(200), FaultKind::Deadline).await;
    ends(&invoke(fill).pages("480"), Allowance::default(), FaultKind::Fuel).await;
    let copy = "(loop $again (memory.copy (i32.const 1) (i32.const 0) (i32.const 31000000)) (br $again)) (call $fine)";
    ends(&invoke(copy).pages("480"), short(200), FaultKind::Deadline).await;
}

#[tokio::test]
async fn memory_grows_to_the_allowance_and_no_further() {
    // Grows page by page until it is told no, then gives up as allocators do.
    let greedy = invoke("(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable");
    ends(&greedy, Allowance::default(), FaultKind::Memory).await;
    // One that takes no for an answer goes on.
    let harness = Harness::new();
    let modest = invoke(
        r#"(if (i32.ne (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow (i32.const 400)) (i32.const -1)) (then unreachable))
        (call $fine)"#,
    );
    harness.call(&modest).await.result.unwrap();
    let start = invoke("(call $fine)").pages("600");
    fault(&harness.call(&start).await, FaultKind::Memory);
}

#[tokio::test]
async fn tables_grow_to_their_bound_and_no_further() {
    let greedy = module(
        r#"(table $t 1 funcref)
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
          unreachable)"#,
    );
    ends(&greedy, Allowance::default(), FaultKind::Memory).await;
}

#[tokio::test]
async fn recursion_without_end_is_a_crash_of_the_guest() {
    let deep = module(
        r#"(func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $down (i32.const 0)))"#,
    );
    ends(&deep, Allowance::default(), FaultKind::Trap).await;
}

#[tokio::test]
async fn ten_thousand_headers_that_all_point_to_one_megabyte_cost_nothing() {
    // The list at 64 KiB: each header is the same name and the same megabyte.
    let aliased = invoke(
        r#"(local $at i32)
        (local.set $at (i32.const 65536))
        (loop $again
          (i32.store (local.get $at) (i32.const 75))
          (i32.store offset=4 (local.get $at) (i32.const 3))
          (i32.store offset=8 (local.get $at) (i32.const 262144))
          (i32.store offset=12 (local.get $at) (i32.const 1048576))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $again (i32.lt_u (local.get $at) (i32.const 225536))))
        (call $send (i32.const 75) (i32.const 3) (i32.const 78) (i32.const 20) (i32.const 65536) (i32.const 10000)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
        (call $fine)"#,
    );
    ends(&aliased.pages("30"), Allowance::default(), FaultKind::TooLarge).await;
}

#[tokio::test]
async fn huge_arguments_of_every_host_call_are_refused() {
    for call in [
        "(call $map (i32.const 65536) (i32.const 20000000) (i32.const 64) (i32.const 2) (i32.const 512))",
        "(call $map (i32.const 64) (i32.const 1) (i32.const 65536) (i32.const 20000000) (i32.const 512))",
        "(call $get (i32.const 65536) (i32.const 20000000) (i32.const 512))",
        "(call $set (i32.const 107) (i32.const 3) (i32.const 65536) (i32.const 20000000) (i32.const 9) (i32.const 512))",
        "(call $send (i32.const 65536) (i32.const 20000000) (i32.const 78) (i32.const 20) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))",
        "(call $send (i32.const 75) (i32.const 3) (i32.const 78) (i32.const 20) (i32.const 0) (i32.const 0)
          (i32.const 1) (i32.const 65536) (i32.const 20000000) (i32.const 0) (i32.const 0) (i32.const 512))",
    ] {
        let guest = invoke(&format!("{call} (call $fine)")).pages("400");
        ends(&guest, Allowance::default(), FaultKind::TooLarge).await;
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_paid_for() {
    let harness = Harness::new();
    let flood =
        invoke(r#"(loop $again (call $emit (i32.const 1) (i32.const 64) (i32.const 30000)) (br $again)) (call $fine)"#);
    let outcome = harness.call(&flood).await;
    fault(&outcome, FaultKind::Fuel);
    let bytes: usize = outcome.log.iter().map(|line| line.message.len()).sum();
    assert!(bytes < 65 << 10, "{bytes}");
    assert!(outcome.log.iter().all(|line| line.message.len() < 5_000), "each line is cut");
    assert!(outcome.log.last().unwrap().message.contains("dropped"));
}

#[tokio::test]
async fn huge_log_lines_are_cut() {
    let harness = Harness::new();
    let guest = invoke("(call $emit (i32.const 3) (i32.const 65536) (i32.const 1000000)) (call $fine)").pages("20");
    let outcome = harness.call(&guest).await;
    outcome.result.unwrap();
    assert!(outcome.log[0].message.len() < 5_000);
    let larger = invoke("(call $emit (i32.const 3) (i32.const 65536) (i32.const 20000000)) (call $fine)").pages("400");
    fault(&harness.call(&larger).await, FaultKind::TooLarge);
}

#[tokio::test]
async fn components_nested_too_deep_are_refused_and_many_instances_bounded() {
    let harness = Harness::new();
    let nested = format!("(component {}{})", "(component ".repeat(6), ")".repeat(6));
    let bytes = parse(&nested);
    assert!(matches!(resly_sandbox::precheck(&bytes), Err(ComponentError::TooBig { .. })));
    // A component that makes a hundred memories out of one module.
    let memories = "(core instance (instantiate $Base))".repeat(100);
    let wat = invoke("(call $fine)").wat().replace("(core instance $base", &format!("{memories} (core instance $base"));
    let digest = harness.components.add(parse(&wat));
    let outcome = harness.call_as(1, digest, Allowance::default()).await;
    fault(&outcome, FaultKind::Component);
}

#[tokio::test]
async fn features_that_are_off_do_not_compile() {
    for (feature, body) in [
        ("threads", "(memory $shared 1 1 shared)"),
        ("memory64", "(memory $wide i64 1)"),
        ("tail calls", "(func $t (result i32) (return_call $fine))"),
        ("gc", "(type $s (struct (field i32)))"),
        ("exceptions", "(tag $e)"),
    ] {
        let harness = Harness::new();
        let guest = module(&format!(
            r#"{body} (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $fine))"#
        ));
        let outcome = harness.call(&guest).await;
        let fault = fault(&outcome, FaultKind::Component);
        assert!(fault.message.contains("compile"), "{feature}: {}", fault.message);
    }
}
