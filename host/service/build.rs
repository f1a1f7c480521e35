//! Gathers what the binary carries of `plugins/`: a folder with a `Cargo.toml` is a guest, one with a `connector.toml` a
//! connector. `bundled.rs` includes the list.

use std::{
    env,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::exit,
};

fn main() {
    if let Err(mistake) = bundle() {
        println!("cargo::error={mistake}");
        exit(1);
    }
}

fn bundle() -> Result<(), String> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    let plugins = root.join("plugins");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-env-changed=RESLY_GUESTS");
    println!("cargo::rerun-if-changed={}", plugins.display());
    // A packager may have built the guests elsewhere.
    let guests = env::var_os("RESLY_GUESTS").map_or_else(
        || {
            let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
            target.join("wasm32-wasip2/guest")
        },
        PathBuf::from,
    );
    let mut list = String::from("&[\n");
    for name in folders(&plugins).map_err(|error| format!("{} can't be read: {error}", plugins.display()))? {
        let folder = plugins.join(&name);
        let guest = folder.join("Cargo.toml").exists();
        if guest {
            copy(
                &guests.join(format!("resly_plugin_{}.wasm", name.replace('-', "_"))),
                &out.join(format!("{name}.wasm")),
            )?;
        }
        // Without a manifest it is a runner, which `bundled.rs` knows by name.
        if folder.join("connector.toml").exists() {
            let wasm = format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")))");
            let _ = writeln!(
                list,
                "    Source {{ folder: \"{name}\", manifest: include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \
                 \"/../../plugins/{name}/connector.toml\")), wasm: {} }},",
                if guest { &wasm } else { "None" }
            );
        }
    }
    list.push_str("]\n");
    let file = out.join("connectors.rs");
    fs::write(&file, list).map_err(|error| format!("{} can't be written: {error}", file.display()))
}

/// The folders' names, in order, so that each build lists the same.
fn folders(plugins: &Path) -> io::Result<Vec<String>> {
    let entries: Vec<_> = fs::read_dir(plugins)?.collect::<io::Result<_>>()?;
    let folders = entries.iter().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed={}", from.display());
    fs::copy(from, to).map(drop).map_err(|error| {
        format!("the bundled guest {} is missing ({error}): run `make build`, which builds it first", from.display())
    })
}
