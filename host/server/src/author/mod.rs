//! The tools of connector authors, with a file for each subcommand: begin a connector, build it, pack it, sign it,
//! import a definition, check it as a host does, and run an action in a host of the author's own.

mod build;
mod check;
mod import;
mod new;
mod pack;
mod run;
pub mod sign;

use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use resly_core::{connector::approval::RequestedGrants, json::without_bom};
use resly_manifest::{ParsedManifest, Violation};
use resly_service::{definition::Source, upload};

pub use self::{
    build::build,
    check::{admit_file, summary},
    import::{import, write},
    new::scaffold,
    pack::pack,
    run::{ActionCall, ActionRun, render_dry_run, render_report, run},
};

/// The first bytes of a WebAssembly file.
const WASM: &[u8] = b"\0asm";

/// A connector as an upload would bring it to a host.
pub struct ConnectorUpload {
    pub asking: RequestedGrants,
    /// What a component imports.
    pub imports: Vec<String>,
    /// The packed component. `None` for a declarative definition.
    pub wasm: Option<Bytes>,
}

/// The content of a connector's file.
pub enum InputFile {
    Component(ConnectorUpload),
    Definition(ParsedManifest),
}

/// Reads a packed component, or a definition as TOML or JSON.
pub fn read(file: &Path) -> anyhow::Result<InputFile> {
    let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    if bytes.starts_with(WASM) {
        let looked = upload::inspect(&bytes)?;
        let postable = ConnectorUpload { asking: looked.asking, imports: looked.imports, wasm: Some(bytes.into()) };
        return Ok(InputFile::Component(postable));
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", file.display()))?;
    let reading = written(file, text)?;
    let actions = reading.manifest.as_ref().map(|manifest| manifest.actions.as_slice()).unwrap_or_default();
    if !actions.is_empty() && actions.iter().all(|action| action.request.is_none()) {
        bail!(
            "{} is the manifest of a compiled connector: an action without `request` needs a component; pack the two \
             with `resly connector pack`{}",
            file.display(),
            listed(&reading.violations)
        );
    }
    Ok(InputFile::Definition(reading))
}

/// Reads a definition as JSON or TOML, by its file's name.
fn written(file: &Path, text: String) -> anyhow::Result<ParsedManifest> {
    let source = if file.extension().is_some_and(|extension| extension == "json") {
        let wrong = || format!("{} is not a connector's manifest", file.display());
        Source::Json(serde_json::from_slice(without_bom(text.as_bytes())).with_context(wrong)?)
    } else {
        Source::Toml(text)
    };
    Ok(source.read())
}

fn mistakes_error(mistakes: &[Violation]) -> anyhow::Error {
    anyhow::anyhow!("the manifest has mistakes:{}", listed(mistakes))
}

fn listed(mistakes: &[Violation]) -> String {
    mistakes.iter().map(|mistake| format!("\n  - {mistake}")).collect()
}
