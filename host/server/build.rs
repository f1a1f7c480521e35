//! Gathers the SDK, which the binary carries for who writes a connector.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    sdk(&root, &out);
}

/// Writes the SDK's files, with a manifest that stands on its own, and the WIT package beside them.
fn sdk(root: &Path, out: &Path) {
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let manifest = fs::read_to_string(root.join("sdk/rust/Cargo.toml")).unwrap_or_default();
    let value = |name: &str| {
        let assigned = format!("{name} = ");
        workspace.lines().find(|line| line.starts_with(&assigned)).unwrap_or_default().to_owned()
    };
    let lines = manifest.replace("[lints]\nworkspace = true\n\n", "");
    let lines = lines.lines().map(|line| line.strip_suffix(".workspace = true").map_or_else(|| line.to_owned(), value));
    let manifest = out.join("sdk-Cargo.toml");
    if let Err(error) = fs::write(&manifest, lines.collect::<Vec<_>>().join("\n") + "\n") {
        println!("cargo::error=the SDK's manifest can't be written: {error}");
        exit(1);
    }
    let mut files = vec![("sdk/rust/Cargo.toml".to_owned(), manifest)];
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    println!("cargo::rerun-if-changed={}", root.join("sdk/rust/Cargo.toml").display());
    for folder in ["sdk/rust/src", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        for file in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            // The folders of `wit` have every released version; the SDK is built with the newest.
            if file.path().is_dir() {
                continue;
            }
            let name = file.file_name().to_string_lossy().into_owned();
            println!("cargo::rerun-if-changed={}", file.path().display());
            files.push((format!("{folder}/{name}"), file.path()));
        }
    }
    files.sort();
    let mut source = "/// The SDK and the WIT package: paths and texts.\nstatic SDK: &[(&str, &str)] = &[\n".to_owned();
    for (name, path) in files {
        let path = path.canonicalize().unwrap_or(path);
        source.push_str(&format!("    ({name:?}, include_str!({path:?})),\n"));
    }
    source.push_str("];\n");
    if let Err(error) = fs::write(out.join("sdk.rs"), source) {
        println!("cargo::error=the list of the SDK's files can't be written: {error}");
        exit(1);
    }
}
