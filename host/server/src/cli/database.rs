//! `resly db`: the command line of what is done to the database itself.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What is done to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSubcommand {
    /// Makes a login that reads one organization's rows.
    Grant { organization: String, role: String },
    /// Removes such a login.
    Revoke { role: String },
    /// Copies SQLite's database into a file.
    Backup { to: PathBuf, with_keys: bool, force: bool },
    /// Puts such a file in the data folder.
    Restore { from: PathBuf, force: bool },
}

pub fn command(settings: &[Arg]) -> Command {
    let role = || {
        Arg::new("role")
            .long("role")
            .required(true)
            .value_name("NAME")
            .help("The login's name: lower case, digits and `_`")
    };
    let organization = Arg::new("organization").long("organization").required(true).value_name("NAME");
    Command::new("db")
        .about("Backs the database up, and lets dashboards into it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(backup().args(settings))
        .subcommand(restore().args(settings))
        .subcommand(
            Command::new("grant")
                .about("Makes a PostgreSQL login that reads one organization's rows; prints it as one JSON line")
                .after_help(
                    "The login reads conversations, messages, tickets, knowledge_sources, billing_events, usage, \
                     connector_logs, workflows, visitors, and the views daily_conversations, daily_answers and \
                     daily_connector_calls. The host's own login needs CREATEROLE for this command.",
                )
                .arg(organization.help("The organization's name, or its id"))
                .arg(role())
                .args(settings),
        )
        .subcommand(Command::new("revoke").about("Removes such a login").arg(role()).args(settings))
}

fn backup() -> Command {
    Command::new("backup")
        .about("Copies SQLite's database into one file, while a host serves or not; prints one JSON line")
        .after_help(
            "The file holds everything but the master key, and is itself a database of SQLite. It is complete, checked \
             and on the disk when it has its name. PostgreSQL has pg_dump for this.",
        )
        .arg(file("to", "The file to make, outside of the data folder").required(true))
        .arg(
            Arg::new("with-keys")
                .long("with-keys")
                .action(ArgAction::SetTrue)
                .help("Copies the data folder's master key as well, to FILE.master.key"),
        )
        .arg(force("Replaces a FILE that there is"))
}

fn restore() -> Command {
    Command::new("restore")
        .about("Puts a backup in the data folder, once it was checked; prints one JSON line")
        .after_help(
            "No host may run on the folder. The master key comes from FILE.master.key if there is one; otherwise it has to \
             be in the folder or in the settings before the next start.",
        )
        .arg(file("from", "What `resly db backup` made").required(true))
        .arg(force("Replaces a database that is in the folder, and keeps it as resly.db.replaced"))
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
}

fn force(help: &'static str) -> Arg {
    Arg::new("force").long("force").action(ArgAction::SetTrue).help(help)
}

pub fn parse(matches: &ArgMatches) -> Option<DatabaseSubcommand> {
    let (verb, own) = matches.subcommand()?;
    let text = |name: &str| own.try_get_one::<String>(name).ok().flatten().cloned();
    let path = |name: &str| own.try_get_one::<PathBuf>(name).ok().flatten().cloned();
    match verb {
        "backup" => Some(DatabaseSubcommand::Backup {
            to: path("to")?,
            with_keys: own.get_flag("with-keys"),
            force: own.get_flag("force"),
        }),
        "restore" => Some(DatabaseSubcommand::Restore { from: path("from")?, force: own.get_flag("force") }),
        "grant" => Some(DatabaseSubcommand::Grant { organization: text("organization")?, role: text("role")? }),
        _ => Some(DatabaseSubcommand::Revoke { role: text("role")? }),
    }
}
