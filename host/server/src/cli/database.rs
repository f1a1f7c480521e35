//! `resly db`: the command line of what is done to the database itself.

use clap::{Arg, ArgMatches, Command};

/// What is done to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSubcommand {
    /// Makes a login that reads one organization's rows.
    Grant { organization: String, role: String },
    /// Removes such a login.
    Revoke { role: String },
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
        .about("Lets dashboards into the database")
        .subcommand_required(true)
        .arg_required_else_help(true)
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

pub fn parse(matches: &ArgMatches) -> Option<DatabaseSubcommand> {
    let (verb, own) = matches.subcommand()?;
    let text = |name: &str| own.try_get_one::<String>(name).ok().flatten().cloned();
    let role = text("role")?;
    match verb {
        "grant" => Some(DatabaseSubcommand::Grant { organization: text("organization")?, role }),
        _ => Some(DatabaseSubcommand::Revoke { role }),
    }
}
