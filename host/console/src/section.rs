//! The menu: its groups, and the page that each entry leads to.

use resly_core::member::Permission;

/// An entry of the menu.
pub struct Section {
    pub path: &'static str,
    pub title: &'static str,
    /// Who sees it.
    pub permission: Permission,
}

const fn section(path: &'static str, title: &'static str, permission: Permission) -> Section {
    Section { path, title, permission }
}

/// The groups of the menu, as the handbook names them: Admin → Deploy → API is the group Deploy and its entry API.
pub const MENU: &[(&str, &[Section])] = &[
    ("", &[section("/console", "Home", Permission::View)]),
    (
        "Inbox",
        &[
            section("/console/conversations", "Conversations", Permission::View),
            section("/console/tickets", "Tickets", Permission::View),
            section("/console/canned-replies", "Canned replies", Permission::View),
        ],
    ),
    ("Analytics", &[section("/console/analytics", "Analytics", Permission::View)]),
    (
        "Answers",
        &[
            section("/console/knowledge", "Knowledge", Permission::View),
            section("/console/playground", "Playground", Permission::Converse),
        ],
    ),
    (
        "Integrations",
        &[
            section("/console/connectors", "Connectors", Permission::View),
            section("/console/logs", "Logs", Permission::View),
        ],
    ),
    (
        "Deploy",
        &[
            section("/console/deploy/api", "API", Permission::View),
            section("/console/deploy/widget", "Widget", Permission::View),
            section("/console/deploy/search", "Search", Permission::View),
        ],
    ),
    (
        "Account",
        &[
            section("/console/account/billing", "Billing", Permission::View),
            section("/console/account/organization", "Organization", Permission::View),
            section("/console/account/members", "Members", Permission::View),
            section("/console/account/audit", "Audit log", Permission::Manage),
            section("/console/account/webhook", "Webhook", Permission::View),
            section("/console/account", "Profile", Permission::View),
        ],
    ),
];

/// The entry that a path belongs to: the longest that it begins with.
pub fn current(path: &str) -> &'static str {
    if path.starts_with("/console/connections/") {
        return "/console/connectors";
    }
    let entries = MENU.iter().flat_map(|(_, sections)| *sections).map(|section| section.path);
    let within = |entry: &&str| path == *entry || path.strip_prefix(*entry).is_some_and(|rest| rest.starts_with('/'));
    entries.filter(within).max_by_key(|entry| entry.len()).unwrap_or("/console")
}
