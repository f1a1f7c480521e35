//! A connector author's tools: build and pack a component, check it as a host does, run an action of it in the very host
//! that will run it.

use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use resly_core::{
    connector::{
        approval::{Approval, RequestedGrants, remarks},
        call::{CallReport, CallRequest, Caller},
        connection::{Connection, Environment, Origin},
        trial::DryRunReport,
    },
    id::{ConnectionId, KeyId, OrganizationId},
    json::without_bom,
    meter::Limits,
};
use resly_http::admin::trials::DryRun;
use resly_manifest::{
    Digest, Mistake, Reading, SideEffect,
    openapi::{self, ImportError, ImportOptions},
    package,
};
use resly_service::{
    App,
    connections::{self, fit},
    definition::{self, DefinitionError, Source},
    upload,
};
use resly_store::{Decision, NewConnectorVersion, NewOrganization, SavedVersion, VersionState};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::signing::{self, WASM};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// What a new connector begins as; `{name}` stands for its name.
const SCAFFOLD: [(&str, &str); 5] = [
    ("README.md", include_str!("../scaffold/README.md")),
    ("Cargo.toml", include_str!("../scaffold/Cargo.toml.txt")),
    ("connector.toml", include_str!("../scaffold/connector.toml")),
    ("src/lib.rs", include_str!("../scaffold/lib.rs")),
    (".gitignore", "/target\n*.wasm\n*.key\n"),
];

const ORGANIZATION: &str = "author";
/// The linker's own default is 1 MiB, all of which an instance has to have.
const STACK: &str = "target.wasm32-wasip2.rustflags=[\"-Clink-arg=-zstack-size=131072\"]";

/// A connector as a host would take it in.
pub struct Postable {
    pub asking: RequestedGrants,
    /// What a component imports.
    pub imports: Vec<String>,
    /// A packed component; nothing for a declarative definition.
    pub wasm: Option<Bytes>,
}

/// What a file holds, as far as reading it tells.
pub enum InputFile {
    Component(Postable),
    Definition(Reading),
}

/// Reads a packed component, or a definition as TOML or JSON.
pub fn read(file: &Path) -> anyhow::Result<InputFile> {
    let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    if bytes.starts_with(WASM) {
        let looked = upload::inspect(&bytes)?;
        let postable = Postable { asking: looked.asking, imports: looked.imports, wasm: Some(bytes.into()) };
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
            listed(&reading.mistakes)
        );
    }
    Ok(InputFile::Definition(reading))
}

/// A definition by its file's name: JSON, or TOML.
fn written(file: &Path, text: String) -> anyhow::Result<Reading> {
    let source = if file.extension().is_some_and(|extension| extension == "json") {
        let wrong = || format!("{} is not a connector's manifest", file.display());
        Source::Json(serde_json::from_slice(without_bom(text.as_bytes())).with_context(wrong)?)
    } else {
        Source::Toml(text)
    };
    Ok(source.read())
}

fn mistakes_error(mistakes: &[Mistake]) -> anyhow::Error {
    anyhow::anyhow!("the manifest has mistakes:{}", listed(mistakes))
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("\n  - {mistake}")).collect()
}

/// A definition of an OpenAPI document's operations, or a list of them when none is chosen; and what to say besides.
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

/// Writes a definition into a file; into one that is there only when it may be lost.
pub fn write(file: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    let opened = if force { options.create(true).truncate(true) } else { options.create_new(true) }.open(file);
    opened.and_then(|mut open| open.write_all(text.as_bytes())).map_err(|error| {
        let hint = if error.kind() == ErrorKind::AlreadyExists { "; --force writes over it" } else { "" };
        anyhow::anyhow!("{} can't be written: {error}{hint}", file.display())
    })
}

/// Writes a new Rust connector into a folder of its name, with the SDK and the WIT package that it is built with, so that
/// it needs nothing else of ours; where it is.
pub fn scaffold(name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && name.len() <= 40,
        "a connector's name is a small letter, then small letters, digits and dashes, 40 at most"
    );
    let folder = PathBuf::from(name);
    std::fs::create_dir(&folder).with_context(|| format!("the folder {name} can't be made"))?;
    let own = SCAFFOLD.iter().map(|(path, text)| (*path, text.replace("{name}", name)));
    let carried = SDK.iter().map(|(path, text)| (*path, (*text).to_owned()));
    for (path, text) in own.chain(carried) {
        let file = folder.join(path);
        let written = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&file, text))
            .with_context(|| format!("{} can't be written", file.display()))?;
    }
    Ok(folder)
}

