//! Fuel that is set aside as a call goes: a guest gets as much as there is, and not a unit more.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use resly_core::connector::{
    fault::FaultKind,
    fuel::{FuelReserve, FuelSource},
    sandbox::{Invocation, Outcome, Sandbox},
};
use resly_manifest::Allowance;

use crate::{
    guest::{Guest, invoke},
    harness::{Harness, fault},
};

const START: u64 = 12_000_000;

/// So much fuel, and how often it was asked for.
struct Tank {
    left: AtomicU64,
    asked: AtomicU64,
}

#[async_trait]
impl FuelSource for Tank {
    async fn extend(&self, more: u64) -> u64 {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // As a database would, it takes a while.
        tokio::task::yield_now().await;
        let given = more.min(self.left.load(Ordering::SeqCst));
        self.left.fetch_sub(given, Ordering::SeqCst);
        given
    }
}

/// Calls a guest that starts with [`START`] and may burn `most`, where `left` is to be had: what came of it, how often more
/// was asked for, and what it was granted.
async fn call(harness: &Harness, guest: &Guest, most: u64, left: u64) -> (Outcome, u64, u64) {
    let tank = Arc::new(Tank { left: AtomicU64::new(left), asked: AtomicU64::new(0) });
    let reserve = Arc::new(FuelReserve::new(START, most, Arc::clone(&tank) as _));
    let allowance = Allowance { fuel: START, ..Allowance::default() };
    let invocation = harness.invocation(harness.add(guest), allowance);
    let outcome = harness.sandbox.invoke(Invocation { reserve: Some(Arc::clone(&reserve)), ..invocation }).await;
    (outcome, tank.asked.load(Ordering::SeqCst), reserve.granted())
}

/// Goes around so often, then answers.
fn busy(rounds: u64) -> Guest {
    invoke(&format!(
        "(local $n i64) (local.set $n (i64.const {rounds}))
         (loop $again (local.set $n (i64.sub (local.get $n) (i64.const 1)))
           (br_if $again (i64.ne (local.get $n) (i64.const 0))))
         (call $fine)"
    ))
}

#[tokio::test]
async fn a_call_that_needs_more_gets_it_while_it_runs() {
    let harness = Harness::new();
    for _ in 0..5 {
        let (outcome, asked, granted) = call(&harness, &busy(15_000_000), 400_000_000, u64::MAX).await;
        outcome.result.unwrap();
        assert!((100_000_000..granted).contains(&outcome.cost.fuel), "{} of {granted}", outcome.cost.fuel);
        assert!((2..6).contains(&asked), "asked {asked} times");
    }
    let (outcome, asked, granted) = call(&harness, &busy(1_000), 400_000_000, u64::MAX).await;
    outcome.result.unwrap();
    assert_eq!((asked, granted), (0, START), "a usual call asks for nothing");
}

#[tokio::test]
async fn nothing_burns_past_what_is_granted() {
    let harness = Harness::new();
    for left in [0, 1, 5_000_000, 60_000_000] {
        let (outcome, _, granted) = call(&harness, &busy(u64::MAX), 400_000_000, left).await;
        fault(&outcome, FaultKind::Fuel);
        assert_eq!((outcome.cost.fuel, granted), (START + left, START + left));
    }
    let (outcome, ..) = call(&harness, &busy(u64::MAX), 50_000_000, u64::MAX).await;
    fault(&outcome, FaultKind::Fuel);
    assert_eq!(outcome.cost.fuel, 50_000_000, "the call's own cap is hard");
}

#[tokio::test]
async fn work_of_the_host_and_of_mappings_is_paid_of_the_same_reserve() {
    let harness = Harness::new();
    // A log line costs fuel of its own, and none of it is burnt by the guest.
    let logs = invoke(
        "(local $n i32) (local.set $n (i32.const 60000))
         (loop $again (call $emit (i32.const 1) (i32.const 64) (i32.const 4000))
           (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $again (local.get $n)))
         (call $fine)",
    );
    let (outcome, asked, granted) = call(&harness, &logs, 400_000_000, u64::MAX).await;
    outcome.result.unwrap();
    assert!(asked >= 1 && outcome.cost.fuel > START && outcome.cost.fuel <= granted, "{:?}", outcome.cost);

    // `l` of `failed` loops in the mapper: it gets the rest, and the caller pays.
    let map = invoke(
        r#"(call $map (i32.const 101) (i32.const 1) (i32.const 64) (i32.const 11) (i32.const 512))
        (call $ok (i32.load (i32.const 516)) (i32.load (i32.const 520)))"#,
    );
    let (outcome, asked, granted) = call(&harness, &map, 80_000_000, u64::MAX).await;
    fault(&outcome, FaultKind::Fuel);
    assert!(asked >= 2);
    assert_eq!((outcome.cost.fuel, granted), (80_000_000, 80_000_000));
}
