//! What is done to many conversations of the list: boxes to tick, and a line below the table.

use maud::{Markup, html};
use resly_core::id::ConversationId;

use super::words::PATH;
use crate::{member::Member, parts::form as plain_form};

/// The box of one conversation.
pub fn tick(id: ConversationId, question: &str) -> Markup {
    html! { input type="checkbox" class="tick" name="conversation" value=(id) aria-label={ "Choose: " (question) }; " " }
}

/// The table within a form. `back` is the list's address, with its filters.
pub fn form(member: &Member, back: &str, table: &Markup) -> Markup {
    plain_form(
        &member.form_token,
        &format!("{PATH}/bulk"),
        &html! {
            (table)
            div class="row bulk" {
                input type="hidden" name="back" value=(back);
                select name="action" aria-label="What to do with the ticked conversations" {
                    option value="assign" { "Take over" }
                    option value="close" { "Close" }
                    option value="tag" { "Add the tag" }
                }
                input type="text" name="tag" aria-label="Tag" placeholder="Tag" maxlength="100";
                button class="button" { "Apply to ticked" }
            }
        },
    )
}
