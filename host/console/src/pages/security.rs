//! `/console/account/security`: where a person is signed in, and what members and keys changed in the organization.

use axum::{
    extract::{Path, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::id::SessionId;
use resly_http::{
    Api,
    pagination::{self, Page as ListPage},
    query::{FromQuery, Parameters, Query},
};
use resly_service::{
    audit::{self, AuditEntry, AuditFilter, RetentionError},
    members::sessions::{self, SessionSummary},
};

use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Choice, Field, Table, empty, form, pager, select, submit, when},
    reply,
};

const SESSIONS: &str = "/console/account/sessions";
const AUDIT: &str = "/console/account/audit";

/// What the audit log can be narrowed to.
const KINDS: [(&str, &str); 17] = [
    ("", "Everything"),
    ("key", "Keys"),
    ("connection", "Connections"),
    ("connector", "Connectors"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("identity_provider", "Company sign-in"),
    ("identity", "Company accounts"),
    ("workflow", "Workflows"),
    ("webhook", "Webhook"),
    ("plan", "Plan"),
    ("conversation", "Conversations"),
    ("canned_reply", "Canned replies"),
    ("source", "Knowledge sources"),
    ("crawl", "Crawls"),
    ("account", "Connected accounts"),
    ("audit", "Audit log"),
];

pub async fn sessions(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let found = sessions::list(&api.app, &member.session).await?;
    let mut table = Table::new("Sessions", &["Browser", "Address", "Organization", "Signed in", "Last used", ""]);
    for session in &found {
        table.row(session_row(&member, session));
    }
    let end_all = form(&member.form_token, SESSIONS, &html! { button class="button danger" { "Sign out everywhere" } });
    let body = table.draw();
    Ok(Page::new(member, "Sessions", body)
        .above("/console/account", "Profile")
        .lead(html! { "Where you are signed in. A session ends twelve hours after its last use." })
        .actions(end_all))
}

fn session_row(member: &Member, session: &SessionSummary) -> Vec<Markup> {
    let browser = session.user_agent.as_deref().unwrap_or("unknown browser");
    let end = if session.id == member.session.id {
        html! { span class="quiet" { "this one" } }
    } else {
        form(&member.form_token, &format!("{SESSIONS}/{}", session.id), &html! { button class="button" { "End" } })
    };
    let (signed_in, last_used) = (when(session.created_at), when(session.last_seen_at));
    let (address, organization) = (html! { (session.address) }, html! { (session.organization_name) });
    vec![html! { (browser) }, address, organization, signed_in, last_used, html! { div class="row end" { (end) } }]
}

pub async fn end_session(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<SessionId>,
    _: Submitted,
) -> Result<Response, PageError> {
    let ended = sessions::end_one(&api.app, &member.session, id).await?;
    Ok(reply::done(SESSIONS, if ended { "The session has ended." } else { "That session had ended already." }))
}

pub async fn end_all(Viewer(member): Viewer, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    sessions::end_all(&api.app, &member.session).await?;
    Ok(reply::redirect("/console/sign-in"))
}

/// The query of the audit log.
pub struct Wanted {
    filter: AuditFilter,
    page: ListPage,
}

impl FromQuery for Wanted {
    fn from_query(parameters: &mut Parameters) -> Self {
        // A form sends what is empty, too.
        let kind = parameters.text("kind").filter(|kind| !kind.is_empty());
        let filter = AuditFilter {
            actor: parameters.id("actor"),
            action: kind,
            subject: parameters.text("subject").filter(|subject| !subject.is_empty()),
            ..AuditFilter::default()
        };
        Self { filter, page: ListPage::from_query(parameters) }
    }
}

pub async fn audit(
    Admin(member): Admin,
    State(api): State<Api>,
    Query(Wanted { filter, page }): Query<Wanted>,
) -> Result<Page, PageError> {
    let kind = filter.action.clone().unwrap_or_default();
    let (mut query, mut csv) = (AUDIT.to_owned(), format!("{AUDIT}.csv"));
    if KINDS.iter().any(|(known, _)| *known == kind) && !kind.is_empty() {
        query = format!("{query}?kind={kind}");
        csv = format!("{csv}?kind={kind}");
    }
    let mut found = audit::list(&api.app, member.session.organization, filter, page.before, page.limit + 1).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |entry| (entry.created_at, entry.id.0));
    let days = audit::days(&api.app, member.session.organization).await?;
    let retention = retention_form(&member, days);
    let choices: Vec<_> = KINDS.iter().map(|(value, label)| Choice { value, label, hint: None }).collect();
    let field = Field { name: "kind", label: "Show", value: &kind, required: true, ..Field::default() };
    let body = html! {
        form class="filters" { (select(&field, &choices)) button class="button" { "Filter" } }
        @if found.is_empty() {
            (empty("Nothing was changed yet", "What members and keys change is listed here, with what was before and after.", &Markup::default()))
        } @else { (entries(&found)) }
        (pager(&query, next.as_deref()))
        (retention)
    };
    Ok(Page::new(member, "Audit log", body)
        .lead(html! { "Who changed what. A secret is never in it." })
        .actions(html! { a href=(csv) class="button" download { "CSV of this page" } }))
}

