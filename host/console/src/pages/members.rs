//! `/console/account/members`: who is in the organization, in which role, and who is invited.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use resly_core::{
    id::{InvitationId, MemberId},
    member::Role,
};
use resly_http::{Api, problem::Problem};
use resly_service::members::{
    self, Member as Listed,
    invitations::{self, Invitation, Inviter},
};
use serde::Deserialize;

use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    parts::{Choice, Field, Table, alert, confirm, copyable, dialog, form, pager_to, part, select, submit, when},
    reply,
};

const PATH: &str = "/console/account/members";
/// Members of a page. Each has two dialogs.
const ROWS: usize = 15;

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

/// What each role may do.
pub fn meaning(role: Role) -> &'static str {
    match role {
        Role::Owner => "Everything, with the plan and other owners",
        Role::Admin => "Keys, connectors, knowledge, workflows and members",
        Role::Agent => "Answers conversations and tickets; reads the rest",
        Role::Viewer => "Reads everything",
    }
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    draw(member, &api, Markup::default(), before.as_deref()).await
}

async fn draw(member: Member, api: &Api, above: Markup, before: Option<&str>) -> Result<Page, PageError> {
    let organization = member.session.organization;
    let listed = members::list(&api.app, organization).await?;
    let invited = invitations::list(&api.app, organization).await?;
    let manages = member.role().may_grant(Role::Viewer);
    let (shown, next) = part(&listed, before, ROWS, |listed| listed.id.to_string());
    let body = html! {
        (above)
        (people(&member, shown))
        (pager_to("More members", PATH, next.as_deref()))
        @if manages && before.is_none() && !invited.is_empty() {
            section class="section" { h2 { "Invited" } (invitations_table(&member, &invited)) }
        }
    };
    let invite = if manages { invite_dialog(&member) } else { Markup::default() };
    Ok(Page::new(member, "Members", body)
        .lead(html! { "People who sign in here. Programs use keys instead." })
        .actions(invite))
}

fn people(member: &Member, listed: &[Listed]) -> Markup {
    let mut table = Table::new("Members", &["Name", "E-mail", "Role", "Since", ""]);
    for listed in listed {
        let own = listed.person.id == member.session.person.id;
        let name = html! { (listed.person.name) @if own { span class="quiet" { " (you)" } } };
        let email = html! { @match &listed.person.email { Some(email) => (email), None => span class="quiet" { "signs in by link" } } };
        let id = listed.id.to_string();
        let may = member.role().may_grant(listed.role);
        let actions = html! { @if may { div class="row end" { (role_dialog(member, listed, &id)) (remove_dialog(member, listed, &id, own)) } } };
        table.row(vec![name, email, html! { (listed.role.name()) }, when(listed.created_at), actions]);
    }
    table.draw()
}

fn roles(by: Role, chosen: Role, id: &str) -> Markup {
    let options: Vec<Choice<'_>> = Role::ALL
        .into_iter()
        .filter(|role| by.may_grant(*role))
        .map(|role| Choice { value: role.name(), label: role.name(), hint: Some(meaning(role)) })
        .collect();
    let field =
        Field { name: "role", label: "Role", value: chosen.name(), required: true, id: Some(id), ..Field::default() };
    html! {
        (select(&field, &options))
        ul class="hint" { @for option in &options { li { strong { (option.label) } ": " (option.hint.unwrap_or_default()) } } }
    }
}

fn role_dialog(member: &Member, listed: &Listed, id: &str) -> Markup {
    let body = form(
        &member.form_token,
        &format!("{PATH}/{id}/role"),
        &html! {
            (roles(member.role(), listed.role, &format!("role-of-{id}")))
            (submit("Change the role"))
        },
    );
    dialog(&format!("role-{id}"), "small", "Role", &format!("Role of {}", listed.person.name), &body)
}

