//! The command line.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgMatches, Command};

use crate::config::{Config, ConfigError, SETTINGS, Sources};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Verb {
    Serve,
    Demo,
    /// Makes an organization with its first key.
    Init {
        organization: String,
    },
    OpenApi,
}

/// The command line as it was given.
pub struct Invocation {
    pub verb: Verb,
    flags: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

/// Reads the command line; prints help or a mistake and ends the process where that is what was asked for.
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
        .subcommand(Command::new("openapi").about("Prints the OpenAPI document"))
        .subcommand(Command::new("compile").about("Compiles one component (the host calls this itself)").hide(true))
}

fn from_matches(matches: &ArgMatches) -> Invocation {
    let (name, matches) = matches.subcommand().unwrap_or(("openapi", matches));
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let verb = match name {
        "serve" => Verb::Serve,
        "demo" => Verb::Demo,
        "init" => Verb::Init { organization: text("organization").unwrap_or_default() },
        _ => Verb::OpenApi,
    };
    let flags = SETTINGS.iter().filter_map(|setting| Some((setting.name.to_owned(), text(setting.name)?))).collect();
    Invocation { verb, flags, file: text("config").map(PathBuf::from) }
}

impl Invocation {
    /// The configuration that this command line, the environment and the file make.
    pub fn config(self) -> Result<Config, ConfigError> {
        let environment = |name: &str| std::env::var(name).ok();
        let named = self.file.or_else(|| environment("RESLY_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from("resly.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(ConfigError(vec![format!("{} can't be read: {error}", path.display())])),
        };
        Config::read(&Sources { flags: self.flags, environment: &environment, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_settings() {
        let matches = command().get_matches_from(["resly", "demo", "--listen", "127.0.0.1:0", "--data", "d"]);
        let invocation = from_matches(&matches);
        assert_eq!(invocation.verb, Verb::Demo);
        assert_eq!(invocation.flags.get("data").map(String::as_str), Some("d"));
        assert!(
            command().try_get_matches_from(["resly", "serve", "--master-key", "x"]).is_err(),
            "secrets have no flag"
        );
        command().debug_assert();
    }
}
