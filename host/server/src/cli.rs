//! The command line.

mod connector;
mod database;
mod key;
mod knowledge;
mod members;
mod operator;

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgMatches, Command};

pub use self::{
    connector::ConnectorSubcommand,
    database::{ComponentPlace, DatabaseSubcommand},
    key::{KeyOptions, KeySubcommand},
    members::LinkOptions,
    operator::{OperatorSubcommand, SubscriptionOptions, TermsOptions},
};
use crate::{
    config::{Config, ConfigError, SETTINGS, Sources},
    knowledge_import::ImportFolder,
};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Subcommand {
    Serve,
    Demo,
    /// Asks the host on this machine whether it runs.
    HealthCheck,
    /// Makes an organization with its first key.
    Init {
        organization: String,
    },
    /// The keys of an organization that there is.
    Key(KeySubcommand),
    /// Makes a link that signs somebody in at the console.
    SignInLink(LinkOptions),
    OpenApi,
    Database(DatabaseSubcommand),
    /// What an operator does with organizations, plans and subscriptions.
    Operator(OperatorSubcommand),
    Connector(ConnectorSubcommand),
    /// Uploads a folder's documents to a running host.
    Import(ImportFolder),
    /// Tells which master keys are in use, or moves everything to the newest.
    Vault {
        rotate: bool,
    },
}

/// The parsed command line.
pub struct Invocation {
    pub verb: Subcommand,
    flags: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

/// Parses the command line. When it asks for help or has a mistake, prints that and ends the process.
pub fn read() -> Invocation {
    from_matches(&command().get_matches())
}

fn command() -> Command {
    let settings = || {
        SETTINGS
            .iter()
            .filter(|setting| !setting.secret)
            .map(|setting| Arg::new(setting.name).long(setting.flag).value_name("VALUE").help(setting.help))
            .chain([Arg::new("config").long("config").value_name("FILE").help("resly.toml, when it is elsewhere")])
            .collect::<Vec<_>>()
    };
    let organization = Arg::new("organization").long("organization").required(true).help("The organization's name");
    Command::new("resly")
        .about("Answers customers from what a company knows and from the services it runs on")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("serve").about("Runs the host").args(settings()))
        .subcommand(
            Command::new("demo").about("Runs the host with a demo organization; prints one JSON line").args(settings()),
        )
        .subcommand(
            Command::new("init")
                .about("Makes an organization and prints its first operator key as one JSON line")
                .arg(organization)
                .args(settings()),
        )
        .subcommand(key::command(&settings()))
        .subcommand(members::command(&settings()))
        .subcommand(connector::command())
        .subcommand(database::command(&settings()))
        .subcommands(operator::commands(&settings()))
        .subcommand(knowledge::command())
        .subcommand(
            Command::new("vault")
                .about("Tells which master keys are in use, and replaces one by another")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(
                    Command::new("status").about("Tells which master keys stored secrets need").args(settings()),
                )
                .subcommand(
                    Command::new("rotate")
                        .about("Moves everything that older master keys protect to the newest, while hosts serve")
                        .after_help(
                            "Give every host the new key before the old one (RESLY_MASTER_KEY=new:…,old:…) and start it \
                             again; then run this; then take the old key away. A running host on SQLite keeps its folder \
                             to itself: set RESLY_OPERATOR_KEY to an operator's API key, and it is asked to do it.",
                        )
                        .args(settings()),
                ),
        )
        .subcommand(
            Command::new("healthcheck")
                .about("Fails unless a host on this machine answers /healthz, for containers")
                .args(settings()),
        )
        .subcommand(Command::new("openapi").about("Prints the OpenAPI document"))
        .subcommand(Command::new("compile").about("Compiles one component (the host calls this itself)").hide(true))
}

