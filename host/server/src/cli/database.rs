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
    /// Writes one organization's rows to a SQLite file.
    Snapshot { organization: String, to: PathBuf, force: bool },
    /// Moves an installation between the stores.
    Copy { from: String, to: String },
    /// Moves uploaded components between the database and the bucket.
    Components { to: ComponentPlace },
}

/// Where uploaded components may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentPlace {
    Bucket,
    Database,
}

pub fn command(settings: &[Arg]) -> Command {
    let role = || {
        Arg::new("role")
            .long("role")
            .required(true)
            .value_name("NAME")
            .help("The login's name: lower case, digits and `_`")
    };
    let organization = || place("organization", "NAME", "The organization's name, or its id");
    Command::new("db")
        .about("Backs the database up, moves it, and lets dashboards into it")
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
                .arg(organization())
                .arg(role())
                .args(settings),
        )
        .subcommand(Command::new("revoke").about("Removes such a login").arg(role()).args(settings))
        .subcommand(
            Command::new("snapshot")
                .about("Writes one organization's rows to a SQLite file, while a host serves; prints one JSON line")
                .after_help(
                    "For DuckDB, Metabase and whatever else reads SQLite. The file has the tables and columns that the \
                     REST API shows and the views for dashboards, as of one moment. PostgreSQL has `resly db grant`.",
                )
                .arg(organization())
                .arg(file("to", "The file to make; only its owner can read it").required(true))
                .arg(force("Replaces a FILE that there is"))
                .args(settings),
        )
        .subcommand(components().args(settings))
        .subcommand(
            Command::new("copy")
                .about("Copies an installation from SQLite to PostgreSQL or back, and compares every table")
                .after_help(
                    "Each place is a data folder or a URL of PostgreSQL (postgres://…, past any pooler; its password can \
                     be in PGPASSWORD). The source's hosts may go on answering reads. The target has to be empty; what \
                     ended early goes on when it is run again. The master key, which is no part of the database, has \
                     to be brought along.",
                )
                .arg(place("from", "URL|FOLDER", "Where everything is"))
                .arg(place("to", "URL|FOLDER", "Where it is to be"))
                .args(settings),
        )
}

fn components() -> Command {
    Command::new("components")
        .about("Moves uploaded components between the database and the bucket; prints one JSON line")
        .after_help(
            "The bucket is that of RESLY_COMPONENT_STORE. Hosts may go on serving, because the database tells of each \
             component where it is. What ended early goes on when it is run again.",
        )
        .arg(Arg::new("to").long("to").required(true).value_parser(["bucket", "database"]).help("Where they are to be"))
}

fn place(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).required(true).value_name(value).help(help)
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
    Some(match verb {
        "backup" => DatabaseSubcommand::Backup {
            to: path("to")?,
            with_keys: own.get_flag("with-keys"),
            force: own.get_flag("force"),
        },
        "restore" => DatabaseSubcommand::Restore { from: path("from")?, force: own.get_flag("force") },
        "grant" => DatabaseSubcommand::Grant { organization: text("organization")?, role: text("role")? },
        "snapshot" => DatabaseSubcommand::Snapshot {
            organization: text("organization")?,
            to: path("to")?,
            force: own.get_flag("force"),
        },
        "components" => DatabaseSubcommand::Components {
            to: if text("to")? == "bucket" { ComponentPlace::Bucket } else { ComponentPlace::Database },
        },
        "copy" => DatabaseSubcommand::Copy { from: text("from")?, to: text("to")? },
        _ => DatabaseSubcommand::Revoke { role: text("role")? },
    })
}
