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
mod multipart;
mod numbers;
mod pages;
mod parts;
mod reply;
mod section;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use resly_http::Api;

/// The console's pages and files, to be mounted beside the API's routes.
pub fn router(api: &Api) -> Router<Api> {
    pages().layer(middleware::from_fn_with_state(api.clone(), access::identify)).route(assets::PATH, get(assets::file))
}

fn pages() -> Router<Api> {
    use pages::{company_sign_in, home, sign_in};

    Router::new()
        .route("/console", get(home::page))
        .route("/console/", get(error::not_found))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::with_password))
        .route("/console/sign-in/link", get(sign_in::link_page).post(sign_in::with_link))
        .route("/console/sign-in/company", get(company_sign_in::find))
        .route("/console/sign-in/oidc/{id}", get(company_sign_in::begin))
        .route("/console/sign-in/oidc/{id}/callback", get(company_sign_in::finish))
        .route("/console/sign-out", post(sign_in::sign_out))
        .merge(connectors())
        .merge(own_connectors())
        .merge(answers())
        .merge(inbox())
        .merge(analytics())
        .merge(deploy())
        .merge(account())
        .merge(contract())
        .nest("/console", Router::new().fallback(error::not_found))
}

/// The catalogue, and what is installed of it.
fn connectors() -> Router<Api> {
    use pages::{
        connections::{
            actions::{self, attempt},
            authorization, danger, mapping, overview, settings, setup, versions,
        },
        connectors::{self, install},
    };

    Router::new()
        .route("/console/connectors", get(connectors::page))
        .route("/console/connectors/{id}", get(connectors::show::page))
        .route("/console/connectors/{id}/install", get(install::permissions_page))
        .route("/console/connectors/{id}/install/environment", get(install::environment_page))
        .route("/console/connectors/{id}/install/settings", get(install::settings_page).post(install::install))
        .route("/console/connections/{id}", get(overview::page))
        .route("/console/connections/{id}/environment", post(overview::switch))
        .route("/console/connections/{id}/setup/authenticate", get(setup::authenticate).post(setup::save_credentials))
        .route("/console/connections/{id}/setup/test", get(setup::test).post(setup::run_test))
        .route("/console/connections/{id}/setup/enable", get(setup::enable))
        .route("/console/connections/{id}/enable", post(setup::run_enable))
        .route("/console/connections/{id}/disable", post(setup::disable))
        .route("/console/connections/{id}/authorize", post(authorization::start))
        .route("/console/connections/{id}/actions", get(actions::page))
        .route("/console/connections/{id}/actions/{action}", get(attempt::page).post(attempt::run))
        .route("/console/connections/{id}/mapping", get(mapping::page).post(mapping::save))
        .route("/console/connections/{id}/settings", get(settings::page).post(settings::save))
        .route("/console/connections/{id}/credentials", post(settings::save_credentials))
        .route("/console/connections/{id}/credentials/forget", post(settings::forget))
        .route("/console/connections/{id}/credentials/way", post(settings::change_way))
        .route("/console/connections/{id}/versions", get(versions::page).post(versions::change))
        .route("/console/connections/{id}/danger", get(danger::page).post(danger::revoke))
}

/// Conversations and tickets.
fn inbox() -> Router<Api> {
    use pages::inbox::{canned_replies, conversation, conversations, handling, ticket, tickets};

    Router::new()
        .route("/console/conversations", get(conversations::page))
        .route("/console/conversations/availability", post(handling::set_availability))
        .route("/console/conversations/bulk", post(handling::change_many))
        .route("/console/conversations/{id}", get(conversation::page))
        .route("/console/conversations/{id}/transcript", get(conversation::live))
        .route("/console/conversations/{id}/take", post(conversation::take))
        .route("/console/conversations/{id}/reply", post(conversation::say))
        .route("/console/conversations/{id}/return", post(conversation::give_back))
        .route("/console/conversations/{id}/close", post(conversation::close))
        .route("/console/conversations/{id}/canned", post(handling::insert_canned))
        .route("/console/conversations/{id}/notes", post(handling::note))
        .route("/console/conversations/{id}/tags", post(handling::tag))
        .route("/console/conversations/{id}/snooze", post(handling::snooze))
        .route("/console/conversations/{id}/merge", post(handling::merge))
        .route("/console/canned-replies", get(canned_replies::page).post(canned_replies::create))
        .route("/console/canned-replies/{id}", post(canned_replies::change))
        .route("/console/canned-replies/{id}/delete", post(canned_replies::delete))
        .route("/console/tickets", get(tickets::page).post(tickets::create))
        .route("/console/tickets/new", get(tickets::new_page))
        .route("/console/tickets/{id}", get(ticket::page).post(ticket::change))
        .route("/console/tickets/{id}/comments", post(ticket::comment))
}