/// Packs a component with its manifest, and signs it when there is a key's file; where the file is.
pub fn pack(component: &Path, manifest_file: &Path, out: Option<&Path>, key: Option<&Path>) -> anyhow::Result<PathBuf> {
    let wasm = std::fs::read(component).with_context(|| format!("{} can't be read", component.display()))?;
    resly_sandbox::precheck(&wasm)?;
    let text = std::fs::read_to_string(manifest_file)
        .with_context(|| format!("the manifest {} can't be read", manifest_file.display()))?;
    let manifest = written(manifest_file, text)?.into_manifest().map_err(|mistakes| mistakes_error(&mistakes))?;
    let mut packed = package::pack(&wasm, &manifest)?;
    if let Some(key) = key {
        packed = signing::sign(&packed, key)?;
    }
    let out = out.map_or_else(|| PathBuf::from(format!("{}-{}.wasm", manifest.id, manifest.version)), Path::to_owned);
    ensure!(out != component, "the packed file would take the component's place; name another with --out");
    std::fs::write(&out, packed).with_context(|| format!("{} can't be written", out.display()))?;
    Ok(out)
}

/// Compiles a Rust connector and packs it with the `connector.toml` beside its `Cargo.toml`.
pub fn build(folder: &Path, out: Option<&Path>, key: Option<&Path>) -> anyhow::Result<PathBuf> {
    ensure!(
        folder.join("Cargo.toml").is_file(),
        "{} has no Cargo.toml: name the connector's folder, or begin one with `resly connector new`",
        folder.display()
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(folder)
        .args(["build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"])
        .args(["--config", STACK])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo can't be started; install Rust with rustup")?;
    ensure!(
        output.status.success(),
        "cargo could not build the connector; if it lacks the target, run `rustup target add wasm32-wasip2`"
    );
    let component = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| {
            let files = message["filenames"].as_array()?.clone();
            files
                .into_iter()
                .filter_map(|file| Some(PathBuf::from(file.as_str()?)))
                .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        })
        .next_back()
        .context("cargo built no component; the crate needs `crate-type = [\"cdylib\"]`")?;
    pack(&component, &folder.join("connector.toml"), out, key)
}

/// What to run.
pub struct ActionCall {
    pub action: String,
    pub input: Value,
    pub settings: Value,
    /// Calls the service itself, with these credentials; without them, the manifest's fixtures answer.
    pub live: Option<Map<String, Value>>,
    /// Shows the first request instead of sending it.
    pub dry_run: bool,
}

/// What running an action gave.
pub enum ActionRun {
    Called(CallReport),
    DryRun(Box<DryRunReport>),
}

/// Compiles a component as an upload would be compiled, and examines a definition as a post would be examined, so that
/// whatever a host refuses is refused here, with every mistake at once.
pub async fn admit_file(app: &App, given: InputFile) -> anyhow::Result<Postable> {
    let reading = match given {
        InputFile::Component(postable) => {
            if let Some(wasm) = &postable.wasm {
                app.sandbox.prepare(Digest::of(wasm), wasm).await.context("a host would refuse this component")?;
            }
            return Ok(postable);
        }
        InputFile::Definition(reading) => reading,
    };
    // A host of an author's own has nothing compiled yet, and filters are parsed within seconds.
    app.sandbox.prepare_mapper().await.context("the definition could not be examined")?;
    let manifest =
        definition::usable(app, OrganizationId(Uuid::nil()), reading).await.map_err(|unusable| match unusable {
            DefinitionError::Mistakes(mistakes) => mistakes_error(&mistakes),
            DefinitionError::Unexamined(fault) => {
                anyhow::Error::new(fault).context("the definition could not be examined")
            }
        })?;
    Ok(Postable { asking: RequestedGrants { manifest, signer: None }, imports: Vec::new(), wasm: None })
}

/// What a host would take in, and what its admin is asked to approve.
pub fn summary(postable: &Postable) -> String {
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
        lines.extend(remarks(manifest, &postable.imports).into_iter().map(|remark| format!("  note: {remark}")));
    }
    lines.join("\n")
}

