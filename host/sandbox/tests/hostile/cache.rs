//! Compiled code on disk: used when it is this host's own, compiled anew when it isn't.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use resly_core::connector::fault::FaultKind;
use resly_manifest::Allowance;

use crate::{
    guest::invoke,
    harness::{Harness, fault},
};

#[tokio::test]
async fn what_was_compiled_is_loaded_by_the_next_host() {
    let guest = invoke("(call $fine)");
    let first = Harness::new();
    let digest = first.add(&guest);
    let prepared = first.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap();
    assert!(!prepared.from_cache && prepared.code_bytes > 0);
    let files = first.cached();
    assert_eq!(files.len(), 1);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);

    let second = Harness::within(Arc::clone(&first.folder), |_| {});
    // Its source doesn't know the component; it needn't.
    second.call_as(1, digest, Allowance::default()).await.result.unwrap();
    assert!(second.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap().from_cache);
}

#[tokio::test]
async fn a_corrupted_or_forged_file_is_compiled_anew() {
    let guest = invoke("(call $fine)");
    let first = Harness::new();
    let digest = first.add(&guest);
    let bytes = guest.bytes().into();
    first.sandbox.prepare(digest, &bytes).await.unwrap();
    let file = first.cached().remove(0);
    let right = fs::read(&file).unwrap();

    let middle = right.len() / 2;
    let change = |at: usize| {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        wrong
    };
    let wrong = [
        change(7),
        change(20),
        change(50),
        change(80),
        change(middle),
        change(right.len() - 1),
        right[..middle].to_vec(),
        Vec::new(),
        [right.as_slice(), b"x"].concat(),
    ];
    for wrong in wrong {
        fs::write(&file, &wrong).unwrap();
        let harness = Harness::within(Arc::clone(&first.folder), |_| {});
        harness.add(&guest);
        assert!(!harness.sandbox.prepare(digest, &bytes).await.unwrap().from_cache);
        harness.call_as(1, digest, Allowance::default()).await.result.unwrap();
        assert_eq!(fs::read(&file).unwrap().len(), right.len(), "the file is right again");
    }
}

#[tokio::test]
async fn another_hosts_key_vouches_for_nothing_here() {
    let guest = invoke("(call $fine)");
    let first = Harness::new();
    let digest = first.add(&guest);
    first.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap();
    let other = Harness::within(Arc::clone(&first.folder), |config| config.mac_key = [8; 32]);
    assert!(!other.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap().from_cache);
}

#[tokio::test]
async fn one_components_code_is_not_anothers() {
    let (good, evil) = (invoke("(call $fine)"), invoke("unreachable"));
    let first = Harness::new();
    let (right, wrong) = (first.add(&good), first.add(&evil));
    first.sandbox.prepare(wrong, &evil.bytes().into()).await.unwrap();
    let file = first.cached().remove(0);
    fs::rename(&file, file.with_file_name(format!("{right}.code"))).unwrap();
    let second = Harness::within(Arc::clone(&first.folder), |_| {});
    second.add(&good);
    second.call_as(1, right, Allowance::default()).await.result.unwrap();
}

#[tokio::test]
async fn many_at_once_compile_once() {
    let harness = Harness::new();
    let digest = harness.add(&invoke("(call $fine)"));
    let calls = (0..50).map(|_| harness.call_as(1, digest, Allowance::default()));
    for outcome in futures::future::join_all(calls).await {
        outcome.result.unwrap();
    }
    assert_eq!(harness.components.asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn who_waited_long_for_the_compiler_is_told_to_come_back_and_what_was_begun_goes_on() {
    let harness = Harness::with(|config| config.load_wait = Duration::ZERO);
    let guest = invoke("(call $fine)");
    let digest = harness.add(&guest);
    let gate = harness.components.gate.write().await;
    for _ in 0..3 {
        let outcome = harness.call_as(1, digest, Allowance::default()).await;
        let fault = fault(&outcome, FaultKind::Busy);
        assert!(fault.retryable && fault.message.contains("compiled"), "{fault:?}");
        assert_eq!(outcome.cost.fuel, 0);
    }
    drop(gate);
    assert!(!harness.sandbox.prepare(digest, &guest.bytes().into()).await.unwrap().from_cache, "it waits for the same");
    assert_eq!(harness.components.asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    harness.call_as(1, digest, Allowance::default()).await.result.unwrap();
}