/// What became of conversations, and how connectors did.
fn analytics() -> Router<Api> {
    use pages::analytics::{connectors, conversations, overview, questions};

    Router::new()
        .route("/console/analytics", get(overview::page))
        .route("/console/analytics/days.csv", get(overview::csv))
        .route("/console/analytics/recompute", post(overview::recompute))
        .route("/console/analytics/conversations", get(conversations::page))
        .route("/console/analytics/questions", get(questions::page))
        .route("/console/analytics/questions.csv", get(questions::csv))
        .route("/console/analytics/connectors", get(connectors::page))
        .route("/console/analytics/connectors.csv", get(connectors::csv))
}

/// Connectors of an organization's own, and what all connectors did.
fn own_connectors() -> Router<Api> {
    use pages::{custom, logs, publishers, versions};

    Router::new()
        .route("/console/connectors/new", get(custom::builder::page).post(custom::builder::write))
        .route("/console/connectors/new/text", get(custom::text::page).post(custom::text::write))
        .route("/console/connectors/new/openapi", get(custom::openapi::page).post(custom::openapi::import))
        .route("/console/connectors/new/upload", get(custom::upload::page).post(custom::upload::take))
        .route("/console/connectors/publishers", get(publishers::page).post(publishers::add))
        .route("/console/connectors/publishers/require", post(publishers::require))
        .route("/console/connectors/publishers/{id}/remove", post(publishers::remove))
        .route("/console/connectors/{id}/versions", get(versions::list))
        .route("/console/connectors/{id}/versions/{version}", get(versions::version))
        .route("/console/connectors/{id}/versions/{version}/approve", post(versions::approve))
        .route("/console/connectors/{id}/versions/{version}/reject", post(versions::reject))
        .route("/console/connectors/{id}/versions/{version}/delete", post(versions::delete))
        .route("/console/logs", get(logs::list))
        .route("/console/logs/{id}", get(logs::call))
}

/// The person, and the people of the organization.
fn account() -> Router<Api> {
    use pages::{account, invitation, members, security, sign_in};

    Router::new()
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
        .route("/console/account/audit/retention", post(security::set_retention))
        .route("/console/invitation", get(invitation::page).post(invitation::accept))
}

/// What answers rest on, and trying them.
fn answers() -> Router<Api> {
    use pages::{
        knowledge::{self, add, crawls, search, source, synonyms},
        playground,
    };

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

/// What programs and web pages need.
fn deploy() -> Router<Api> {
    use pages::deploy::{api, key, new_key, publishable};

    Router::new()
        .route("/console/deploy/api", get(api::page))
        .route("/console/deploy/api/new", get(new_key::page).post(new_key::create))
        .route("/console/deploy/api/{id}", get(key::page).post(key::change))
        .route("/console/deploy/api/{id}/rotate", post(key::rotate))
        .route("/console/deploy/api/{id}/delete", post(key::delete))
        .route("/console/deploy/widget", get(publishable::widget).post(publishable::create_widget_key))
        .route("/console/deploy/search", get(publishable::search).post(publishable::create_search_key))
}

/// What the organization uses, keeps and is told of.
fn contract() -> Router<Api> {
    use pages::{billing, company, mail, organization, webhook};

    Router::new()
        .route("/console/account/billing", get(billing::usage))
        .route("/console/account/billing/history", get(billing::history))
        .route("/console/account/billing/usage.csv", get(billing::csv))
        .route("/console/account/billing/events", get(billing::events))
        .route("/console/account/billing/plan", get(billing::plan))
        .route("/console/account/organization", get(organization::page))
        .route("/console/account/organization/company-sign-in", get(company::page).post(company::save))
        .route("/console/account/organization/company-sign-in/remove", post(company::remove))
        .route("/console/account/organization/mail", get(mail::page))
        .route("/console/account/organization/mail/test", post(mail::test))
        .route("/console/account/mails", post(mail::switch))
        .route("/console/account/organization/deletions", get(organization::deletions))
        .route(
            "/console/account/organization/delete-visitor",
            get(organization::delete_page).post(organization::delete),
        )
        .route("/console/account/webhook", get(webhook::page).post(webhook::set))
        .route("/console/account/webhook/rotate", post(webhook::rotate))
        .route("/console/account/webhook/test", post(webhook::test))
        .route("/console/account/webhook/remove", post(webhook::remove))
        .route("/console/account/webhook/messages/{id}/replay", post(webhook::replay))
}
