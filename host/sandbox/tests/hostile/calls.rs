//! What a call gives, says and costs; and what bounds what it says to the host.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use resly_core::connector::{
    fault::FaultKind,
    sandbox::{LogLevel, Outcome, Sandbox},
};
use resly_manifest::{Allowance, Digest};

use crate::{
    guest::{invoke, module},
    harness::{Harness, SECRET, SECRET_NUMBER, fault, organization, short},
};

#[tokio::test]
async fn an_answer_comes_back_with_its_cost() {
    let harness = Harness::new();
    let outcome = harness.call(&invoke("(call $fine)")).await;
    assert_eq!(outcome.result.unwrap(), r#"{"ok":true}"#);
    assert!(outcome.cost.fuel > 0 && outcome.cost.fuel < 2_000, "{:?}", outcome.cost);
    assert_eq!((outcome.cost.http_calls, outcome.cost.response_bytes), (0, 0));
    let stats = harness.sandbox.stats();
    assert_eq!((stats.running, stats.queued, stats.mapping, stats.alive), (0, 0, 0, 0));
    assert!(stats.code_bytes > 0);
}

#[tokio::test]
async fn a_fresh_instance_remembers_nothing() {
    let harness = Harness::new();
    let guest = module(
        r#"(global $calls (mut i32) (i32.const 0))
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (if (global.get $calls) (then unreachable))
          (if (i32.load (i32.const 2048)) (then unreachable))
          (global.set $calls (i32.const 1))
          (memory.fill (i32.const 2048) (i32.const 1) (i32.const 30000))
          (call $fine))"#,
    );
    for _ in 0..20 {
        harness.call(&guest).await.result.unwrap();
    }
}

#[tokio::test]
async fn a_guests_own_fault_is_its_own_words_redacted() {
    let harness = Harness::new();
    let guest = module(&format!(
        r#"(data (i32.const 1024) "the key {SECRET} was refused")
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (call $emit (i32.const 2) (i32.const 1024) (i32.const 35))
          (call $fail (i32.const 3) (i32.const 1024) (i32.const 35)))"#
    ));
    let outcome = harness.call(&guest).await;
    let fault = fault(&outcome, FaultKind::NeedsAuth);
    assert_eq!(fault.message, "the key [redacted] was refused");
    assert!(fault.retryable);
    assert_eq!(outcome.log.len(), 1);
    assert_eq!(
        (outcome.log[0].level, outcome.log[0].message.as_str()),
        (LogLevel::Warn, "the key [redacted] was refused")
    );
}

#[tokio::test]
async fn output_that_is_not_json_is_said_so() {
    let harness = Harness::new();
    fault(&harness.call(&invoke("(call $ok (i32.const 75) (i32.const 3))")).await, FaultKind::Output);
}

#[tokio::test]
async fn output_over_the_cap_is_too_large() {
    let harness = Harness::new();
    let spaces = "(memory.fill (i32.const 32768) (i32.const 32) (i32.const 98304)) (call $ok (i32.const 32768) (i32.const 98304))";
    let allowance = Allowance { output_bytes: 65_536, ..Allowance::default() };
    fault(&harness.call_with(&invoke(spaces), allowance).await, FaultKind::TooLarge);
    // Beyond what the host takes over at all.
    let huge = invoke("(call $ok (i32.const 0) (i32.const 20000000))").pages("400");
    fault(&harness.call(&huge).await, FaultKind::TooLarge);
}

#[tokio::test]
async fn results_that_lie_outside_memory_are_a_crash() {
    let harness = Harness::new();
    fault(&harness.call(&invoke("(call $ok (i32.const 131000) (i32.const 120000000))")).await, FaultKind::Trap);
    fault(&harness.call(&invoke("(i32.const -4)")).await, FaultKind::Trap);
}

