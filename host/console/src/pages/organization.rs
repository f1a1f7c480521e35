//! Account → Organization: its name and ids, what is kept for how long, and the deletion of a visitor's data.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::{
    Api,
    pagination::{self, cut},
    problem::Problem,
};
use resly_service::{
    deletions::{self, DeletionError},
    organizations,
};
use resly_store::{Deletion, DeletionQuery, DeletionState, Organization};
use serde::Deserialize;

use super::{company, mail};
use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    numbers::{bytes, thousands},
    parts::{Field, Table, Tone, badge, button, copyable, date, facts, form, pager, when},
    reply,
};

const PATH: &str = "/console/account/organization";
const DELETIONS: &str = "/console/account/organization/deletions";
const DELETE: &str = "/console/account/organization/delete-visitor";
const ROWS: u32 = 50;

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let found = organizations::get(&api.app.store, member.session.organization).await.map_err(Problem::from)?;
    let url = api.app.public_url().map_err(Problem::from)?;
    let Organization { id, name, plan, created_at } = found;
    let terms = &plan.terms;
    let body = html! {
        section class="panel" {
            (facts(&[
                ("Name", html! { (name) }),
                ("Id", copyable("the organization's id", &id.to_string())),
                ("This host", copyable("the host's address", url)),
                ("Made", when(created_at)),
            ]))
            p class="hint" { "The operator of this host changes the name." }
        }
        section class="panel" {
            h2 { "How long data is kept" }
            (facts(&[
                ("Conversations, with messages and tickets", html! { @match terms.conversation_days { Some(days) => { (days) " days after the last message" }, None => "until somebody deletes them" } }),
                ("Log of connector calls", html! { (terms.log_days) " days, at most " (bytes(terms.log_bytes_per_day)) " a day" }),
                ("What was counted and billed", html! { "for good" }),
            ]))
            p class="hint" { "The plan sets this: " a href="/console/account/billing/plan" { "see the plan" } "." }
        }
        section class="panel" {
            h2 { "Company sign-in" }
            p { "Members sign in with their company's account, by OpenID Connect." }
            @if member.may(Permission::Own) { p class="form-end" { (button(company::PATH, "Company sign-in")) } }
            @else { p class="hint" { "An owner sets it." } }
        }
        section class="panel" {
            h2 { "Mail" }
            @if let Some(mailer) = &api.app.mailer { p { "Mails go out from " (mailer.description().from) "." } }
            @else { p { "No mail server is set: links are shown instead of mailed." } }
            @if member.may(Permission::Manage) { p class="form-end" { (button(mail::PATH, "Mails")) } }
        }
        section class="panel" {
            h2 { "A visitor's data" }
            p { "When somebody asks you to delete what you store about them: conversations, tickets, connected accounts and what connectors remember. A record that it was done stays, without their name." }
            p class="form-end" {
                @if member.may(Permission::Manage) { a href=(DELETE) class="button danger" { "Delete a visitor's data" } }
                (button(DELETIONS, "Records of deletions"))
            }
        }
    };
    Ok(Page::new(member, "Organization", body))
}

pub async fn deletions(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    let before = before.as_deref().and_then(pagination::decode);
    let query = DeletionQuery { visitor_hash: None, before, limit: ROWS + 1 };
    let found = deletions::list(&api.app, member.session.organization, None, query).await;
    let mut found = found.map_err(Problem::from)?;
    let more = cut(&mut found, ROWS);
    let next = pagination::next(&found, more, |deletion| (deletion.created_at, deletion.id.0));
    let mut table = Table::new(
        "Records of deletions",
        &["Asked for", "State", "Done", "#Conversations", "#Messages", "#Tickets", "#Accounts"],
    );
    for deletion in &found {
        table.row(record(deletion));
    }
    let body = html! {
        @if found.is_empty() && before.is_none() {
            (crate::parts::empty("No deletions yet", "Each request to delete a visitor's data is recorded here, with how much was deleted.", &html! {}))
        } @else {
            (table.draw())
            (pager(DELETIONS, next.as_deref()))
        }
        p class="hint" { "A record names the visitor by a keyed hash alone. " a href="/docs/visitor-data" { "What is deleted, and what stays" } }
    };
    Ok(Page::new(member, "Records of deletions", body).above(PATH, "Organization"))
}

fn record(deletion: &Deletion) -> Vec<Markup> {
    let state = match deletion.state {
        DeletionState::Pending => badge(Tone::Warn, "being deleted"),
        DeletionState::Done if deletion.unconfirmed_revocations > 0 => html! {
            (badge(Tone::Warn, "done"))
            " " (deletion.unconfirmed_revocations) " accounts: their service didn't confirm that it revoked their tokens. Revoke them there."
        },
        DeletionState::Done => badge(Tone::Good, "done"),
    };
    let rows = &deletion.deleted;
    let numbers = [rows.conversations, rows.messages, rows.tickets, deletion.accounts];
    let mut cells = vec![when(deletion.created_at), state, date(deletion.completed_at, "not yet")];
    cells.extend(numbers.map(|number| html! { (thousands(number)) }));
    cells
}

pub async fn delete_page(Admin(member): Admin) -> Page {
    draw_delete(member, "", None)
}

fn draw_delete(member: Member, typed: &str, mistake: Option<&str>) -> Page {
    let field = Field {
        name: "visitor",
        label: "The visitor",
        value: typed,
        hint: Some("What your chats send as visitorId, or the id of the visitor's row."),
        error: mistake,
        required: true,
        autocomplete: Some("off"),
        length: Some(200),
        ..Field::default()
    };
    let body = html! {
        section class="panel" {
            p { "Everything that is stored about the visitor is deleted within seconds. This can't be undone. Answers that are being written to them are cancelled." }
            (form(&member.form_token, DELETE, &html! {
                (field.draw())
                p class="form-end" { button class="button danger" { "Delete everything about them" } (button(PATH, "Keep it")) }
            }))
        }
    };
    Page::new(member, "Delete a visitor's data", body).above(PATH, "Organization")
}

pub async fn delete(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let visitor = fields.text("visitor");
    let by = member.session.person.id.0;
    match deletions::request(&api.app, member.session.organization, by, visitor.to_owned()).await {
        Ok(_) => Ok(reply::done(DELETIONS, "The visitor's data is being deleted.")),
        Err(error @ DeletionError::NoVisitor) => {
            let page = draw_delete(member, visitor, Some(&sentence(&error.to_string())));
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}
