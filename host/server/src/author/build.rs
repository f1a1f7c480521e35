//! `resly connector build`: compiles a Rust connector and packs it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::pack;

/// The stack's size. The linker's default is 1 MiB, which every instance would have to allocate.
const STACK: &str = "target.wasm32-wasip2.rustflags=[\"-Clink-arg=-zstack-size=131072\"]";

/// Compiles a Rust connector and packs it with the `connector.toml` beside its `Cargo.toml`.
pub fn build(folder: &Path, out: Option<&Path>, key: Option<&Path>) -> anyhow::Result<PathBuf> {
    ensure!(
        folder.join("Cargo.toml").is_file(),
        "{} has no Cargo.toml: name the connector's folder, or begin one with `resly connector new`",
        folder.display()
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(folder)
        .args(["build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"])
        .args(["--config", STACK])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo can't be started; install Rust with rustup")?;
    ensure!(
        output.status.success(),
        "cargo could not build the connector; if it lacks the target, run `rustup target add wasm32-wasip2`"
    );
    let component = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let files = message["filenames"].as_array()?.clone();
            files
                .into_iter()
                .filter_map(|file| Some(PathBuf::from(file.as_str()?)))
                .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        })
        .next_back()
        .context("cargo built no component; the crate needs `crate-type = [\"cdylib\"]`")?;
    pack(&component, &folder.join("connector.toml"), out, key)
}
