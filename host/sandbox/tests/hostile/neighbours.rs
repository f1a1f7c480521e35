//! What one organization does is not felt by another, and not afterwards.

use std::{fs, sync::Arc, time::Duration};

use futures::future::join_all;
use resly_core::connector::fault::FaultKind;
use resly_manifest::Allowance;

use crate::{
    guest::invoke,
    harness::{Harness, fault, short},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_is_answered_while_32_endless_loops_run() {
    let harness = Arc::new(Harness::new());
    let loops = harness.add(&invoke("(loop $again (br $again)) (call $fine)"));
    let fine = harness.add(&invoke("(call $fine)"));
    harness.call_as(2, fine, Allowance::default()).await.result.unwrap();
    let storm: Vec<_> = (0..32)
        .map(|_| {
            let harness = Arc::clone(&harness);
            tokio::spawn(async move { harness.call_as(1, loops, short(1_500)).await })
        })
        .collect();
    while harness.sandbox.stats().running < 32 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        // Generous: undisturbed it takes well under a millisecond, and 32 loops in front of it would take their 1.5 s.
        let answer = tokio::time::timeout(Duration::from_millis(500), harness.call_as(2, fine, Allowance::default()));
        answer.await.expect("the neighbour waits").result.unwrap();
    }
    assert_eq!(harness.sandbox.stats().running, 32, "the loops still run");
    for outcome in join_all(storm).await {
        let outcome = outcome.unwrap();
        fault(&outcome, FaultKind::Deadline);
        assert!(outcome.cost.duration_us < 1_500_000 + 1_000_000, "{:?}", outcome.cost);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_tasks_with_huge_strings_leave_no_memory_behind() {
    let harness = Arc::new(Harness::new());
    // Fills 25 MiB, logs it, sends it, returns it.
    let huge = harness.add(
        &invoke(
            r#"(memory.fill (i32.const 65536) (i32.const 65) (i32.const 26000000))
            (call $emit (i32.const 1) (i32.const 65536) (i32.const 26000000))
            (call $set (i32.const 107) (i32.const 3) (i32.const 65536) (i32.const 60000) (i32.const 9) (i32.const 512))
            (call $ok (i32.const 65536) (i32.const 26000000))"#,
        )
        .pages("400"),
    );
    let storm = || async {
        let calls = (0..32).map(|n| {
            let harness = Arc::clone(&harness);
            tokio::spawn(async move { harness.call_as(n % 4, huge, Allowance::default()).await })
        });
        for outcome in join_all(calls).await {
            fault(&outcome.unwrap(), FaultKind::TooLarge);
        }
    };
    storm().await;
    let before = resident();
    for _ in 0..5 {
        storm().await;
    }
    let after = resident();
    assert!(after < before + (64 << 20), "{before} bytes before, {after} after");
    assert_eq!(harness.sandbox.stats().running, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_returns_after_every_slot_was_filled() {
    let harness = Arc::new(Harness::new());
    let before = resident();
    let deep = invoke(
        r#"(memory.fill (i32.const 65536) (i32.const 65) (i32.const 30000000))
        (call $fetch)
        (call $fine)"#,
    );
    let component = harness.add(&deep.pages("480"));
    let calls = (0..60).map(|n| harness.call_as(n % 6, component, Allowance::default()));
    for outcome in join_all(calls).await {
        outcome.result.unwrap();
    }
    let after = resident();
    assert!(after < before + (96 << 20), "{before} bytes before, {after} after");
}

/// Resident bytes of this process (proc(5), `statm`).
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
