//! A connector author's tools: build and pack a component, check it as a host does, run an action of it in the very host
//! that will run it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use resly_core::{
    connector::{
        call::{CallReport, CallRequest, Caller},
        connection::{Connection, ConnectionStatus, Environment, Origin, Owner, Policy},
        manifest::{Manifest, check as check_manifest},
        pack,
        sandbox::Digest,
    },
    id::{ConnectionId, KeyId, OrganizationId},
    meter::Limits,
};
use resly_store::{NewConnectorVersion, NewOrganization, VersionState};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{app::App, install};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// What a new connector begins as; `{name}` stands for its name.
const SCAFFOLD: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../scaffold/Cargo.toml.txt")),
    ("connector.toml", include_str!("../scaffold/connector.toml")),
    ("src/lib.rs", include_str!("../scaffold/lib.rs")),
    (".gitignore", "/target\n*.wasm\n"),
];

const ORGANIZATION: &str = "author";
/// The linker's own default is 1 MiB, all of which an instance has to have.
const STACK: &str = "target.wasm32-wasip2.rustflags=[\"-Clink-arg=-zstack-size=131072\"]";

/// A connector as it would be posted to a host.
pub struct Postable {
    pub manifest: Manifest,
    /// A packed component; nothing for a declarative definition.
    pub wasm: Option<Bytes>,
}

/// Reads a packed component, or a definition as TOML or JSON, and finds every mistake that needs no compiler.
pub fn read(file: &Path) -> anyhow::Result<Postable> {
    let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    let postable = if bytes.starts_with(b"\0asm") {
        resly_sandbox::precheck(&bytes)?;
        Postable { manifest: resly_sandbox::read_manifest(&bytes)?, wasm: Some(bytes.into()) }
    } else {
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", file.display()))?;
        Postable { manifest: manifest(file, &text)?, wasm: None }
    };
    valid(&postable.manifest)?;
    if postable.wasm.is_none() && !postable.manifest.is_declarative() {
        bail!(
            "{} is the manifest of a compiled connector: an action without `request` needs a component; pack the two \
             with `resly connector pack`",
            file.display()
        );
    }
    Ok(postable)
}

fn manifest(file: &Path, text: &str) -> anyhow::Result<Manifest> {
    let wrong = || format!("{} is not a connector's manifest", file.display());
    if file.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(text).with_context(wrong);
    }
    toml::from_str(text).with_context(wrong)
}

fn valid(manifest: &Manifest) -> anyhow::Result<()> {
    let mistakes = check_manifest(manifest);
    let lines: String = mistakes.iter().map(|mistake| format!("\n  - {}: {}", mistake.path, mistake.message)).collect();
    ensure!(mistakes.is_empty(), "the manifest has mistakes:{lines}");
    Ok(())
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

/// Packs a component with its manifest; where the file is.
pub fn pack(component: &Path, manifest_file: &Path, out: Option<&Path>) -> anyhow::Result<PathBuf> {
    let wasm = std::fs::read(component).with_context(|| format!("{} can't be read", component.display()))?;
    resly_sandbox::precheck(&wasm)?;
    let text = std::fs::read_to_string(manifest_file)
        .with_context(|| format!("the manifest {} can't be read", manifest_file.display()))?;
    let manifest = manifest(manifest_file, &text)?;
    valid(&manifest)?;
    let packed = pack::pack(&wasm, &manifest)?;
    let out = out.map_or_else(|| PathBuf::from(format!("{}-{}.wasm", manifest.id, manifest.version)), Path::to_owned);
    ensure!(out != component, "the packed file would take the component's place; name another with --out");
    std::fs::write(&out, packed).with_context(|| format!("{} can't be written", out.display()))?;
    Ok(out)
}

/// Compiles a Rust connector and packs it with the `connector.toml` beside its `Cargo.toml`.
pub fn build(folder: &Path, out: Option<&Path>) -> anyhow::Result<PathBuf> {
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
    pack(&component, &folder.join("connector.toml"), out)
}

/// What to run.
pub struct Trial {
    pub action: String,
    pub input: Value,
    pub settings: Value,
    /// Calls the service itself, with these credentials; without them, the manifest's fixtures answer.
    pub live: Option<Map<String, Value>>,
}

/// Compiles a connector as an upload would be compiled, so that whatever a host refuses is refused here.
pub async fn compile(app: &App, postable: &Postable) -> anyhow::Result<()> {
    if let Some(wasm) = &postable.wasm {
        app.sandbox.prepare(Digest::of(wasm), wasm).await.context("a host would refuse this component")?;
    }
    Ok(())
}

/// Installs a connector in this host and calls one of its actions, as an admin of a host would.
pub async fn run(app: &Arc<App>, postable: Postable, trial: Trial) -> anyhow::Result<CallReport> {
    compile(app, &postable).await?;
    let Postable { mut manifest, wasm } = postable;
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
    let settings = install::with_defaults(&manifest, trial.settings);
    let mut mistakes = install::check_settings(&manifest, &settings);
    let credentials: Option<std::collections::BTreeMap<String, String>> = trial.live.map(|fields| {
        fields.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect()
    });
    if let Some(credentials) = &credentials {
        mistakes.extend(install::check_credentials(&manifest.auth, credentials));
    }
    let lines: String = mistakes.iter().map(|mistake| format!("\n  - {}: {}", mistake.path, mistake.message)).collect();
    ensure!(mistakes.is_empty(), "the connection would have mistakes:{lines}");

    let new = NewConnectorVersion {
        organization,
        manifest: manifest.clone(),
        origin: if wasm.is_some() { Origin::Uploaded } else { Origin::Declarative },
        component,
        wasm,
        state: VersionState::Ready,
        now,
    };
    ensure!(app.store.put_connector(new).await?.is_some(), "this version is there with another content");
    let id = ConnectionId(app.random.uuid(now));
    let environment = if credentials.is_some() { Environment::Production } else { Environment::Sandbox };
    let sealed = match credentials {
        Some(credentials) => {
            let sealed = app.safe.seal(organization, id, credentials).await;
            Some(sealed.map_err(|error| anyhow::anyhow!("the credentials can't be sealed: {error}"))?)
        }
        None => None,
    };
    let connection = Connection {
        id,
        organization,
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        name: manifest.name.clone(),
        environment,
        status: ConnectionStatus::Installed,
        settings,
        auth: None,
        owner: Owner::Organization,
        credentials: sealed,
        policy: Policy::default(),
        mappings: Default::default(),
        tested_at: None,
        created_at: now,
        revision: 1,
    };
    app.store.create_connection(connection).await?;
    let caller = Caller::Admin { key: KeyId(Uuid::nil()) };
    let request = CallRequest { organization, connection: id, action: trial.action, input: trial.input, caller };
    let report = app.connectors.call(request).await;
    app.store.delete_connection(organization, id).await?;
    Ok(report?)
}

/// What a call gave, for a person: the output on its own, and what it took.
pub fn told(report: &CallReport) -> (Option<String>, String) {
    let output = report.result.as_ref().ok().map(|output| format!("{output:#}\n"));
    let mut lines: String = report.log.iter().map(|line| format!("log: {}\n", json!(line))).collect();
    let cost = &report.cost;
    lines.push_str(&format!("{} fuel, {} HTTP calls, {} µs\n", cost.fuel, cost.http_calls, cost.duration_us));
    if let Err(fault) = &report.result {
        lines.push_str(&format!("{}: {}\n", fault.kind.name(), fault.message));
    }
    (output, lines)
}
