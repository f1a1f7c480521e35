//! `resly key`, for a person who has the host but no working key.

use clap::{Arg, ArgMatches, Command};
use resly_core::{id::KeyId, principal::Scope};

/// The key to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// The organization's name, or its id.
    pub organization: String,
    pub name: String,
    pub scopes: Vec<Scope>,
}

/// What is done with the keys of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySubcommand {
    Create(KeyOptions),
    List { organization: String },
    Delete { organization: String, key: KeyId },
}

impl KeySubcommand {
    /// The organization's name, or its id.
    pub fn organization(&self) -> &str {
        let (Self::Create(KeyOptions { organization, .. })
        | Self::List { organization }
        | Self::Delete { organization, .. }) = self;
        organization
    }
}

pub fn command(settings: &[Arg]) -> Command {
    let organization = || {
        let named = Arg::new("organization").long("organization").required(true).value_name("NAME");
        named.help("The organization's name, or its id")
    };
    let scopes = Arg::new("scopes")
        .long("scopes")
        .value_name("SCOPES")
        .value_delimiter(',')
        .default_value("chat,search,admin")
        .value_parser(["chat", "search", "admin", "operator", "data:read", "data:write"])
        .help("What the key may do, with commas between");
    let name = Arg::new("name").long("name").value_name("NAME").default_value("command line").help("For people");
    let id = Arg::new("id").long("id").required(true).value_name("ID").value_parser(key_id).help("The key's id");
    let needs = "Needs the settings of the host: its data folder or database, and its master key.";
    Command::new("key")
        .about("Makes, lists and deletes API keys on the host itself")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("create")
                .about(
                    "Makes a secret key of an organization and prints it as one JSON line, while a host serves or not",
                )
                .after_help(needs)
                .arg(organization())
                .arg(scopes)
                .arg(name)
                .args(settings),
        )
        .subcommand(
            Command::new("list")
                .about("Prints an organization's keys as one JSON line, without their secrets")
                .arg(organization())
                .args(settings),
        )
        .subcommand(
            Command::new("delete")
                .about("Deletes a key; it stops working within a second")
                .after_help(format!("{needs} The last key that may administer the organization stays."))
                .arg(organization())
                .arg(id)
                .args(settings),
        )
}

fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse().map_err(|_| "it is no id of a key, which `resly key list` tells".to_owned())
}

pub fn parse(matches: &ArgMatches) -> Option<KeySubcommand> {
    let (verb, own) = matches.subcommand()?;
    let text = |name: &str| own.get_one::<String>(name).cloned();
    let organization = text("organization")?;
    Some(match verb {
        "create" => KeySubcommand::Create(KeyOptions {
            organization,
            name: text("name")?,
            scopes: own.get_many::<String>("scopes").into_iter().flatten().filter_map(|name| scope(name)).collect(),
        }),
        "list" => KeySubcommand::List { organization },
        _ => KeySubcommand::Delete { organization, key: *own.get_one::<KeyId>("id")? },
    })
}

fn scope(name: &str) -> Option<Scope> {
    Some(match name {
        "chat" => Scope::Chat,
        "search" => Scope::Search,
        "admin" => Scope::Admin,
        "operator" => Scope::Operator,
        "data:read" => Scope::DataRead,
        "data:write" => Scope::DataWrite,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<KeySubcommand, clap::Error> {
        command(&[]).try_get_matches_from([&["key"], arguments].concat()).map(|matches| parse(&matches).unwrap())
    }

    #[test]
    fn a_key_has_the_scopes_that_were_named() {
        let KeySubcommand::Create(wanted) = read(&["create", "--organization", "x", "--scopes", "chat,admin"]).unwrap()
        else {
            panic!("another verb")
        };
        assert_eq!((wanted.organization.as_str(), wanted.scopes), ("x", vec![Scope::Chat, Scope::Admin]));
        assert!(read(&["create", "--organization", "x", "--scopes", "all"]).is_err());
    }

    #[test]
    fn a_key_is_deleted_by_its_id() {
        let id = "01989c3a-7e10-7aaa-8bbb-0123456789ab";
        let deleted = read(&["delete", "--organization", "x", "--id", id]).unwrap();
        let expected = KeySubcommand::Delete { organization: "x".to_owned(), key: id.parse().unwrap() };
        assert_eq!((deleted.organization(), &deleted), ("x", &expected));
        for wrong in [&["delete", "--organization", "x"][..], &["delete", "--organization", "x", "--id", "7"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
