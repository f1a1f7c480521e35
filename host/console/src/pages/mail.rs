//! Account → Organization → Mail: whether mails go out, a test, and what became of the last ones.

use axum::{
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::mail::MailKind;
use resly_http::{
    Api,
    pagination::{self, cut},
};
use resly_service::mails::{self, MailRecord, MailState, TestMailError};
use serde::Deserialize;

use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    parts::{Table, Tone, badge, empty, facts, form, pager, submit, when},
    reply,
};

pub const PATH: &str = "/console/account/organization/mail";
const ROWS: u32 = 50;

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

pub async fn page(
    Admin(member): Admin,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    let cursor = before.as_deref().and_then(pagination::decode);
    let mut found = mails::list(&api.app, member.session.organization, cursor, ROWS + 1).await?;
    let more = cut(&mut found, ROWS);
    let next = pagination::next(&found, more, |mail| (mail.created_at, mail.id.0));
    let body = html! {
        section class="panel" {
            @if let Some(mailer) = &api.app.mailer {
                @let mailer = mailer.description();
                (facts(&[("Mail server", html! { code { (mailer.server) } }), ("From", html! { (mailer.from) })]))
                (form(&member.form_token, &format!("{PATH}/test"), &submit("Send a test mail")))
            } @else {
                p { "No mail server is set, so nothing is mailed: the links of invitations are shown, and everything else works." }
                p class="hint" { "Whoever runs this host sets " code { "RESLY_SMTP_URL" } " and " code { "RESLY_MAIL_FROM" } "." }
            }
        }
        section class="section" {
            h2 { "Mails of the last week" }
            @if found.is_empty() {
                (empty("No mails yet", "Invitations, tickets and conversations that wait for a person are mailed.", &Markup::default()))
            } @else { (table(&found)) }
            (pager(PATH, next.as_deref()))
        }
    };
    Ok(Page::new(member, "Mail", body)
        .above("/console/account/organization", "Organization")
        .lead(html! { "What the host mails to your members and customers." }))
}

fn table(found: &[MailRecord]) -> Markup {
    let mut table = Table::new("Mails", &["About", "To", "State", "#Tries", "When"]);
    for mail in found {
        let to = html! { @match &mail.to { Some(to) => (to), None => span class="quiet" { "a member" } } };
        let state = html! {
            (badge(tone(mail.state), state_words(mail.state)))
            @if let Some(error) = &mail.last_error { p class="quiet" { (error) } }
        };
        table.row(vec![html! { (about(mail.kind)) }, to, state, html! { (mail.tries) }, when(mail.created_at)]);
    }
    table.draw()
}

fn about(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Invitation => "An invitation",
        MailKind::PasswordChanged => "A new password",
        MailKind::SignInLinked => "A new way to sign in",
        MailKind::TicketAssigned => "A ticket's assignment",
        MailKind::TicketCommented => "A ticket's comment",
        MailKind::TicketStatus => "A ticket's status",
        MailKind::HandOver => "A conversation that waits",
        MailKind::Test => "A test",
    }
}

fn state_words(state: MailState) -> &'static str {
    match state {
        MailState::Pending => "waiting",
        MailState::Sent => "sent",
        MailState::Failed => "given up",
    }
}

fn tone(state: MailState) -> Tone {
    match state {
        MailState::Pending => Tone::Quiet,
        MailState::Sent => Tone::Good,
        MailState::Failed => Tone::Bad,
    }
}

pub async fn test(Admin(member): Admin, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    let session = &member.session;
    match mails::test(&api.app, &session.organization_name, &session.person).await {
        Ok(to) => Ok(reply::done(PATH, &format!("A test mail is on its way to {to}."))),
        Err(TestMailError::Store(error)) => Err(error.into()),
        Err(error) => Ok(reply::done(PATH, &sentence(&error.to_string()))),
    }
}

/// Says whether the member wants mails of conversations that wait.
pub async fn switch(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    mails::want_handovers(&api.app, &member.session, fields.checked("handovers")).await?;
    Ok(reply::done("/console/account", "Your mails are set."))
}
