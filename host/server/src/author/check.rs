//! `resly connector check`: checks a connector as a host would.

use anyhow::Context;
use resly_core::{
    connector::approval::{RequestedGrants, import_warnings},
    id::OrganizationId,
};
use resly_manifest::{Digest, SideEffect};
use resly_service::{
    App,
    definition::{self, DefinitionError},
};
use uuid::Uuid;

use super::{ConnectorUpload, InputFile, mistakes_error};

/// Compiles a component or examines a definition as a host does with an upload. Everything that a host refuses is
/// refused here, with every mistake at once.
pub async fn admit_file(app: &App, given: InputFile) -> anyhow::Result<ConnectorUpload> {
    let reading = match given {
        InputFile::Component(postable) => {
            if let Some(wasm) = &postable.wasm {
                app.sandbox.prepare(Digest::of(wasm), wasm).await.context("a host would refuse this component")?;
            }
            return Ok(postable);
        }
        InputFile::Definition(reading) => reading,
    };
    // The author's own host has compiled nothing yet, and parsing filters has a deadline of seconds.
    app.sandbox.prepare_mapper().await.context("the definition could not be examined")?;
    let manifest =
        definition::validate(app, OrganizationId(Uuid::nil()), reading).await.map_err(|unusable| match unusable {
            DefinitionError::Violations(mistakes) => mistakes_error(&mistakes),
            DefinitionError::Unexamined(fault) => {
                anyhow::Error::new(fault).context("the definition could not be examined")
            }
        })?;
    Ok(ConnectorUpload { asking: RequestedGrants { manifest, signer: None }, imports: Vec::new(), wasm: None })
}

/// The summary of a connector, and of what an admin would be asked to approve.
pub fn summary(postable: &ConnectorUpload) -> String {
    let RequestedGrants { manifest, signer } = &postable.asking;
    let list = |texts: Vec<&str>| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    let writes = manifest.actions.iter().filter(|action| action.side_effect == SideEffect::Write);
    let signature = match (&postable.wasm, signer) {
        (None, _) => "not for definitions".to_owned(),
        (_, None) => "none; `resly connector sign` adds one".to_owned(),
        (_, Some(signer)) => format!("valid, with the key {signer}"),
    };
    let mut lines = vec![
        format!("a host would take `{}` {} in", manifest.id, manifest.version),
        format!("  calls: {}", list(manifest.hosts.iter().map(String::as_str).collect())),
        format!("  credential: {}", list(manifest.auths().map(|auth| auth.kind().name()).collect())),
        format!("  actions that change something: {}", list(writes.map(|action| action.id.as_str()).collect())),
        format!("  signature: {signature}"),
    ];
    if postable.wasm.is_some() {
        lines
            .extend(import_warnings(manifest, &postable.imports).into_iter().map(|remark| format!("  note: {remark}")));
    }
    lines.join("\n")
}
