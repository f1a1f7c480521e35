//! WASI is there and powerless; what isn't WASI or the connector's is refused by name.

use resly_core::connector::fault::FaultKind;
use resly_manifest::{Allowance, Digest};
use resly_sandbox::ComponentError;

use crate::{
    guest::{invoke, module, parse},
    harness::{Harness, fault},
};

#[tokio::test]
async fn an_unknown_interface_is_refused_by_name() {
    let harness = Harness::new();
    let guest = invoke("(call $fine)").imports(r#"(import "acme:vault/secrets@1.0.0" (instance))"#, "", "");
    let outcome = harness.call(&guest).await;
    let fault = fault(&outcome, FaultKind::Component);
    assert!(fault.message.contains("acme:vault/secrets@1.0.0"), "{}", fault.message);
}

#[tokio::test]
async fn a_function_that_an_interface_does_not_have_is_refused_by_name() {
    let harness = Harness::new();
    let guest = invoke("(call $fine)").imports(
        r#"(import "wasi:random/random@0.2.0" (instance (export "get-all-secrets" (func))))"#,
        "",
        "",
    );
    let outcome = harness.call(&guest).await;
    let fault = fault(&outcome, FaultKind::Component);
    assert!(fault.message.contains("get-all-secrets"), "{}", fault.message);
}

#[tokio::test]
async fn a_component_that_is_no_connector_is_refused() {
    let harness = Harness::new();
    let digest = harness.components.add(parse("(component)"));
    let outcome = harness.call_as(1, digest, Allowance::default()).await;
    let fault = fault(&outcome, FaultKind::Component);
    assert!(fault.message.contains("resly:connector/action@"), "{}", fault.message);
}

#[tokio::test]
async fn an_export_of_another_type_is_refused_before_it_is_called() {
    let harness = Harness::new();
    let wat = r#"(component
      (core module $M (func (export "invoke") (result i32) (i32.const 7)))
      (core instance $m (instantiate $M))
      (func $invoke (result u32) (canon lift (core func $m "invoke")))
      (instance $action (export "invoke" (func $invoke)))
      (export "resly:connector/action@1.0.0" (instance $action)))"#;
    let bytes = parse(wat);
    let error = harness.sandbox.prepare(Digest::of(&bytes), &bytes.into()).await.unwrap_err();
    assert!(matches!(&error, ComponentError::Link(reason) if reason.contains("`invoke`")), "{error}");
}

