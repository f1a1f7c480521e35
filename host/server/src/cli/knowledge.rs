//! `resly knowledge`: the command line of a folder's import.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::knowledge_import::ImportFolder;

/// Where a host listens that has no `--listen`.
const HOST: &str = "http://127.0.0.1:8080";

pub fn command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("knowledge")
        .about("Brings documents to a running host")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("import")
                .about("Uploads a folder's documents, and again only those that changed; prints a table")
                .after_help(
                    "Set RESLY_ADMIN_KEY to an API key with the scope `admin`. Documents end in .md, .markdown, .txt, .html, \
                     .htm, .xhtml, .pdf, .docx, .csv or .tsv; others, hidden files and links are skipped, and the table says why. \
                     A document's key is the prefix and its path in the folder, so a second run replaces what changed and \
                     leaves the rest. Ends with 0 when every document is known, and with 1 when one failed or the import \
                     could not be made.",
                )
                .arg(Arg::new("folder").required(true).value_name("DIR").help("The folder"))
                .arg(text("url", "URL", "The host; RESLY_URL, or http://127.0.0.1:8080, when left out"))
                .arg(text("prefix", "TEXT", "What keys begin with; the folder's name and a slash when left out"))
                .arg(text("base-url", "URL", "Where people read the folder: citations link to this and the path"))
                .arg(
                    Arg::new("prune")
                        .long("prune")
                        .action(ArgAction::SetTrue)
                        .help("Deletes sources under the prefix whose file is gone"),
                ),
        )
}

/// The options of `resly knowledge import`.
pub fn parse(matches: &ArgMatches) -> Option<ImportFolder> {
    let (_, own) = matches.subcommand()?;
    let text = |name: &str| own.get_one::<String>(name).cloned();
    let host = text("url").or_else(|| std::env::var("RESLY_URL").ok()).unwrap_or_else(|| HOST.to_owned());
    Some(ImportFolder {
        folder: PathBuf::from(text("folder")?),
        host: host.trim_end_matches('/').to_owned(),
        prefix: text("prefix"),
        base_url: text("base-url"),
        prune: own.get_flag("prune"),
    })
}
