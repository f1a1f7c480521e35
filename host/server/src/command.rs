//! Runs the command that the command line names.

use std::{
    io::Write,
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    author::{self, ActionRun, sign},
    cli::{self, ConnectorSubcommand, Subcommand},
    compose::{self, Doubles},
    config::{Config, LogFormat},
    database, demo, knowledge_import, local_host, logging, memory, new_key, operator, secrets, serve, sign_in_link,
    vault,
};
use anyhow::Context;
use resly_core::{
    actor::{self, Actor},
    time::{Clock, SystemClock},
};
use resly_http::{Api, edge::descriptors, router};
use resly_manifest::openapi::ImportOptions;
use resly_service::random::OsRandom;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

/// Runs the process. The whole of it is compiled here, so that linking the binary is all that comes after this crate.
pub fn main() -> ExitCode {
    memory::return_freed();
    logging::report_panics();
    // This process is the compile child. No other part of the host may run in it, not even the command line's parser.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "compile") {
        return resly_sandbox::compile_main();
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut invocation = cli::read();
    let verb = std::mem::replace(&mut invocation.verb, Subcommand::OpenApi);
    if verb == Subcommand::OpenApi {
        return print(router::openapi_document());
    }
    match &verb {
        Subcommand::Connector(ConnectorSubcommand::New { name }) => {
            let folder = author::scaffold(name)?;
            say("written; its README.md tells the way from `cargo test` to an upload");
            return print(&format!("{}\n", folder.display()));
        }
        Subcommand::Connector(ConnectorSubcommand::Build { folder, out, key }) => {
            return packed(&author::build(folder, out.as_deref(), key.as_deref())?);
        }
        Subcommand::Connector(ConnectorSubcommand::Pack { component, manifest, out, key }) => {
            return packed(&author::pack(component, manifest, out.as_deref(), key.as_deref())?);
        }
        Subcommand::Connector(ConnectorSubcommand::Import { file, operations, server, id, out, force }) => {
            let wanted = ImportOptions {
                operations: operations.clone(),
                id: id.clone(),
                server: server.clone(),
                ..ImportOptions::default()
            };
            let (text, lines) = author::import(file, wanted)?;
            say(lines.trim_end());
            return match out {
                Some(out) => author::write(out, &text, *force),
                None => print(&text),
            };
        }
        Subcommand::Connector(ConnectorSubcommand::Keygen { out }) => {
            let public = sign::keygen(out, &OsRandom)?;
            say(&format!("{} holds the secret; admins who trust you add this public key:", out.display()));
            return print(&format!("{public}\n"));
        }
        Subcommand::Connector(ConnectorSubcommand::Sign { file, key, out }) => {
            let signed = sign::sign_file(file, key, out.as_deref())?;
            return print(&format!("{}\n", signed.display()));
        }
        Subcommand::Import(import) => {
            let key = std::env::var("RESLY_ADMIN_KEY").ok().filter(|key| !key.is_empty()).map(SecretString::from);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let report = runtime.block_on(knowledge_import::run(import.clone(), key))?;
            print(&report.render())?;
            let failed = report.failed();
            anyhow::ensure!(failed == 0, "{failed} documents failed; mend them and run the import again");
            return Ok(());
        }
        _ => {}
    }
    secrets::no_core_dumps().context("core dumps, which would hold secrets, can't be turned off")?;
    let config = invocation.config()?;
    logging::start(&config.log, config.log_format)?;
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match verb {
            Subcommand::Serve => serve(config).await,
            Subcommand::Demo => run_demo(config).await,
            Subcommand::HealthCheck => local_host::check_health(config.listen).await,
            Subcommand::Init { organization } => print(&format!("{}\n", new_key::init(&config, &organization).await?)),
            Subcommand::Key(verb) => {
                let run = new_key::run(&config, verb);
                print(&format!("{}\n", actor::within(Actor::operator(SystemClock.now()), run).await?))
            }
            Subcommand::SignInLink(options) => print(&format!("{}\n", sign_in_link::run(&config, options).await?)),
            Subcommand::Connector(verb) => connector(config, verb).await,
            Subcommand::Operator(verb) => {
                let run = operator::run(&config, verb);
                print(&actor::within(Actor::operator(SystemClock.now()), run).await?)
            }
            Subcommand::Database(verb) => {
                let outcome = database::run(&config, verb).await?;
                print(&outcome.text)?;
                say_advice(&outcome.advice);
                outcome.result
            }
            Subcommand::Vault { rotate } => keys(config, rotate).await,
            Subcommand::OpenApi | Subcommand::Import(_) => Ok(()),
        }
    });
    // Work on a blocking thread, such as a compilation, can be ended at any time without harm.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended
}

