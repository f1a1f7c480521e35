//! Gathers what the binary carries: the bundled connectors, the handbook, and the SDK for who writes a connector.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

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
    handbook(&root.join("docs"), &out);
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
        // A mark tells the test of the commands why it doesn't run one. It is nothing that a reader is to see, or a model.
        let text = fs::read_to_string(&page).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("<!-- not run: "));
        let text: String = lines.collect();
        source.push_str(&format!("    Page {{ name: {name:?}, text: {text:?} }},\n"));
    }
    source.push_str("];\n");
    if let Err(error) = fs::write(out.join("handbook.rs"), source) {
        println!("cargo::error=the list of the handbook's pages can't be written: {error}");
        exit(1);
    }
}