/// How long entries are kept, and the form that changes it.
fn retention_form(member: &Member, days: u32) -> Markup {
    let typed = days.to_string();
    let field = Field {
        kind: "number",
        name: "days",
        label: "Days to keep an entry",
        value: &typed,
        required: true,
        hint: Some("30 to 3650. Older entries are deleted within the hour."),
        ..Field::default()
    };
    html! {
        details class="panel" {
            summary { "Entries are kept for " (days) " days" }
            (form(&member.form_token, &format!("{AUDIT}/retention"), &html! { (field.draw()) (submit("Save")) }))
        }
    }
}

pub async fn set_retention(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    // What is no number is out of range as well.
    let days = fields.text("days").parse().unwrap_or(0);
    let notice = match audit::set_days(&api.app, member.session.organization, Some(days)).await {
        Ok(()) => "Saved. Older entries are deleted within the hour.".to_owned(),
        Err(RetentionError::Invalid(mistakes)) => {
            let mistake = mistakes.first().map(|mistake| sentence(&mistake.message)).unwrap_or_default();
            format!("Nothing is changed: {mistake}")
        }
        Err(RetentionError::Store(error)) => return Err(error.into()),
    };
    Ok(reply::done(AUDIT, &notice))
}

fn entries(found: &[AuditEntry]) -> Markup {
    let mut table = Table::new("Changes", &["What", "On", "Who", "When", "Difference"]);
    for entry in found {
        let subject = entry.subject_name.as_deref().or(entry.subject_id.as_deref()).unwrap_or_default();
        let who = html! { (entry.actor_name) " " span class="quiet" { (entry.actor_kind.name()) } };
        table.row(vec![html! { (entry.action) }, html! { (subject) }, who, when(entry.created_at), difference(entry)]);
    }
    table.draw()
}

fn difference(entry: &AuditEntry) -> Markup {
    html! {
        @if entry.before.is_some() || entry.after.is_some() {
            details {
                summary { "Show" }
                @if let Some(before) = &entry.before { p class="quiet" { "before" } pre class="wrap" { (format!("{before:#}")) } }
                @if let Some(after) = &entry.after { p class="quiet" { "after" } pre class="wrap" { (format!("{after:#}")) } }
            }
        }
    }
}

/// The page of the audit log as a file for spreadsheets.
pub async fn audit_csv(
    Admin(member): Admin,
    State(api): State<Api>,
    Query(Wanted { filter, page }): Query<Wanted>,
) -> Result<Response, PageError> {
    let found = audit::list(&api.app, member.session.organization, filter, page.before, page.limit).await?;
    Ok(reply::download(audit::to_csv(&found), "audit.csv"))
}
