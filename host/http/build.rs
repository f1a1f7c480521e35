//! Gathers the handbook, which the binary carries.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
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