#[tokio::test]
async fn http_calls_and_bytes_are_counted_and_bounded() {
    let harness = Harness::new();
    // Fetches five times; answers with the last result's discriminant as a digit.
    let guest = invoke(
        r#"(local $n i32)
        (loop $again
          (call $fetch)
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 5))))
        (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.load8_u (i32.const 512))))
        (call $ok (i32.const 600) (i32.const 1))"#,
    );
    harness.outside.body.store(1000, Ordering::Relaxed);
    let outcome = harness.call(&guest).await;
    assert_eq!(outcome.result.unwrap(), "0");
    assert_eq!((outcome.cost.http_calls, outcome.cost.response_bytes), (5, 5000));

    let few = Allowance { http_calls: 3, ..Allowance::default() };
    let outcome = harness.call_with(&guest, few).await;
    assert_eq!(outcome.result.unwrap(), "1", "the fourth is refused");
    assert_eq!(outcome.cost.http_calls, 3);

    let little = Allowance { response_bytes: 2500, ..Allowance::default() };
    let outcome = harness.call_with(&guest, little).await;
    assert_eq!(outcome.result.unwrap(), "1");
    assert_eq!((outcome.cost.http_calls, outcome.cost.response_bytes), (3, 2500), "cut at what was left");
}

#[tokio::test]
async fn a_guest_fails_of_what_the_host_refused_last_unless_it_says_that_the_input_is_wrong() {
    let harness = Harness::new();
    harness.outside.body.store(10, Ordering::Relaxed);
    let failing = |fetches: usize, then: &str| invoke(&format!("{} {then}", "(call $fetch)".repeat(fetches)));
    let one = Allowance { http_calls: 1, ..Allowance::default() };
    let fail = |kind: u32| format!("(call $fail (i32.const {kind}) (i32.const 98) (i32.const 6))");
    for (then, kind) in [
        (fail(0), FaultKind::InvalidInput),
        (fail(1), FaultKind::NotFound),
        (fail(2), FaultKind::TooLarge),
        (fail(3), FaultKind::TooLarge),
        (fail(4), FaultKind::TooLarge),
        (fail(5), FaultKind::TooLarge),
        ("unreachable".to_owned(), FaultKind::TooLarge),
    ] {
        let outcome = harness.call_with(&failing(2, &then), one).await;
        let fault = outcome.result.unwrap_err();
        assert_eq!(fault.kind, kind, "{then}: {fault:?}");
        assert_eq!(fault.message.contains("may send 1 requests"), kind == FaultKind::TooLarge, "{fault:?}");
    }
    let own = harness.call_with(&failing(1, &fail(2)), one).await.result.unwrap_err();
    assert_eq!((own.kind, own.message.as_str()), (FaultKind::Upstream, "failed"), "nothing was refused");
    let cut = Allowance { response_bytes: 5, ..Allowance::default() };
    let cut = harness.call_with(&failing(1, &fail(2)), cut).await.result.unwrap_err();
    assert_eq!((cut.kind, cut.retryable), (FaultKind::TooLarge, false));
}

#[tokio::test]
async fn a_request_too_large_is_refused_before_it_counts() {
    let harness = Harness::new();
    // A body of 1 MiB and a byte: within what a host call may carry, over what a request may.
    let guest = invoke(
        r#"(call $send (i32.const 75) (i32.const 3) (i32.const 78) (i32.const 20) (i32.const 0) (i32.const 0)
          (i32.const 1) (i32.const 131072) (i32.const 1048577) (i32.const 0) (i32.const 0) (i32.const 512))
        (call $ok (i32.const 75) (i32.const 0))
        drop
        (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.load8_u (i32.const 516))))
        (call $ok (i32.const 600) (i32.const 1))"#,
    );
    let outcome = harness.call(&guest.pages("40")).await;
    assert_eq!(outcome.result.unwrap(), "4", "`too-large` is the fourth reason");
    assert_eq!(outcome.cost.http_calls, 0);
}