fn from_matches(matches: &ArgMatches) -> Invocation {
    let (name, matches) = matches.subcommand().unwrap_or(("openapi", matches));
    if let ("connector", Some(verb)) = (name, connector::parse(matches)) {
        let own = matches.subcommand().and_then(|(_, own)| own.try_get_one::<String>("data").ok().flatten());
        let data = own.map_or(connector::DATA, String::as_str);
        let flags = BTreeMap::from([("data".to_owned(), data.to_owned()), ("log".to_owned(), "error".to_owned())]);
        return Invocation { verb: Subcommand::Connector(verb), flags, file: None };
    }
    if let ("knowledge", Some(import)) = (name, knowledge::parse(matches)) {
        return Invocation { verb: Subcommand::Import(import), flags: BTreeMap::new(), file: None };
    }
    if let Some(verb) = operator::parse(name, matches) {
        let own = matches.subcommand().map_or(matches, |(_, own)| own);
        return with_settings(Subcommand::Operator(verb), own);
    }
    let database = (name == "db").then(|| database::parse(matches)).flatten();
    let key = (name == "key").then(|| key::parse(matches)).flatten();
    let link = (name == "members").then(|| members::parse(matches)).flatten();
    let (matches, rotate) = match matches.subcommand() {
        Some((verb, own)) if name == "vault" => (own, verb == "rotate"),
        Some((_, own)) if ["key", "db", "members"].contains(&name) => (own, false),
        _ => (matches, false),
    };
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let verb = match name {
        "db" => database.map_or(Subcommand::OpenApi, Subcommand::Database),
        "vault" => Subcommand::Vault { rotate },
        "key" => key.map_or(Subcommand::OpenApi, Subcommand::Key),
        "members" => link.map_or(Subcommand::OpenApi, Subcommand::SignInLink),
        "serve" => Subcommand::Serve,
        "demo" => Subcommand::Demo,
        "healthcheck" => Subcommand::HealthCheck,
        "init" => Subcommand::Init { organization: text("organization").unwrap_or_default() },
        _ => Subcommand::OpenApi,
    };
    with_settings(verb, matches)
}

/// A subcommand with the settings that its arguments have.
fn with_settings(verb: Subcommand, matches: &ArgMatches) -> Invocation {
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let flags = SETTINGS.iter().filter_map(|setting| Some((setting.name.to_owned(), text(setting.name)?))).collect();
    Invocation { verb, flags, file: text("config").map(PathBuf::from) }
}

impl Invocation {
    /// Reads the configuration from the command line, the environment and the file.
    pub fn config(self) -> Result<Config, ConfigError> {
        let environment = |name: &str| std::env::var(name).ok();
        let named = self.file.or_else(|| environment("RESLY_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from("resly.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(ConfigError(vec![format!("{} can't be read: {error}", path.display())])),
        };
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let variables = names.filter(|name| name.starts_with("RESLY_")).collect();
        Config::read(&Sources { flags: self.flags, environment: &environment, variables, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_settings() {
        let matches = command().get_matches_from(["resly", "demo", "--listen", "127.0.0.1:0", "--data", "d"]);
        let invocation = from_matches(&matches);
        assert_eq!(invocation.verb, Subcommand::Demo);
        assert_eq!(invocation.flags.get("data").map(String::as_str), Some("d"));
        assert!(
            command().try_get_matches_from(["resly", "serve", "--master-key", "x"]).is_err(),
            "secrets have no flag"
        );
        let matches = command().get_matches_from(["resly", "vault", "rotate", "--data", "d"]);
        let invocation = from_matches(&matches);
        assert_eq!((invocation.verb, invocation.flags.len()), (Subcommand::Vault { rotate: true }, 1));
        let matches =
            command().get_matches_from(["resly", "knowledge", "import", "docs", "--url", "http://h/", "--prune"]);
        let Subcommand::Import(import) = from_matches(&matches).verb else { panic!("another verb") };
        assert_eq!((import.folder, import.host.as_str(), import.prune), (PathBuf::from("docs"), "http://h", true));
        command().debug_assert();
    }
}