/// Installs a connector in this host and calls one of its actions, as an admin of a host would.
pub async fn run(app: &Arc<App>, given: InputFile, trial: ActionCall) -> anyhow::Result<ActionRun> {
    let Postable { asking: RequestedGrants { mut manifest, signer }, imports, wasm } = admit_file(app, given).await?;
    let now = app.clock.now();
    let organization = match app.store.organization_named(ORGANIZATION).await? {
        Some(organization) => organization,
        None => {
            let id = OrganizationId(app.random.uuid(now));
            let new = NewOrganization { id, name: ORGANIZATION.to_owned(), limits: Limits::new(), now };
            app.store.create_organization(new).await?;
            id
        }
    };
    let component = wasm.as_ref().map_or_else(|| app.catalogue.runner(), |wasm| Digest::of(wasm));
    // An author tries many contents under one version; a host keeps the first.
    let content = Digest::of(&[serde_json::to_vec(&manifest)?.as_slice(), &component.0].concat()).to_string();
    let release = manifest.version.split('+').next().unwrap_or_default();
    manifest.version = format!("{release}+{}", content.get(..12).unwrap_or_default());
    let settings = fit::with_defaults(&manifest, trial.settings);
    let mut mistakes = fit::check_settings(&manifest, &settings);
    let credentials: Option<std::collections::BTreeMap<String, String>> = trial.live.map(|fields| {
        fields.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect()
    });
    if let Some(credentials) = &credentials {
        mistakes.extend(fit::check_credentials(&manifest, &manifest.auth, credentials));
    }
    let lines: String = mistakes.iter().map(|mistake| format!("\n  - {}: {}", mistake.path, mistake.message)).collect();
    ensure!(mistakes.is_empty(), "the connection would have mistakes:{lines}");

    let new = NewConnectorVersion {
        organization,
        asking: RequestedGrants { manifest: manifest.clone(), signer },
        origin: if wasm.is_some() { Origin::Uploaded } else { Origin::Declarative },
        component,
        wasm,
        imports,
        state: VersionState::Ready,
        now,
    };
    ensure!(
        matches!(app.store.put_connector(new).await?, SavedVersion::As { .. }),
        "this version is there with another content"
    );
    // The author looks at what it asks for by writing it.
    let decision = Decision {
        organization,
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        component,
        approval: Approval::Approved,
        reason: None,
        by: KeyId(Uuid::nil()),
        now,
    };
    app.store.decide_connector(decision).await?;
    let id = ConnectionId(app.random.uuid(now));
    let environment = if credentials.is_some() { Environment::Production } else { Environment::Sandbox };
    let sealed = match credentials {
        Some(credentials) => {
            let sealed = app.safe.seal(organization, id, credentials).await;
            Some(sealed.map_err(|error| anyhow::anyhow!("the credentials can't be sealed: {error}"))?)
        }
        None => None,
    };
    let draft = connections::draft(id, organization, &manifest, settings, environment, now);
    let connection = Connection { credentials: sealed, ..draft };
    app.store.create_connection(connection.clone(), None).await?;
    let caller = Caller::Admin { key: KeyId(Uuid::nil()) };
    let (action, input) = (trial.action, trial.input);
    let request = CallRequest { organization, connection: id, action, input, caller, visitor: None };
    let ran = if trial.dry_run {
        let prepared = app.connectors.prepare(&connection).await?;
        app.connectors
            .dry_run(&connection, &prepared, request)
            .await
            .map(|dry_run| ActionRun::DryRun(Box::new(dry_run)))
    } else {
        app.connectors.call(request).await.map(ActionRun::Called)
    };
    app.store.delete_connection(organization, id, app.clock.now()).await?;
    Ok(ran?)
}

/// A dry run, for a person: the request on its own, and what it took.
pub fn render_dry_run(dry_run: DryRunReport) -> (Option<String>, String) {
    match DryRun::new(dry_run) {
        Ok(dry_run) => (Some(format!("{:#}\n", json!(dry_run))), "nothing was sent\n".to_owned()),
        Err(problem) => (None, format!("{}: {}\n", problem.kind().slug, problem.detail())),
    }
}

/// What a call gave, for a person: the output on its own, and what it took.
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
