//! Who may see a page or send a form. [`identify`] finds the session of the cookie once; the extractors compare its role.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use http::{Method, request::Parts};
use resly_core::{
    actor::{self, Actor},
    member::Permission,
};
use resly_http::{Api, problem::ToldProblem};
use resly_service::members::sessions;

use crate::{
    csrf::FormToken,
    document,
    error::PageError,
    member::Member,
    reply::{self, NOTICE, session_cookie},
};

/// Finds the member who asks, names them as the one who changes what the request changes, and puts a change in force. A
/// problem is answered as a page, and every answer says what a browser may do with it.
pub async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let cookies = CookieJar::from_headers(request.headers());
    let path = request.uri().path().to_owned();
    let response = match find(&cookies, path, &api).await {
        Ok(None) => next.run(request).await,
        Ok(Some(member)) => {
            let organization = member.session.organization;
            let actor = Actor::member(organization, &member.session.person, api.app.clock.now());
            let (changes, form_token) = (request.method() == Method::POST, member.form_token.clone());
            request.extensions_mut().insert(member);
            let response = actor::within(actor, next.run(request)).await;
            if changes && (response.status().is_success() || response.status().is_redirection()) {
                api.app.note_change(organization).await;
            }
            reply::keep_notice(response, &form_token)
        }
        Err(error) => error.into_response(),
    };
    let mut response = match response.extensions().get::<ToldProblem>() {
        Some(problem) => PageError::from(problem.clone()).into_response(),
        None => response,
    };
    document::protect(response.headers_mut());
    response
}

/// The member of the request's cookie, if its session still is.
async fn find(cookies: &CookieJar, path: String, api: &Api) -> Result<Option<Member>, PageError> {
    let Some(token) = session_cookie(api, cookies) else { return Ok(None) };
    let Some(session) = sessions::find(&api.app, &token).await? else { return Ok(None) };
    let form_token = FormToken::of(&token);
    let notice = cookies.get(NOTICE).and_then(|cookie| reply::read_notice(cookie.value(), &form_token));
    Ok(Some(Member { session, session_token: token, form_token, notice, path }))
}

/// Makes an extractor for the people who have a permission.
macro_rules! people {
    ($($(#[$meta:meta])* $name:ident: $permission:expr;)*) => {$(
        $(#[$meta])*
        pub struct $name(pub Member);

        impl FromRequestParts<Api> for $name {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Response> {
                member(parts, $permission).map(Self).map_err(|elsewhere| *elsewhere)
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
    /// Who sets owners, and how the organization's people sign in.
    Owner: Permission::Own;
}

/// The member of the request. Without one, a page leads to the sign-in, which leads back.
fn member(parts: &Parts, permission: Permission) -> Result<Member, Box<Response>> {
    let Some(member) = parts.extensions.get::<Member>() else {
        let wanted = parts.uri.path_and_query().map_or("", |wanted| wanted.as_str());
        return Err(Box::new(reply::to_sign_in(if parts.method == Method::GET { wanted } else { "" })));
    };
    if member.may(permission) {
        return Ok(member.clone());
    }
    Err(Box::new(PageError::forbidden(permission, member.role()).into()))
}
