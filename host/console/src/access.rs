//! Who may see a page or send a form: extractors that find the session of the cookie and compare its role.

use axum::{extract::FromRequestParts, response::Response};
use axum_extra::extract::CookieJar;
use http::{Method, request::Parts};
use resly_core::member::Permission;
use resly_http::Api;
use resly_service::members::sessions;

use crate::{
    csrf::FormToken,
    error::PageError,
    member::Member,
    reply::{self, NOTICE, session_cookie},
};

/// Makes an extractor for the people who have a permission.
macro_rules! people {
    ($($(#[$meta:meta])* $name:ident: $permission:expr;)*) => {$(
        $(#[$meta])*
        pub struct $name(pub Member);

        impl FromRequestParts<Api> for $name {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
                member(parts, api, $permission).await.map(Self)
            }
        }
    )*};
}

people! {
    /// Everybody in the organization.
    Viewer: Permission::View;
    /// Who answers conversations and tickets.
    Agent: Permission::Converse;
    /// Who sets keys, knowledge, connectors and members.
    Admin: Permission::Manage;
    /// Who decides on the plan and on other owners.
    Owner: Permission::Own;
}

/// The member of the request's session. Without a session, a page leads to the sign-in, which leads back.
async fn member(parts: &mut Parts, api: &Api, permission: Permission) -> Result<Member, Response> {
    let path = parts.uri.path().to_owned();
    let cookies = CookieJar::from_headers(&parts.headers);
    let Some(member) = find(&cookies, path, api).await? else {
        let wanted = parts.uri.path_and_query().map_or("", |wanted| wanted.as_str());
        return Err(reply::to_sign_in(if parts.method == Method::GET { wanted } else { "" }));
    };
    if member.may(permission) {
        return Ok(member);
    }
    Err(PageError::forbidden(permission, member.role()).into())
}

/// The member of a cookie, if its session still is.
pub async fn find(cookies: &CookieJar, path: String, api: &Api) -> Result<Option<Member>, PageError> {
    let Some(token) = session_cookie(cookies) else { return Ok(None) };
    let Some(session) = sessions::find(&api.app, &token).await? else { return Ok(None) };
    let form_token = FormToken::of(&token);
    let notice = cookies.get(NOTICE).and_then(|cookie| reply::read_notice(cookie.value()));
    Ok(Some(Member { session, session_token: token, form_token, notice, path }))
}