fn remove_dialog(member: &Member, listed: &Listed, id: &str, own: bool) -> Markup {
    let (opens, does) = if own { ("Leave", "Leave") } else { ("Remove", "Remove") };
    let text = html! {
        p {
            (listed.person.name) " can't sign in to " (member.session.organization_name)
            " any more, at once. What they did stays, and keys that they made go on working."
        }
    };
    confirm(
        &member.form_token,
        &format!("remove-{id}"),
        opens,
        &format!("{does} {}?", if own { "the organization" } else { &listed.person.name }),
        &text,
        &format!("{PATH}/{id}/remove"),
        does,
    )
}

fn invite_dialog(member: &Member) -> Markup {
    let email = Field { kind: "email", name: "email", label: "E-mail", required: true, ..Field::default() };
    let body = form(
        &member.form_token,
        &format!("{PATH}/invite"),
        &html! {
            (email.draw())
            (roles(member.role(), Role::Agent, "role-of-invited"))
            (submit("Make the invitation"))
        },
    );
    dialog("invite", "primary", "Invite somebody", "Invite somebody", &body)
}

fn invitations_table(member: &Member, invited: &[Invitation]) -> Markup {
    let mut table = Table::new("Invitations", &["E-mail", "Role", "By", "Ends", ""]);
    for invitation in invited {
        let id = invitation.id.to_string();
        let text = html! { p { "The link of " (invitation.email) " stops working." } };
        let revoke = confirm(
            &member.form_token,
            &format!("revoke-{id}"),
            "Take back",
            "Take the invitation back?",
            &text,
            &format!("{PATH}/invitations/{id}/revoke"),
            "Take it back",
        );
        table.row(vec![
            html! { (invitation.email) },
            html! { (invitation.role.name()) },
            html! { (invitation.invited_by) },
            when(invitation.expires_at),
            html! { div class="row end" { (revoke) } },
        ]);
    }
    table.draw()
}

/// The role of a form; one that isn't a role is refused as the API refuses it.
fn role(fields: &Fields) -> Result<Role, PageError> {
    let given = fields.text("role");
    Role::parse(given).ok_or_else(|| Problem::invalid_at("role", "owner, admin, agent or viewer is expected").into())
}

/// Makes an invitation and shows its link, once.
pub async fn invite(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let by = Inviter { role: member.role(), name: member.session.person.name.clone() };
    let made =
        invitations::create(&api.app, member.session.organization, by, fields.text("email"), role(&fields)?).await;
    let above = match made {
        Ok((invitation, token)) => {
            let url = invitations::url(api.app.public_url().unwrap_or_default(), &token);
            html! {
                section class="panel" {
                    h2 { "Send this link to " (invitation.email) }
                    @if api.app.mailer.is_some() { p { "It is mailed to them, too." } }
                    p { "It is shown this once, and works until " (when(invitation.expires_at)) "." }
                    p { (copyable("the link", &url)) }
                }
            }
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.kind().status.is_server_error() {
                return Err(problem.into());
            }
            alert(&sentence(problem.detail()))
        }
    };
    Ok(draw(member, &api, above, None).await?.into_response())
}

pub async fn change_role(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<MemberId>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let role = role(&fields)?;
    let changed = members::change_role(&api.app, member.session.organization, member.role(), id, role).await;
    let changed = changed.map_err(Problem::from)?;
    Ok(reply::done(PATH, &format!("{} is {} now.", changed.person.name, with_article(changed.role))))
}

pub async fn remove(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<MemberId>,
    _: Submitted,
) -> Result<Response, PageError> {
    members::remove(&api.app, member.session.organization, member.role(), id).await.map_err(Problem::from)?;
    Ok(reply::done(PATH, "The member was removed."))
}

pub async fn revoke(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<InvitationId>,
    _: Submitted,
) -> Result<Response, PageError> {
    let revoked = invitations::revoke(&api.app, member.session.organization, id).await?;
    Ok(reply::done(
        PATH,
        if revoked { "The invitation was taken back." } else { "There is no such invitation any more." },
    ))
}

/// A role with its article.
pub fn with_article(role: Role) -> String {
    let article = if matches!(role, Role::Viewer) { "a" } else { "an" };
    format!("{article} {}", role.name())
}
