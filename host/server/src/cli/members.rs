//! `resly members`, for a person who has the host but can't sign in at the console.

use clap::{Arg, ArgMatches, Command};

/// The link to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// The organization's name, or its id.
    pub organization: String,
    /// The member who is signed in. `None` makes a new owner.
    pub email: Option<String>,
}

pub fn command(settings: &[Arg]) -> Command {
    let organization = Arg::new("organization").long("organization").required(true).value_name("NAME");
    let email = Arg::new("email").long("email").value_name("EMAIL");
    Command::new("members")
        .about("Lets somebody in at the console")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("link")
                .about("Makes a sign-in link and prints it as one JSON line, while a host serves or not")
                .after_help(
                    "The link works once, within a day. Whoever opens it may set a new password. Needs the settings of the \
                     host: its data folder or database, and RESLY_PUBLIC_URL unless the host listens on this machine.",
                )
                .arg(organization.help("The organization's name, or its id"))
                .arg(email.help("The member whom the link signs in; without it, the link makes a new owner"))
                .args(settings),
        )
}

pub fn parse(matches: &ArgMatches) -> Option<LinkOptions> {
    let (_, own) = matches.subcommand()?;
    let text = |name: &str| own.get_one::<String>(name).cloned();
    Some(LinkOptions { organization: text("organization")?, email: text("email") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_an_organization_and_perhaps_a_member() {
        let parsed = |arguments: &[&str]| {
            let arguments = ["members", "link"].iter().chain(arguments);
            command(&[]).try_get_matches_from(arguments).ok().and_then(|matches| parse(&matches))
        };
        let link =
            |email: Option<&str>| LinkOptions { organization: "Acme".to_owned(), email: email.map(str::to_owned) };
        assert_eq!(parsed(&["--organization", "Acme"]), Some(link(None)));
        assert_eq!(parsed(&["--organization", "Acme", "--email", "a@b.example"]), Some(link(Some("a@b.example"))));
        assert_eq!(parsed(&[]), None);
    }
}
