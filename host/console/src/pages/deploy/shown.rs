//! The page that shows a new key: once.

use maud::{Markup, html};
use resly_service::key::NewSecret;

use crate::{
    frame::Page,
    member::Member,
    parts::{button, copyable, icon},
};

/// `next` says what to do with the key; `back` is where the reader goes then.
pub fn page(member: Member, title: &str, secret: &NewSecret, next: &Markup, back: (&str, &str)) -> Page {
    let body = html! {
        section class="panel" {
            h2 { "Copy it now" }
            p class="secret" { (copyable("the key", secret.expose())) }
            p class="notice warn" {
                (icon("warn"))
                "It isn't shown again: this host keeps no copy that could be read. If you lose it, rotate it."
            }
            (next)
        }
        p { (button(back.0, "Done")) }
    };
    Page::new(member, title, body).above(back.0, back.1)
}
