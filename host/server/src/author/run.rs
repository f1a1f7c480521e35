//! `resly connector run`: calls an action of a connector in a host of the author's own, as any host would.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::ensure;
use resly_core::connector::{
    approval::{Approval, RequestedGrants},
    call::CallReport,
    connection::{Environment, Origin, Owner, Policy},
    fault::Fault,
};
use resly_http::answers::DryRun;
use resly_manifest::Digest;
use resly_service::{
    App, FieldError,
    actions::{self, ActionError, ManualCaller},
    connections::{self, ConnectionError, NewConnection},
    organizations::{self, OrganizationName},
};
use resly_store::{Decision, NewConnectorVersion, SavedVersion, VersionState};
use serde_json::{Map, Value, json};

use super::{ConnectorUpload, InputFile, admit_file};

const ORGANIZATION: &str = "author";

/// The call to make.
pub struct ActionCall {
    pub action: String,
    pub input: Value,
    pub settings: Value,
    /// The credentials for calling the service. Without them, the manifest's fixtures answer.
    pub live: Option<Map<String, Value>>,
    /// Whether to show the first request instead of sending it.
    pub dry_run: bool,
}

/// The result of running an action.
pub enum ActionRun {
    Called(CallReport),
    /// The request that it would send, or why it failed before it sent anything.
    DryRun(Result<Box<DryRun>, Box<Fault>>),
}

/// Installs a connector in this host and calls one of its actions, as an admin of a host would.
pub async fn run(app: &Arc<App>, given: InputFile, trial: ActionCall) -> anyhow::Result<ActionRun> {
    let ConnectorUpload { asking: RequestedGrants { mut manifest, signer }, imports, wasm } =
        admit_file(app, given).await?;
    let now = app.clock.now();
    let organization = organizations::find_or_create(app, OrganizationName::parse(ORGANIZATION)?).await?;
    let component = wasm.as_ref().map_or_else(|| app.catalogue.runner(), |wasm| Digest::of(wasm));
    // An author tries many contents under one version, but a host keeps only the first one.
    let content = Digest::of(&[serde_json::to_vec(&manifest)?.as_slice(), &component.0].concat()).to_string();
    let release = manifest.version.split('+').next().unwrap_or_default();
    manifest.version = format!("{release}+{}", content.get(..12).unwrap_or_default());
    let new = NewConnectorVersion {
        organization,
        asking: RequestedGrants { manifest: manifest.clone(), signer },
        origin: if wasm.is_some() { Origin::Uploaded } else { Origin::Declarative },
        component,
        wasm,
        object: None,
        imports,
        state: VersionState::Ready,
        now,
    };
    ensure!(
        matches!(app.store.put_connector(new).await?, SavedVersion::As { .. }),
        "this version exists with other content"
    );
    // The author wrote what the connector asks for, so it is approved.
    let decision = Decision {
        organization,
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        component,
        approval: Approval::Approved,
        reason: None,
        by: None,
        now,
    };
    app.store.decide_connector(decision).await?;
    let credentials: Option<BTreeMap<String, String>> = trial.live.map(|fields| {
        fields.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect()
    });
    let new = NewConnection {
        connector: manifest.id,
        version: Some(manifest.version),
        name: None,
        environment: if credentials.is_some() { Environment::Production } else { Environment::Sandbox },
        settings: trial.settings,
        auth: None,
        owner: Owner::Organization,
        credentials,
        credentials_expire_at: None,
        policy: Policy::default(),
        mappings: BTreeMap::new(),
    };
    let connection = connections::install(app, organization, new).await.map_err(not_installed)?.id;
    let by = ManualCaller { organization, key: None, visitor: None };
    let (action, input) = (trial.action, trial.input);
    let ran = if trial.dry_run {
        match actions::dry_run(app, by, connection, action, input).await {
            Err(ActionError::Failed(fault, _)) => Ok(ActionRun::DryRun(Err(fault))),
            shown => shown.map(|shown| ActionRun::DryRun(Ok(Box::new(shown.into())))),
        }
    } else {
        actions::call(app, by, connection, action, input).await.map(|called| ActionRun::Called(called.report))
    };
    app.store.delete_connection(organization, connection, app.clock.now()).await?;
    Ok(ran?)
}

fn not_installed(error: ConnectionError) -> anyhow::Error {
    match error {
        ConnectionError::Invalid(mistakes) => {
            let line = |mistake: &FieldError| format!("\n  - {}: {}", mistake.path, mistake.message);
            let lines: String = mistakes.iter().map(line).collect();
            anyhow::anyhow!("the connection would have mistakes:{lines}")
        }
        ConnectionError::Vault(error) => anyhow::anyhow!("the credentials can't be sealed: {error}"),
        error => error.into(),
    }
}

/// Renders a dry run for a person: the request for standard output, and a summary.
pub fn render_dry_run(dry_run: &Result<Box<DryRun>, Box<Fault>>) -> (Option<String>, String) {
    match dry_run {
        Ok(dry_run) => (Some(format!("{:#}\n", json!(dry_run))), "nothing was sent\n".to_owned()),
        Err(fault) => (None, format!("{}: {}\n", fault.kind.name(), fault.for_admin())),
    }
}

/// Renders a call's report for a person: the output for standard output, and a summary.
pub fn render_report(report: &CallReport) -> (Option<String>, String) {
    let output = report.result.as_ref().ok().map(|output| format!("{output:#}\n"));
    let mut lines: String = report.log.iter().map(|line| format!("log: {}\n", json!(line))).collect();
    let cost = &report.cost;
    lines.push_str(&format!("{} fuel, {} HTTP calls, {} µs\n", cost.fuel, cost.http_calls, cost.duration_us));
    if let Err(fault) = &report.result {
        lines.push_str(&format!("{}: {}\n", fault.kind.name(), fault.for_admin()));
    }
    (output, lines)
}
