//! Dialogs: the browser's own, opened by a button without script (HTML's `command`).

use maud::{Markup, html};

use super::{form::form, icon::icon};
use crate::csrf::FormToken;

/// A button and the dialog that it opens. `id` is unique in the page; `look` is classes of the button.
pub fn dialog(id: &str, look: &str, opens: &str, title: &str, body: &Markup) -> Markup {
    html! {
        button type="button" class={ "button " (look) } commandfor=(id) command="show-modal" data-dialog=(id) { (opens) }
        dialog id=(id) aria-labelledby={ (id) "-title" } {
            div class="dialog-head" {
                h2 id={ (id) "-title" } { (title) }
                button type="button" class="close" commandfor=(id) command="close" data-close=(id) {
                    (icon("close")) span class="hidden" { "Close" }
                }
            }
            (body)
        }
    }
}

/// A dialog that asks before something that can't be undone. `text` says what happens.
pub fn confirm(
    token: &FormToken,
    id: &str,
    opens: &str,
    title: &str,
    text: &Markup,
    action: &str,
    does: &str,
) -> Markup {
    let body = form(
        token,
        action,
        &html! {
            div class="dialog-body" { (text) }
            p class="form-end" { button class="button danger" { (does) } }
        },
    );
    dialog(id, "danger", opens, title, &body)
}