#[tokio::test]
async fn every_socket_is_denied() {
    let harness = Harness::new();
    let guest = invoke(
        r#"(call $socket (i32.const 0) (i32.const 512))
        (i32.store8 (i32.const 600) (i32.add (i32.const 48) (i32.load8_u (i32.const 512))))
        (i32.store8 (i32.const 601) (i32.add (i32.const 48) (i32.load8_u (i32.const 516))))
        (call $ok (i32.const 600) (i32.const 2))"#,
    )
    .imports(
        r#"(import "wasi:sockets/network@0.2.0" (instance $network
          (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
            "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
            "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
            "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
            "permanent-resolver-failure"))
          (export "error-code" (type $code (eq $code')))
          (type $family' (enum "ipv4" "ipv6"))
          (export "ip-address-family" (type $family (eq $family')))))
        (alias export $network "error-code" (type $code))
        (alias export $network "ip-address-family" (type $family))
        (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
        (alias export $tcp "tcp-socket" (type $tcp-socket))
        (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
          (alias outer 1 $code (type $code'))
          (export "error-code" (type $code (eq $code')))
          (alias outer 1 $family (type $family'))
          (export "ip-address-family" (type $family (eq $family')))
          (alias outer 1 $tcp-socket (type $socket'))
          (export "tcp-socket" (type $socket (eq $socket')))
          (type $own (own $socket))
          (export "create-tcp-socket" (func (param "address-family" $family)
            (result (result $own (error $code)))))))
        (core module $Area (memory (export "memory") 1))"#,
        r#"(import "wasi" "socket" (func $socket (param i32 i32)))"#,
        r#"(with "wasi" (instance (export "socket" (func $socket))))"#,
    );
    // The lowering needs the guest's memory, which is defined after the imports.
    let wat = guest.wat().replace(
        "(core module $Main",
        r#"(core func $socket (canon lower (func $create "create-tcp-socket") (memory $memory)))
        (core module $Main"#,
    );
    let digest = harness.components.add(parse(&wat));
    let outcome = harness.call_as(1, digest, Allowance::default()).await;
    assert_eq!(outcome.result.unwrap(), "11", "an error, `access-denied`");
}

#[tokio::test]
async fn there_is_no_environment_and_no_folder() {
    let harness = Harness::new();
    let guest = invoke(
        r#"(call $environment (i32.const 512))
        (if (i32.load (i32.const 516)) (then unreachable))
        (call $folders (i32.const 512))
        (if (i32.load (i32.const 516)) (then unreachable))
        (call $fine)"#,
    )
    .imports(
        r#"(import "wasi:cli/environment@0.2.0" (instance $environment
          (export "get-environment" (func (result (list (tuple string string)))))))
        (import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
        (alias export $files "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
          (alias outer 1 $descriptor (type $descriptor'))
          (export "descriptor" (type $d (eq $descriptor')))
          (export "get-directories" (func (result (list (tuple (own $d) string)))))))"#,
        r#"(import "wasi" "environment" (func $environment (param i32)))
        (import "wasi" "folders" (func $folders (param i32)))"#,
        r#"(with "wasi" (instance (export "environment" (func $environment)) (export "folders" (func $folders))))"#,
    );
    let wat = guest.wat().replace(
        "(core module $Main",
        r#"(core func $environment (canon lower (func $environment "get-environment") (memory $memory) (realloc $realloc)))
        (core func $folders (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
        (core module $Main"#,
    );
    let digest = harness.components.add(parse(&wat));
    harness.call_as(1, digest, Allowance::default()).await.result.unwrap();
}

#[tokio::test]
async fn time_and_randomness_are_the_hosts() {
    let harness = Harness::new();
    // The clock stands at 1,700,000,000 s, and random numbers are those of the host's source, whose last byte counts.
    let guest = invoke(
        r#"(call $now (i32.const 512))
        (if (i64.ne (i64.load (i32.const 512)) (i64.const 1700000000)) (then unreachable))
        (if (i64.ne (i64.const 0) (i64.and (call $random) (i64.const 0x00ffffffffffffff))) (then unreachable))
        (call $fine)"#,
    )
    .imports(
        r#"(import "wasi:clocks/wall-clock@0.2.0" (instance $clock
          (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
          (export "datetime" (type $datetime (eq $datetime')))
          (export "now" (func (result $datetime)))))
        (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))"#,
        r#"(import "wasi" "now" (func $now (param i32)))
        (import "wasi" "random" (func $random (result i64)))"#,
        r#"(with "wasi" (instance (export "now" (func $now)) (export "random" (func $random))))"#,
    );
    let wat = guest.wat().replace(
        "(core module $Main",
        r#"(core func $now (canon lower (func $clock "now") (memory $memory)))
        (core func $random (canon lower (func $random "get-random-u64")))
        (core module $Main"#,
    );
    let digest = harness.components.add(parse(&wat));
    harness.call_as(1, digest, Allowance::default()).await.result.unwrap();
}

/// Imports `wasi:cli/stderr`, whose `get-stderr` is `$stderr`, and the stream's `blocking-write-and-flush`, `$write`.
fn with_stderr(body: &str) -> Vec<u8> {
    let guest = module(body).imports(
        r#"(import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
        (alias export $errors "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
          (export "output-stream" (type $stream (sub resource)))
          (alias outer 1 $error (type $error'))
          (export "error" (type $e (eq $error')))
          (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
          (export "stream-error" (type $stream-error (eq $stream-error')))
          (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $stream))
            (param "contents" (list u8)) (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stderr@0.2.0" (instance $cli
          (alias outer 1 $stream (type $stream'))
          (export "output-stream" (type $s (eq $stream')))
          (export "get-stderr" (func (result (own $s))))))"#,
        r#"(import "wasi" "stderr" (func $stderr (result i32)))
        (import "wasi" "write" (func $write (param i32 i32 i32 i32)))"#,
        r#"(with "wasi" (instance (export "stderr" (func $stderr)) (export "write" (func $write))))"#,
    );
    let wat = guest.wat().replace(
        "(core module $Main",
        r#"(core func $stderr (canon lower (func $cli "get-stderr")))
        (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
          (memory $memory) (realloc $realloc)))
        (core module $Main"#,
    );
    parse(&wat)
}

#[tokio::test]
async fn standard_error_ends_in_the_calls_log() {
    let harness = Harness::new();
    let bytes = with_stderr(
        r#"(data (i32.const 1024) "panicked\nat the disco")
        (func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (call $write (call $stderr) (i32.const 1024) (i32.const 21) (i32.const 512))
          unreachable)"#,
    );
    let outcome = harness.call_as(1, harness.components.add(bytes), Allowance::default()).await;
    fault(&outcome, FaultKind::Trap);
    let lines: Vec<_> = outcome.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["panicked", "at the disco"]);
}

#[tokio::test]
async fn a_flood_of_handles_ends_at_its_bound() {
    let harness = Harness::new();
    let bytes = with_stderr(
        r#"(func (export "invoke") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (loop $again (drop (call $stderr)) (br $again))
          (call $fine))"#,
    );
    let outcome = harness.call_as(1, harness.components.add(bytes), Allowance::default()).await;
    let fault = fault(&outcome, FaultKind::Memory);
    assert!(fault.message.contains("handles"), "{}", fault.message);
}
