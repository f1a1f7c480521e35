//! Gathers the guests of the bundled connectors, which the binary carries.

use std::{env, fs, path::PathBuf, process::exit};

const GUESTS: [&str; 4] = ["mapping", "http", "shopify", "gmail"];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-env-changed=RESLY_GUESTS");
    // A packager may have built the guests elsewhere.
    let folder = env::var_os("RESLY_GUESTS").map_or_else(
        || {
            let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
            target.join("wasm32-wasip2/guest")
        },
        PathBuf::from,
    );
    for guest in GUESTS {
        let file = folder.join(format!("resly_plugin_{guest}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        if let Err(error) = fs::copy(&file, out.join(format!("{guest}.wasm"))) {
            println!(
                "cargo::error=the bundled connector {} is missing ({error}): run `make build`, which builds it first",
                file.display()
            );
            exit(1);
        }
    }
}
