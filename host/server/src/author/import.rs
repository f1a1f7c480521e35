//! `resly connector import`: makes a definition of an OpenAPI document.

use std::{
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::Context;
use resly_manifest::openapi::{self, ImportError, ImportOptions};

use super::listed;

/// Makes a definition of an OpenAPI document's operations, or lists the operations when none is chosen. Returns it with
/// lines for the person.
pub fn import(file: &Path, wanted: ImportOptions) -> anyhow::Result<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let document = openapi::read(&text)?;
    let told = |error: ImportError| match &error {
        ImportError::Asked(mistakes) | ImportError::Unsound(mistakes) => {
            anyhow::anyhow!("{error}:{}", listed(mistakes))
        }
        _ => error.into(),
    };
    if wanted.operations.is_empty() {
        let listing = openapi::list(document, wanted.server.as_deref()).map_err(told)?;
        let lines = listing.operations.iter().map(|choice| {
            let note = choice
                .reason
                .as_ref()
                .map_or_else(|| choice.summary.clone(), |reason| format!("not supported: {reason}"));
            format!("{}\t{} {}\t{note}\n", choice.id, choice.method, choice.path)
        });
        let more = if listing.more { ", and more" } else { "" };
        let said = format!("{} operations{more}; choose with --operation ID", listing.operations.len());
        return Ok((lines.collect(), said));
    }
    let imported = openapi::import(document, &wanted).map_err(told)?;
    let mut said: String = imported.warnings.iter().map(|warning| format!("note: {warning}\n")).collect();
    said.push_str("look it over, then `resly connector check` it");
    Ok((format!("{:#}\n", imported.definition), said))
}

/// Writes a definition into a file. An existing file is replaced only with `force`.
pub fn write(file: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    let opened = if force { options.create(true).truncate(true) } else { options.create_new(true) }.open(file);
    opened.and_then(|mut open| open.write_all(text.as_bytes())).map_err(|error| {
        let hint = if error.kind() == ErrorKind::AlreadyExists { "; --force writes over it" } else { "" };
        anyhow::anyhow!("{} can't be written: {error}{hint}", file.display())
    })
}
