//! `resly organization`, `resly plan` and `resly subscription`: what an operator does on the host itself. The API does the
//! same under `/api/operator`.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// Limits and other terms, as texts: `messages=5000`, or `messages=none` for unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsOptions {
    pub limits: Vec<String>,
    pub per_minute: Vec<String>,
    pub log_days: Option<u32>,
    pub log_bytes_per_day: Option<u64>,
}

/// The state of a subscription, as texts; a time is RFC 3339, or `never`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    pub plan: Option<String>,
    pub status: Option<String>,
    pub trial_ends_at: Option<String>,
    pub period_ends_at: Option<String>,
    pub past_due_until: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorSubcommand {
    CreateOrganization {
        name: String,
        subscription: SubscriptionOptions,
    },
    ListOrganizations {
        plan: Option<String>,
    },
    ShowOrganization {
        organization: String,
    },
    RenameOrganization {
        organization: String,
        name: String,
    },
    CreatePlan {
        id: String,
        title: Option<String>,
        terms: TermsOptions,
        features: Option<Vec<String>>,
    },
    ListPlans,
    ChangePlan {
        id: String,
        title: Option<String>,
        terms: TermsOptions,
        /// `all` alone is all that there are.
        features: Option<Vec<String>>,
        retired: Option<bool>,
    },
    SetSubscription {
        organization: String,
        subscription: SubscriptionOptions,
    },
    /// Replaces what holds for one organization alone.
    Override {
        organization: String,
        terms: TermsOptions,
    },
}

const STATUSES: [&str; 4] = ["trial", "active", "past_due", "expired"];

fn group(name: &'static str, about: &'static str, verbs: impl IntoIterator<Item = Command>) -> Command {
    Command::new(name).about(about).subcommand_required(true).arg_required_else_help(true).subcommands(verbs)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn terms() -> [Arg; 4] {
    [
        option("limit", "METER=N", "A limit for a month, such as messages=5000; `none` is unlimited. May be repeated")
            .action(ArgAction::Append),
        option("per-minute", "METER=N", "A limit within a minute, such as messages=60. May be repeated")
            .action(ArgAction::Append),
        option("log-days", "DAYS", "For how long the log of connector calls is kept")
            .value_parser(clap::value_parser!(u32)),
        option("log-bytes-per-day", "BYTES", "How much of it there may be in a day")
            .value_parser(clap::value_parser!(u64)),
    ]
}

fn subscription() -> [Arg; 5] {
    [
        option("plan", "ID", "The plan"),
        option("status", "STATUS", "The state").value_parser(STATUSES),
        option("trial-ends-at", "TIME", "When a trial ends: 2026-12-31T00:00:00Z, or `never`"),
        option("period-ends-at", "TIME", "When what was paid for ends, or `never`"),
        option("past-due-until", "TIME", "Until when it is served although a payment is due, or `never`"),
    ]
}

/// The three commands.
pub fn commands(settings: &[Arg]) -> [Command; 3] {
    let named = |name: &'static str, help: &'static str| Arg::new(name).required(true).value_name("NAME").help(help);
    let organization = || named("organization", "The organization's name, or its id");
    let id = || Arg::new("id").required(true).value_name("ID").help("The plan's id");
    let features = |help: &'static str| option("features", "NAMES", help).value_delimiter(',');
    let title = || option("title", "TITLE", "For people");
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let verb = |name: &'static str, about: &'static str| Command::new(name).about(about).args(settings);
    [
        group(
            "organization",
            "Creates, lists and renames the organizations of a host",
            [
                verb("create", "Makes an organization, and prints it with its first key as one JSON line")
                    .arg(named("name", "1 to 100 characters on one line"))
                    .args(subscription()),
                verb("list", "Prints the organizations, newest first, one JSON line each").arg(option(
                    "plan",
                    "ID",
                    "Only those with this plan",
                )),
                verb("show", "Prints one organization with its subscription").arg(organization()),
                verb("rename", "Gives an organization another name")
                    .arg(organization())
                    .arg(named("name", "The new name")),
            ],
        ),
        group(
            "plan",
            "Creates, lists, changes and retires plans",
            [
                verb("create", "Makes a plan")
                    .arg(id())
                    .arg(title())
                    .args(terms())
                    .arg(features("The features that it has, with commas between; all when left out")),
                verb("list", "Prints the plans, one JSON line each"),
                verb("change", "Changes a plan, for its organizations too")
                    .arg(id())
                    .arg(title())
                    .args(terms())
                    .arg(features("All of its features, with commas between, or `all`"))
                    .arg(flag("retire", "Keeps further organizations from it"))
                    .arg(flag("restore", "Lets organizations have it again").conflicts_with("retire")),
            ],
        ),
        group(
            "subscription",
            "Gives an organization a plan, a state, dates, and terms of its own",
            [
                verb("set", "Changes the subscription; what isn't named stays")
                    .arg(organization())
                    .args(subscription()),
                verb(
                    "override",
                    "Sets all terms that hold for this organization alone; without any, it has its plan's",
                )
                .arg(organization())
                .args(terms()),
            ],
        ),
    ]
}

/// What the arguments ask for. `None` when the command is none of the three.
pub fn parse(command: &str, matches: &ArgMatches) -> Option<OperatorSubcommand> {
    if !["organization", "plan", "subscription"].contains(&command) {
        return None;
    }
    let (verb, own) = matches.subcommand()?;
    let text = |name: &str| own.try_get_one::<String>(name).ok().flatten().cloned();
    let texts = |name: &str| {
        let given = own.try_get_many::<String>(name).ok().flatten()?;
        Some(given.cloned().collect::<Vec<_>>())
    };
    let flag = |name: &str| own.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
    let terms = || TermsOptions {
        limits: texts("limit").unwrap_or_default(),
        per_minute: texts("per-minute").unwrap_or_default(),
        log_days: own.try_get_one("log-days").ok().flatten().copied(),
        log_bytes_per_day: own.try_get_one("log-bytes-per-day").ok().flatten().copied(),
    };
    let subscription = || SubscriptionOptions {
        plan: text("plan"),
        status: text("status"),
        trial_ends_at: text("trial-ends-at"),
        period_ends_at: text("period-ends-at"),
        past_due_until: text("past-due-until"),
    };
    let organization = || text("organization");
    Some(match (command, verb) {
        ("organization", "create") => {
            OperatorSubcommand::CreateOrganization { name: text("name")?, subscription: subscription() }
        }
        ("organization", "list") => OperatorSubcommand::ListOrganizations { plan: text("plan") },
        ("organization", "show") => OperatorSubcommand::ShowOrganization { organization: organization()? },
        ("organization", _) => {
            OperatorSubcommand::RenameOrganization { organization: organization()?, name: text("name")? }
        }
        ("plan", "create") => OperatorSubcommand::CreatePlan {
            id: text("id")?,
            title: text("title"),
            terms: terms(),
            features: texts("features"),
        },
        ("plan", "list") => OperatorSubcommand::ListPlans,
        ("plan", _) => OperatorSubcommand::ChangePlan {
            id: text("id")?,
            title: text("title"),
            terms: terms(),
            features: texts("features"),
            retired: flag("retire").then_some(true).or_else(|| flag("restore").then_some(false)),
        },
        (_, "set") => {
            OperatorSubcommand::SetSubscription { organization: organization()?, subscription: subscription() }
        }
        _ => OperatorSubcommand::Override { organization: organization()?, terms: terms() },
    })
}