async fn start(config: &Config) -> anyhow::Result<(Api, TcpListener)> {
    let api = compose::compose(config, Doubles::default()).await?;
    if config.embedder_dir.is_some() {
        // It costs nobody anything, and the first question needn't wait for it.
        api.app.library.calibrate();
    }
    let listener = serve::listen(config.listen)
        .with_context(|| format!("can't listen on {}; choose another address with --listen", config.listen))?;
    Ok((api, listener))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = serve::stop_signal()?;
    let (api, listener) = start(&config).await?;
    let app = Arc::clone(&api.app);
    let url = serve::url(config.public_url.as_ref(), listener.local_addr()?);
    tracing::info!(%url, store = app.store.kind(), model = app.turns.model.name(), "listening");
    if app.store.is_read_only() {
        tracing::warn!("this host answers reads only, and runs no jobs: unset RESLY_READ_ONLY to have it write again");
    }
    if !app.store.has_organizations().await? {
        tracing::warn!("there is no organization yet: {}", new_key::init_hint(&config));
    }
    // Before the first request, so that no probe finds the host ready too early.
    app.preparing.store(true, Ordering::Relaxed);
    let ahead = tokio::spawn({
        let app = Arc::clone(&app);
        async move {
            if let Err(error) = app.prepare_connectors(&|line| tracing::info!("{line}")).await {
                tracing::error!(%error, "a bundled connector can't be prepared");
            }
        }
    });
    serve::serve(api, listener, stop).await;
    ahead.abort();
    Ok(())
}

async fn run_demo(config: Config) -> anyhow::Result<()> {
    anyhow::ensure!(
        !config.declared_production,
        "`resly demo` makes keys and prints them, which RESLY_PRODUCTION=1 forbids; use `resly serve`"
    );
    let stop = serve::stop_signal()?;
    let (api, listener) = start(&config).await?;
    let app = Arc::clone(&api.app);
    let url = serve::url(config.public_url.as_ref(), listener.local_addr()?);
    let demo = demo::prepare(&api, &url, &|line| say(&line)).await?;
    let model = app.turns.model.name().to_owned();
    let serving = tokio::spawn(serve::serve(api, listener, stop));
    print(&format!("{}\n", demo.line(&url)))?;
    say(&demo.welcome(&url, &model));
    serving.await.context("the server failed")
}

/// Prints the master keys in use, after a rotation if that was asked for.
async fn keys(config: Config, rotate: bool) -> anyhow::Result<()> {
    let keys = vault::run(&config, rotate).await?;
    print(&format!("{}\n", serde_json::to_string(&keys)?))?;
    say(&vault::render_report(&keys, rotate));
    anyhow::ensure!(keys.done || !rotate, "older master keys are still needed");
    Ok(())
}

/// Prints the path of the packed connector, and how to try it.
fn packed(file: &Path) -> anyhow::Result<()> {
    say(&format!("packed; try it with `resly connector run {} ACTION --input '{{…}}'`", file.display()));
    print(&format!("{}\n", file.display()))
}

/// Checks or runs a connector in a host of its own, which serves nobody.
async fn connector(config: Config, verb: ConnectorSubcommand) -> anyhow::Result<()> {
    let (ConnectorSubcommand::Check { file } | ConnectorSubcommand::Run { file, .. }) = &verb else { return Ok(()) };
    let given = author::read(file)?;
    // It searches nothing.
    let config = Config { embedder_dir: None, reranker_dir: None, ..config };
    let app = compose::compose(&config, Doubles::default()).await?.app;
    let ended = match verb {
        ConnectorSubcommand::Run { action, input, settings, credentials, dry_run, .. } => {
            let parsed =
                |what: &str, text: &str| serde_json::from_str(text).with_context(|| format!("{what} is not JSON"));
            let live = match credentials {
                Some(file) => {
                    let text =
                        std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
                    Some(serde_json::from_str(&text).context("the credentials are not a JSON object of strings")?)
                }
                None => None,
            };
            let trial = author::ActionCall {
                action,
                input: parsed("--input", &input)?,
                settings: parsed("--settings", &settings)?,
                live,
                dry_run,
            };
            let (output, lines) = match author::run(&app, given, trial).await? {
                ActionRun::Called(report) => author::render_report(&report),
                ActionRun::DryRun(dry_run) => author::render_dry_run(&dry_run),
            };
            say(lines.trim_end());
            match output {
                Some(output) => print(&output),
                None => Err(anyhow::anyhow!("the call failed")),
            }
        }
        _ => author::admit_file(&app, given).await.map(|postable| say(&author::summary(&postable))),
    };
    app.store.close().await;
    ended
}

/// Reports why the process ends, in the log's format.
fn report(error: &anyhow::Error) {
    let line = match logging::format() {
        LogFormat::Text => format!("resly: {error:#}"),
        LogFormat::Json => {
            let now = SystemClock.now().to_string();
            json!({"timestamp": now, "level": "ERROR", "message": format!("{error:#}"), "target": "resly"}).to_string()
        }
    };
    say(&line);
}

fn say_advice(advice: &str) {
    if !advice.is_empty() {
        say(advice);
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its person on standard error")]
fn say(line: &str) {
    eprintln!("{line}");
}
