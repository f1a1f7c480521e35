//! Types are made of the host's own OpenAPI document, a client is compiled with them, and runs against the host.

use std::process::Command;

use resly_tests::demo::Demo;

#[test]
fn a_client_compiles_against_the_document_and_works() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/typed-client");
    let tool = |name: &str| format!("{folder}/node_modules/.bin/{name}");
    assert!(std::path::Path::new(&tool("tsc")).exists(), "the tools are not installed: run `make test`");
    let demo = Demo::start().unwrap();
    let document = format!("{}/openapi.json", demo.url());
    run(demo.command(&tool("openapi-typescript")).args([&document, "-o", "out/api.d.ts"]).current_dir(folder));
    run(demo.command(&tool("tsc")).args(["-p", "."]).current_dir(folder));
    run(demo.command("node").args(["--test", "out/client.js"]).current_dir(folder));
}

fn run(command: &mut Command) {
    let output = command.output().expect("Node is installed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
}
