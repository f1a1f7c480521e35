//! The console: pages for the people of an organization. [`router`] is its table of contents.
//!
//! A page says by its first argument who may see it ([`access`]), calls use cases of `resly_service`, and draws with the
//! [`parts`]. A form comes as [`fields::Submitted`], which has checked that it is from a page of ours, and ends in a
//! redirect ([`reply`]). To add a page: one file in `pages`, one line here, and one in [`section`] if it is in the menu.

mod access;
mod assets;
mod csrf;
mod document;
mod error;
mod fields;
mod frame;
mod member;
mod pages;
mod parts;
mod reply;
mod section;

use axum::{
    Router,
    routing::{get, post},
};
use resly_http::Api;

use self::pages::{
    account, home,
    inbox::{conversation, conversations, ticket, tickets},
    invitation, members, sign_in,
};

/// The console's pages and files, to be mounted beside the API's routes.
pub fn router() -> Router<Api> {
    Router::new()
        .route("/console", get(home::page))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::with_password))
        .route("/console/sign-in/link", get(sign_in::link_page).post(sign_in::with_link))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/organization/enter", post(sign_in::enter))
        .route("/console/conversations", get(conversations::page))
        .route("/console/conversations/{id}", get(conversation::page))
        .route("/console/conversations/{id}/transcript", get(conversation::live))
        .route("/console/conversations/{id}/take", post(conversation::take))
        .route("/console/conversations/{id}/reply", post(conversation::say))
        .route("/console/conversations/{id}/return", post(conversation::give_back))
        .route("/console/conversations/{id}/close", post(conversation::close))
        .route("/console/tickets", get(tickets::page).post(tickets::create))
        .route("/console/tickets/new", get(tickets::new_page))
        .route("/console/tickets/{id}", get(ticket::page).post(ticket::change))
        .route("/console/tickets/{id}/comments", post(ticket::comment))
        .route("/console/account", get(account::page))
        .route("/console/account/profile", post(account::change_profile))
        .route("/console/account/password", post(account::set_password))
        .route("/console/account/members", get(members::page))
        .route("/console/account/members/invite", post(members::invite))
        .route("/console/account/members/{id}/role", post(members::change_role))
        .route("/console/account/members/{id}/remove", post(members::remove))
        .route("/console/account/members/invitations/{id}/revoke", post(members::revoke))
        .route("/console/invitation", get(invitation::page).post(invitation::accept))
        .route(assets::PATH, get(assets::file))
        .nest("/console", Router::new().fallback(error::not_found))
}
