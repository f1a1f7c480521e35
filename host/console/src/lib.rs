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
mod mistakes;
mod pages;
mod parts;
mod reply;
mod section;
mod upload;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use resly_http::Api;

use self::pages::{account, home, invitation, knowledge, members, playground, security, sign_in};

/// The console's pages and files, to be mounted beside the API's routes.
pub fn router(api: &Api) -> Router<Api> {
    pages().layer(middleware::from_fn_with_state(api.clone(), access::identify)).route(assets::PATH, get(assets::file))
}

fn pages() -> Router<Api> {
    Router::new()
        .route("/console", get(home::page))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::with_password))
        .route("/console/sign-in/link", get(sign_in::link_page).post(sign_in::with_link))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/organization/enter", post(sign_in::enter))
        .route("/console/account", get(account::page))
        .route("/console/account/profile", post(account::change_profile))
        .route("/console/account/password", post(account::set_password))
        .route("/console/account/members", get(members::page))
        .route("/console/account/members/invite", post(members::invite))
        .route("/console/account/members/{id}/role", post(members::change_role))
        .route("/console/account/members/{id}/remove", post(members::remove))
        .route("/console/account/members/invitations/{id}/revoke", post(members::revoke))
        .route("/console/account/sessions", get(security::sessions).post(security::end_all))
        .route("/console/account/sessions/{id}", post(security::end_session))
        .route("/console/account/audit", get(security::audit))
        .route("/console/account/audit.csv", get(security::audit_csv))
        .route("/console/invitation", get(invitation::page).post(invitation::accept))
        .merge(answers())
        .nest("/console", Router::new().fallback(error::not_found))
}

/// What answers rest on, and trying them.
fn answers() -> Router<Api> {
    use knowledge::{add, crawls, search, source, synonyms};

    Router::new()
        .route("/console/knowledge", get(knowledge::page))
        .route("/console/knowledge/new", get(add::page))
        .route("/console/knowledge/text", post(add::add_text))
        .route("/console/knowledge/file", post(add::add_file))
        .route("/console/knowledge/page", post(add::add_page))
        .route("/console/knowledge/site", post(add::add_site))
        .route("/console/knowledge/search", get(search::page))
        .route("/console/knowledge/synonyms", get(synonyms::page).post(synonyms::set))
        .route("/console/knowledge/crawls", get(crawls::page))
        .route("/console/knowledge/crawls/{id}", get(crawls::one))
        .route("/console/knowledge/crawls/{id}/run", post(crawls::run))
        .route("/console/knowledge/crawls/{id}/delete", post(crawls::delete))
        .route("/console/knowledge/{id}", get(source::page).post(source::replace))
        .route("/console/knowledge/{id}/delete", post(source::delete))
        .route("/console/playground", get(playground::page).post(playground::ask))
}
