//! What stands beside a conversation's transcript: tags, notes, canned replies, snoozing and merging.

use maud::{Markup, html};
use resly_core::member::Permission;
use resly_service::inbox::{canned_replies::fill, handling::Desk};
use resly_store::ConversationRecord;

use super::{
    people::People,
    words::{PATH, shortened},
};
use crate::{
    member::Member,
    parts::{Choice, Field, area, dialog, form, select, submit, when},
};

/// For how long a conversation may be snoozed: seconds, and the words for it.
pub const SNOOZES: [(&str, &str); 5] = [
    ("3600", "For an hour"),
    ("14400", "For four hours"),
    ("86400", "For a day"),
    ("259200", "For three days"),
    ("604800", "For a week"),
];

/// Where a merged conversation goes on, and which ones go on here.
pub fn merged(record: &ConversationRecord) -> Markup {
    html! {
        @if let Some(into) = record.handling.merged_into {
            p class="notice" { span { "This conversation was merged into another one of the visitor. " a href={ (PATH) "/" (into) } { "Go on there" } } }
        }
        @if !record.merged_from.is_empty() {
            p class="notice" {
                span {
                    "Merged into this one: "
                    @for (at, id) in record.merged_from.iter().enumerate() {
                        @if at > 0 { ", " }
                        a href={ (PATH) "/" (id) } { "an earlier conversation" }
                    }
                }
            }
        }
    }
}

/// The conversation's tags, with the way to change them.
pub fn tags(member: &Member, record: &ConversationRecord, path: &str) -> Markup {
    let action = format!("{path}/tags");
    if !member.may(Permission::Converse) {
        return html! {
            @if record.tags.is_empty() { span class="quiet" { "none" } }
            @for tag in &record.tags { span class="badge" { (tag) } " " }
        };
    }
    html! {
        div class="row" {
            @for tag in &record.tags {
                (form(&member.form_token, &action, &html! {
                    input type="hidden" name="remove" value=(tag);
                    button class="badge" title={ "Remove the tag " (tag) } { (tag) " ×" span class="hidden" { " remove" } }
                }))
            }
            (form(&member.form_token, &action, &html! {
                div class="row" {
                    input type="text" name="add" aria-label="New tag" placeholder="New tag" maxlength="100" required;
                    button class="button" { "Add" }
                }
            }))
        }
    }
}

/// What agents told each other.
pub fn notes(member: &Member, record: &ConversationRecord, people: &People, path: &str, typed: &str) -> Markup {
    let may = member.may(Permission::Converse);
    if !may && record.notes.is_empty() {
        return Markup::default();
    }
    let field = Field {
        name: "note",
        label: "Note",
        value: typed,
        required: true,
        hint: Some("For your team. Neither the visitor nor the assistant sees it."),
        ..Field::default()
    };
    html! {
        section class="panel" id="notes" {
            h2 { "Notes" }
            @if !record.notes.is_empty() {
                ol class="transcript" {
                    @for note in &record.notes {
                        li class="agent" {
                            p class="by" { strong { (note.author.map_or("Somebody", |author| people.name(author))) } " " (when(note.created_at)) }
                            p class="said" { (note.body) }
                        }
                    }
                }
            }
            @if may { (form(&member.form_token, &format!("{path}/notes"), &html! { (area(&field, 2, false)) (submit("Add the note")) })) }
        }
    }
}

/// The choice of a canned reply. With script, `/name` in the reply is one as well.
pub fn canned(desk: &Desk, people: &People, path: &str) -> Markup {
    if desk.canned_replies.is_empty() {
        return Markup::default();
    }
    let visitor = desk.record.visitor.as_deref();
    html! {
        div class="row" {
            select name="canned" aria-label="Canned reply" {
                @for reply in &desk.canned_replies {
                    option value=(reply.id) data-name=(reply.name) data-canned=(fill(&reply.body, visitor, people.own_name())) {
                        "/" (reply.name)
                    }
                }
            }
            button class="button" formaction={ (path) "/canned" } formnovalidate { "Insert" }
            span class="hint" { "or type " code { "/" } " and its name" }
        }
    }
}

/// The button that lets the conversation rest, or ends that.
pub fn snooze(member: &Member, record: &ConversationRecord, path: &str) -> Markup {
    let action = format!("{path}/snooze");
    if record.handling.snoozed_until.is_some() {
        let wake = html! { input type="hidden" name="seconds" value="0"; button class="button" { "Bring back" } };
        return form(&member.form_token, &action, &wake);
    }
    let options: Vec<_> = SNOOZES.iter().map(|(value, label)| Choice { value, label, hint: None }).collect();
    let field = Field { name: "seconds", label: "How long", required: true, ..Field::default() };
    let body = form(
        &member.form_token,
        &action,
        &html! {
            div class="dialog-body" {
                p { "It leaves your lists until then. It comes back by itself, or when the visitor writes." }
                (select(&field, &options))
            }
            p class="form-end" { button class="button primary" { "Snooze" } }
        },
    );
    dialog("snooze", "", "Snooze", "Snooze this conversation", &body)
}

/// The button that merges the conversation into another one of its visitor.
pub fn merge(member: &Member, desk: &Desk, path: &str) -> Markup {
    if desk.others.is_empty() {
        return Markup::default();
    }
    let others: Vec<(String, String)> = desk
        .others
        .iter()
        .map(|other| {
            let question = shortened(other.first_question.as_deref().unwrap_or("(without words)"));
            (
                other.id.to_string(),
                format!("{}: {question}", other.created_at.to_string().get(..10).unwrap_or_default()),
            )
        })
        .collect();
    let options: Vec<_> = others.iter().map(|(id, label)| Choice { value: id, label, hint: None }).collect();
    let field = Field { name: "into", label: "Goes on in", required: true, ..Field::default() };
    let body = form(
        &member.form_token,
        &format!("{path}/merge"),
        &html! {
            div class="dialog-body" {
                p { "This conversation is closed and stays readable. What the visitor writes in it afterwards arrives in the other one. It can't be undone." }
                (select(&field, &options))
            }
            p class="form-end" { button class="button danger" { "Merge" } }
        },
    );
    dialog("merge", "", "Merge", "Merge into another conversation", &body)
}
