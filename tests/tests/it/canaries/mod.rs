//! No secret anywhere: a host that logs all it can, every secret there is, every way to make it talk; then every byte that
//! it wrote is searched for each secret in each form.
//!
//! To add a secret: watch it where it is made (in `run.rs`, or with [`resly_tests::canary::Canaries::watch`]), and use it in
//! `drive.rs`. A type that holds one belongs in `types.rs`.

mod drive;
mod oauth;
mod run;
mod types;

use serde_json::Value;

use run::Run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_host_writes_holds_a_secret() {
    let mut run = Run::start().await;
    drive::drive(&mut run).await;
    let asked = run.model.asked().iter().map(Value::to_string).collect::<String>();
    run.written.push(("asked of the model".to_owned(), asked.into_bytes()));
    let (canaries, written) = run.end().await;

    let total = |of: &dyn Fn(&str) -> bool| -> usize {
        written.iter().filter(|(place, _)| of(place)).map(|(_, bytes)| bytes.len()).sum()
    };
    assert!(total(&|place| place.contains("resly.db")) > 100_000, "the database was read");
    assert!(total(&|place| place.contains("compiled")) > 100_000, "compiled code was read");
    let (place, shown) = &written[0];
    assert!(canaries.found_in(place, shown).is_empty() && !canaries.found_in("elsewhere", shown).is_empty(), "{place}");
    let marked = |(_, bytes): &&(String, Vec<u8>)| bytes.windows(10).any(|window| window == b"[redacted]");
    assert!(written.iter().filter(marked).count() > 30, "echoes came back, redacted");
    let mut found: Vec<String> = written.iter().flat_map(|(place, bytes)| canaries.found_in(place, bytes)).collect();
    let count = found.len();
    found.truncate(40);
    assert!(found.is_empty(), "{count} leaks:\n{}", found.join("\n"));
}
