//! Gathers what the binary carries: the bundled connectors and the handbook.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

const GUESTS: [&str; 3] = ["mapping", "http", "shopify"];

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
    handbook(&root.join("docs"), &out);
}

/// Writes the list of the handbook's pages, in the order of their names.
fn handbook(docs: &Path, out: &Path) {
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut pages: Vec<PathBuf> = fs::read_dir(docs)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let mut source = "/// The pages, in the order of their names.\npub static PAGES: &[Page] = &[\n".to_owned();
    for page in pages {
        println!("cargo::rerun-if-changed={}", page.display());
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = page.canonicalize().unwrap_or(page);
        source.push_str(&format!("    Page {{ name: {name:?}, text: include_str!({path:?}) }},\n"));
    }
    source.push_str("];\n");
    if let Err(error) = fs::write(out.join("handbook.rs"), source) {
        println!("cargo::error=the list of the handbook's pages can't be written: {error}");
        exit(1);
    }
}
