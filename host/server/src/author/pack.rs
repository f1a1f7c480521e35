//! `resly connector pack`: puts a component and its manifest into one file.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use resly_manifest::package;

use super::{mistakes_error, sign, written};

/// Packs a component with its manifest, and signs it if there is a key's file. Returns the file's path.
pub fn pack(component: &Path, manifest_file: &Path, out: Option<&Path>, key: Option<&Path>) -> anyhow::Result<PathBuf> {
    let wasm = std::fs::read(component).with_context(|| format!("{} can't be read", component.display()))?;
    resly_sandbox::precheck(&wasm)?;
    let text = std::fs::read_to_string(manifest_file)
        .with_context(|| format!("the manifest {} can't be read", manifest_file.display()))?;
    let manifest = written(manifest_file, text)?.into_manifest().map_err(|mistakes| mistakes_error(&mistakes))?;
    let mut packed = package::pack(&wasm, &manifest)?;
    if let Some(key) = key {
        packed = sign::sign(&packed, key)?;
    }
    let out = out.map_or_else(|| PathBuf::from(format!("{}-{}.wasm", manifest.id, manifest.version)), Path::to_owned);
    ensure!(out != component, "the packed file would take the component's place; name another with --out");
    std::fs::write(&out, packed).with_context(|| format!("{} can't be written", out.display()))?;
    Ok(out)
}
