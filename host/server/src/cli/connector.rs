//! `resly connector`: the subcommands for connector authors.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// A subcommand of `resly connector`.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectorSubcommand {
    New {
        name: String,
    },
    Build {
        folder: PathBuf,
        out: Option<PathBuf>,
        key: Option<PathBuf>,
    },
    Pack {
        component: PathBuf,
        manifest: PathBuf,
        out: Option<PathBuf>,
        key: Option<PathBuf>,
    },
    Keygen {
        out: PathBuf,
    },
    Sign {
        file: PathBuf,
        key: PathBuf,
        out: Option<PathBuf>,
    },
    Import {
        file: PathBuf,
        operations: Vec<String>,
        server: Option<String>,
        id: Option<String>,
        out: Option<PathBuf>,
        force: bool,
    },
    Check {
        file: PathBuf,
    },
    Run {
        file: PathBuf,
        action: String,
        input: String,
        settings: String,
        credentials: Option<PathBuf>,
        dry_run: bool,
    },
}

/// The data folder of the author's own host, unless `--data` names another one.
pub(super) const DATA: &str = "target/resly";

pub(super) fn command() -> Command {
    let out = || Arg::new("out").long("out").value_name("FILE").help("The packed file; ID-VERSION.wasm when left out");
    let sign = || Arg::new("sign").long("sign").value_name("KEY").help("Signs it with the key that `keygen` wrote");
    let file =
        || Arg::new("file").required(true).value_name("FILE").help("A packed .wasm, or a definition (.toml, .json)");
    let data = || Arg::new("data").long("data").value_name("FOLDER").help("Where compiled code is kept [target/resly]");
    let json = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("JSON").default_value("{}").help(help)
    };
    Command::new("connector")
        .about("Builds, checks, tries and signs a connector before it is uploaded")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("new")
                .about("Writes a new Rust connector, with the SDK that it is built with, into a folder of its name")
                .arg(Arg::new("name").required(true).value_name("NAME")),
        )
        .subcommand(
            Command::new("build")
                .about("Compiles a Rust connector and packs it with the connector.toml beside its Cargo.toml")
                .arg(Arg::new("folder").default_value(".").value_name("FOLDER").help("The crate's folder"))
                .arg(out())
                .arg(sign()),
        )
        .subcommand(
            Command::new("pack")
                .about("Packs a component and its manifest into one file")
                .arg(Arg::new("component").required(true).value_name("COMPONENT").help("What the compiler made"))
                .arg(Arg::new("manifest").long("manifest").default_value("connector.toml").help("The manifest"))
                .arg(out())
                .arg(sign()),
        )
        .subcommand(
            Command::new("keygen")
                .about("Makes a key to sign connectors with; prints the public key, which admins trust")
                .arg(
                    Arg::new("out")
                        .long("out")
                        .value_name("FILE")
                        .default_value("publisher.key")
                        .help("A new file for the secret; keep it out of repositories"),
                ),
        )
        .subcommand(
            Command::new("sign")
                .about("Signs a packed connector")
                .arg(Arg::new("file").required(true).value_name("FILE").help("A packed .wasm"))
                .arg(Arg::new("key").long("key").required(true).value_name("KEY").help("What `keygen` wrote"))
                .arg(Arg::new("out").long("out").value_name("FILE").help("The signed file; FILE itself when left out")),
        )
        .subcommand(
            Command::new("import")
                .about("Makes a definition of an OpenAPI document's operations; without --operation, lists them")
                .arg(
                    Arg::new("file")
                        .required(true)
                        .value_name("FILE")
                        .help("OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0, as JSON or YAML"),
                )
                .arg(
                    Arg::new("operation")
                        .long("operation")
                        .value_name("OPERATION")
                        .action(ArgAction::Append)
                        .help("An operationId or 'GET /path'; may be given several times"),
                )
                .arg(
                    Arg::new("server")
                        .long("server")
                        .value_name("URL")
                        .help("Where the service is, when the document doesn't say"),
                )
                .arg(Arg::new("id").long("id").value_name("ID").help("The connector's id"))
                .arg(
                    Arg::new("out")
                        .long("out")
                        .value_name("FILE")
                        .help("The definition, as JSON; standard output when left out"),
                )
                .arg(
                    Arg::new("force")
                        .long("force")
                        .action(ArgAction::SetTrue)
                        .help("Writes over the file that --out names"),
                ),
        )
        .subcommand(
            Command::new("check")
                .about("Says what a host would refuse, and why; compiles the component as a host does")
                .arg(file())
                .arg(data()),
        )
        .subcommand(
            Command::new("run")
                .about("Runs one action in the production sandbox, answered by the manifest's fixtures or live")
                .arg(file())
                .arg(Arg::new("action").required(true).value_name("ACTION"))
                .arg(json("input", "The action's input"))
                .arg(json("settings", "The connection's settings"))
                .arg(
                    Arg::new("live")
                        .long("live")
                        .value_name("FILE")
                        .help("Calls the service itself, with the credentials in this JSON file ({} for none)"),
                )
                .arg(
                    Arg::new("dry-run")
                        .long("dry-run")
                        .action(ArgAction::SetTrue)
                        .help("Shows the first request, with the credential masked, instead of sending it"),
                )
                .arg(data()),
        )
}

/// Reads the subcommand that was given.
pub(super) fn parse(matches: &ArgMatches) -> Option<ConnectorSubcommand> {
    let (name, matches) = matches.subcommand()?;
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let path = |name: &str| text(name).map(PathBuf::from);
    Some(match name {
        "new" => ConnectorSubcommand::New { name: text("name")? },
        "build" => ConnectorSubcommand::Build { folder: path("folder")?, out: path("out"), key: path("sign") },
        "pack" => ConnectorSubcommand::Pack {
            component: path("component")?,
            manifest: path("manifest")?,
            out: path("out"),
            key: path("sign"),
        },
        "keygen" => ConnectorSubcommand::Keygen { out: path("out")? },
        "sign" => ConnectorSubcommand::Sign { file: path("file")?, key: path("key")?, out: path("out") },
        "import" => ConnectorSubcommand::Import {
            file: path("file")?,
            operations: matches.get_many("operation").into_iter().flatten().cloned().collect(),
            server: text("server"),
            id: text("id"),
            out: path("out"),
            force: matches.get_flag("force"),
        },
        "check" => ConnectorSubcommand::Check { file: path("file")? },
        _ => ConnectorSubcommand::Run {
            file: path("file")?,
            action: text("action")?,
            input: text("input")?,
            settings: text("settings")?,
            credentials: path("live"),
            dry_run: matches.get_flag("dry-run"),
        },
    })
}