#[tokio::test]
async fn state_is_kept_and_its_sizes_bounded() {
    let harness = Harness::new();
    let set = |key: u32, value: u32| {
        invoke(&format!(
            r#"(call $set (i32.const 107) (i32.const {key}) (i32.const 64) (i32.const {value}) (i32.const 60) (i32.const 512))
            (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.load8_u (i32.const 512))))
            (call $ok (i32.const 600) (i32.const 1))"#
        ))
    };
    assert_eq!(harness.call(&set(3, 11)).await.result.unwrap(), "0");
    assert_eq!(harness.state.0.lock().unwrap()["key"], br#"{"ok":true}"#);
    let get = invoke(
        r#"(call $get (i32.const 107) (i32.const 3) (i32.const 512))
        (call $ok (i32.load (i32.const 516)) (i32.load (i32.const 520)))"#,
    );
    assert_eq!(harness.call(&get).await.result.unwrap(), r#"{"ok":true}"#);
    assert_eq!(harness.call(&set(300, 11)).await.result.unwrap(), "1", "the key is too long");
    assert_eq!(harness.call(&set(3, 70_000)).await.result.unwrap(), "1", "the value is too long");
    assert_eq!(harness.state.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mapping_runs_in_the_mapper_on_the_callers_fuel() {
    let harness = Harness::new();
    // The filter is a letter of the shell's text at 64: `i` of `failed`, `m` of `map`, `f` of `failed`.
    let map = |at: u32| {
        invoke(&format!(
            r#"(call $map (i32.const {at}) (i32.const 1) (i32.const 64) (i32.const 11) (i32.const 512))
            (if (i32.load8_u (i32.const 512)) (then
              (return (call $fail (i32.const 0) (i32.load (i32.const 516)) (i32.load (i32.const 520))))))
            (call $ok (i32.load (i32.const 516)) (i32.load (i32.const 520)))"#
        ))
    };
    assert_eq!(harness.call(&map(100)).await.result.unwrap(), r#"{"ok":true}"#);
    assert_eq!(harness.call(&map(104)).await.result.unwrap(), "null");
    let outcome = harness.call(&map(98)).await;
    assert_eq!(outcome.result.unwrap_err().message, "no such field");
    // `l` of `failed` loops: it is the caller's fuel that burns, all of it.
    let outcome = harness.call_with(&map(101), Allowance { fuel: 5_000_000, ..Allowance::default() }).await;
    fault(&outcome, FaultKind::Fuel);
    assert_eq!(outcome.cost.fuel, 5_000_000);
    fault(&harness.call_with(&map(101), short(50)).await, FaultKind::Deadline);
    assert_eq!(harness.sandbox.stats().mapping, 0);
}

#[tokio::test]
async fn the_host_maps_too() {
    let harness = Harness::new();
    let map = async |filter| -> Outcome {
        harness.sandbox.map(organization(1), filter, "[1]", Allowance::default()).await.into()
    };
    let outcome = map("i").await;
    assert_eq!(outcome.result.as_deref(), Ok("[1]"));
    assert!(outcome.cost.fuel > 0);
    let failed = map("f").await.result.unwrap_err();
    assert_eq!((failed.kind, failed.message.as_str()), (FaultKind::Mapping, "no such field (at byte 7 of the filter)"));
    fault(&map("t").await, FaultKind::Trap);
    let little = Allowance { fuel: 100_000, ..Allowance::default() };
    let outcome: Outcome = harness.sandbox.map(organization(1), "l", "[1]", little).await.into();
    fault(&outcome, FaultKind::Fuel);
    assert_eq!(outcome.cost.fuel, 100_000);
}

#[tokio::test]
async fn more_callers_than_mappers_all_get_their_mapping() {
    let harness = Harness::with(|config| config.mappers = 1);
    let map = invoke(
        r#"(call $map (i32.const 100) (i32.const 1) (i32.const 64) (i32.const 11) (i32.const 512))
        (call $ok (i32.load (i32.const 516)) (i32.load (i32.const 520)))"#,
    );
    let component = harness.add(&map);
    let calls = (0..200).map(|n| harness.call_as(n % 7, component, Allowance::default()));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome.result.unwrap(), r#"{"ok":true}"#);
    }
}

#[tokio::test]
async fn a_trap_in_the_middle_of_a_host_call_leaves_nothing() {
    let harness = Harness::new();
    // The host call's result is put where the guest's allocator says, and that traps.
    let guest = module(
        r#"(func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (global.set $top (i32.const 0x7ffffff0))
          (call $fetch)
          (call $fine))"#,
    );
    harness.outside.body.store(100_000, Ordering::Relaxed);
    let outcome = harness.call(&guest).await;
    assert!(matches!(outcome.result.as_ref().unwrap_err().kind, FaultKind::Trap | FaultKind::Memory), "{outcome:?}");
    assert_eq!(outcome.cost.http_calls, 1);
    assert_eq!(harness.call(&invoke("(call $fetch) (call $fine)")).await.result.unwrap(), r#"{"ok":true}"#);
}

#[tokio::test]
async fn a_guest_that_waits_ends_at_its_deadline() {
    let harness = Harness::new();
    harness.outside.silent.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let outcome = harness.call_with(&invoke("(call $fetch) (call $fine)"), short(100)).await;
    fault(&outcome, FaultKind::Deadline);
    assert_eq!(outcome.cost.http_calls, 1);
    assert!(started.elapsed() < Duration::from_secs(2));
    harness.outside.dropped.notified().await;
}

#[tokio::test]
async fn dropping_a_call_ends_its_guest() {
    let harness = Harness::new();
    harness.outside.silent.store(true, Ordering::Relaxed);
    let waits = harness.add(&invoke("(call $fetch) (call $fine)"));
    let loops = harness.add(&invoke("(loop $again (br $again)) (call $fine)"));
    {
        let waiting = harness.call_as(1, waits, short(60_000));
        let looping = harness.call_as(1, loops, short(60_000));
        tokio::select! {
            _ = futures::future::join(waiting, looping) => panic!("neither ends"),
            () = harness.outside.asked.notified() => {}
        }
    }
    harness.outside.dropped.notified().await;
    while harness.sandbox.stats().alive > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(harness.sandbox.stats().running, 0);
}

#[tokio::test]
async fn what_a_guest_returns_is_redacted_and_stays_json() {
    let harness = Harness::new();
    let returns = |json: &str| {
        let (data, len) = (json.replace('"', "\\\""), json.len());
        harness.add(&module(&format!(
            r#"(data (i32.const 1024) "{data}")
            (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
              (call $ok (i32.const 1024) (i32.const {len})))"#
        )))
    };
    for (given, expected) in [
        (format!(r#"{{"echo":"Bearer {SECRET}","n":[1,2.50]}}"#), r#"{"echo":"Bearer [redacted]","n":[1,2.50]}"#),
        (format!(r#"{{"{SECRET}":true}}"#), r#"{"[redacted]":true}"#),
        (r#"{"id":7}"#.to_owned(), r#"{"id":7}"#),
        // Where no string is, a mark would be no JSON.
        (
            format!(r#"{{"z":"Bearer {SECRET}","pin":[{SECRET_NUMBER},1.50]}}"#),
            r#"{"z":"Bearer [redacted]","pin":["[redacted]",1.50]}"#,
        ),
    ] {
        let outcome = harness.call_as(1, returns(&given), Allowance::default()).await;
        assert_eq!(outcome.result.unwrap(), expected);
    }
}

#[tokio::test]
async fn nobody_is_told_to_try_again_when_the_service_asks_for_days() {
    let harness = Harness::new();
    let guest = harness.add(&module(
        r#"(data (i32.const 1024) "come back after the holidays")
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (call $fetch)
          (call $fail (i32.const 4) (i32.const 1024) (i32.const 28)))"#,
    ));
    for (wait, retryable) in [(0, true), (30, true), (3600, true), (3601, false), (3 * 86_400, false)] {
        harness.outside.retry_after.store(wait, Ordering::Relaxed);
        let outcome = harness.call_as(1, guest, Allowance::default()).await;
        assert_eq!(fault(&outcome, FaultKind::RateLimited).retryable, retryable, "{wait} s");
    }
}

#[tokio::test]
async fn what_is_not_there_can_not_be_called() {
    let harness = Harness::new();
    let outcome = harness.call_as(1, Digest::of(b"nothing"), Allowance::default()).await;
    fault(&outcome, FaultKind::Component);
}

#[tokio::test]
async fn a_full_host_says_so() {
    let harness = Harness::with(|config| (config.instances, config.queue) = (1, 1));
    harness.outside.silent.store(true, Ordering::Relaxed);
    let waits = harness.add(&invoke("(call $fetch) (call $fine)"));
    let (one, other, refused) =
        tokio::join!(harness.call_as(1, waits, short(300)), harness.call_as(1, waits, short(300)), async {
            while harness.sandbox.stats().queued == 0 {
                tokio::task::yield_now().await;
            }
            harness.call_as(1, waits, short(300)).await
        });
    // Both wait for the same code, so either may be the one that runs; the other has what is left of its time.
    let kinds = [&one, &other].map(|outcome| outcome.result.as_ref().unwrap_err().kind);
    assert!(kinds.contains(&FaultKind::Deadline), "{kinds:?}");
    assert!(kinds.iter().all(|kind| matches!(kind, FaultKind::Deadline | FaultKind::Busy)), "{kinds:?}");
    let refused = fault(&refused, FaultKind::Busy);
    assert!(refused.retryable);
}
