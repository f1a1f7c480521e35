//! What a form is answered with: a redirect, the cookies of a session, and a notice that the next page shows once.

use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use resly_http::Api;

use crate::csrf::FormToken;

/// The cookie of a notice.
pub const NOTICE: &str = "resly_notice";
/// How long a notice waits for its page.
const NOTICE_AGE: Duration = Duration::seconds(60);
/// The longest notice, in characters.
const NOTICE_LENGTH: usize = 300;

/// The session's cookie under https. `__Host-` (RFC 6265bis): only this host, over https, sets it.
const SESSION: &str = "__Host-resly_session";
/// The session's cookie without https, which browsers allow no `__Host-`.
const SESSION_PLAIN: &str = "resly_session";

/// Where a browser goes next.
pub fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/console"));
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, to);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the next page says was done. It is on its way to [`keep_notice`].
#[derive(Clone)]
struct Notice(String);

/// Where a browser goes next, and what its page then says was done.
pub fn done(to: &str, notice: &str) -> Response {
    let mut response = redirect(to);
    response.extensions_mut().insert(Notice(notice.chars().take(NOTICE_LENGTH).collect()));
    response
}

/// Puts a response's notice into a cookie. It is signed for the session: a neighbouring host can set cookies for this one, and
/// a page must not say in our name what that host wrote.
pub fn keep_notice(mut response: Response, token: &FormToken) -> Response {
    match response.extensions_mut().remove() {
        Some(notice) => (CookieJar::new().add(notice_cookie(&notice, token)), response).into_response(),
        None => response,
    }
}

fn notice_cookie(Notice(text): &Notice, token: &FormToken) -> Cookie<'static> {
    let value = format!("{}.{text}", token.sign(text));
    Cookie::build((NOTICE, value))
        .path("/console")
        .max_age(NOTICE_AGE)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// The text of a notice's cookie that this session got.
pub fn read_notice(value: &str, token: &FormToken) -> Option<String> {
    let (signature, text) = value.split_once('.')?;
    token.has_signed(text, signature).then(|| text.to_owned())
}

/// Takes the notice's cookie back.
pub fn forget_notice() -> Cookie<'static> {
    Cookie::build((NOTICE, ""))
        .path("/console")
        .max_age(Duration::ZERO)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// A table (CSV) as a file to save.
pub fn download(csv: String, name: &str) -> Response {
    let mut response = csv.into_response();
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_DISPOSITION, disposition.unwrap_or_else(|_| HeaderValue::from_static("attachment")));
    for (field, value) in [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        fields.insert(field, HeaderValue::from_static(value));
    }
    response
}

/// The page of the sign-in, which leads to `wanted` afterwards.
pub fn to_sign_in(wanted: &str) -> Response {
    if wanted.is_empty() || wanted == "/console" {
        return redirect("/console/sign-in");
    }
    redirect(&sign_in_path(wanted))
}

/// The address of the sign-in that leads to `wanted` afterwards.
pub fn sign_in_path(wanted: &str) -> String {
    format!("/console/sign-in?next={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC))
}

/// A path of the console to go to after the sign-in. Anything else, such as another site, is the first page.
pub fn next_path(next: Option<&str>) -> &str {
    let ours = |path: &&str| {
        let inside = *path == "/console" || path.starts_with("/console/") || path.starts_with("/console?");
        inside && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(ours).unwrap_or("/console")
}

/// Whether people reach this host by https, so that its cookies may say so.
pub fn is_secure(api: &Api) -> bool {
    api.app.public_url().is_ok_and(|url| url.starts_with("https://"))
}

/// The session's secret, as the browser sends it. Under https only the cookie counts that no other host can set: a
/// neighbouring one could sign people in to a session of its own by the plain one.
pub fn session_cookie(api: &Api, cookies: &CookieJar) -> Option<String> {
    let plain = || if is_secure(api) { None } else { cookies.get(SESSION_PLAIN) };
    let cookie = cookies.get(SESSION).or_else(plain)?;
    Some(cookie.value().to_owned()).filter(|value| !value.is_empty())
}

/// Begins a session in the browser. The store ends it: the cookie lasts as long as the browser keeps it.
pub fn begin_session(secure: bool, token: &str, to: &str) -> Response {
    (CookieJar::new().add(session(secure, token.to_owned())), redirect(to)).into_response()
}

/// Ends the session in the browser.
pub fn end_session(secure: bool) -> Response {
    let ended =
        [true, false].into_iter().filter(|form| *form == secure || !secure).fold(CookieJar::new(), |jar, form| {
            let mut cookie = session(form, String::new());
            cookie.set_max_age(Duration::ZERO);
            jar.add(cookie)
        });
    (ended, redirect("/console/sign-in")).into_response()
}

fn session(secure: bool, token: String) -> Cookie<'static> {
    let name = if secure { SESSION } else { SESSION_PLAIN };
    // `Lax`: a service's authorization leads back to the console by a link.
    Cookie::build((name, token)).path("/").http_only(true).secure(secure).same_site(SameSite::Lax).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_leads_to_the_console_only() {
        for ours in ["/console", "/console/keys", "/console/logs?before=x", "/console?connection=1"] {
            assert_eq!(next_path(Some(ours)), ours);
        }
        for other in
            ["https://evil.example", "//evil.example", "/\\evil.example", "/consoleevil", "/docs", "/console/\r\nx", ""]
        {
            assert_eq!(next_path(Some(other)), "/console", "{other:?}");
        }
    }

    #[test]
    fn a_notice_comes_back_whole() {
        let (text, token) = ("“Büro.” was deleted; it can't be undone", FormToken::of("session one"));
        let cookie = notice_cookie(&Notice(text.to_owned()), &token);
        assert_eq!(read_notice(cookie.value(), &token).unwrap(), text);
        assert!(read_notice(cookie.value(), &FormToken::of("session two")).is_none());
        assert!(read_notice("Call 555", &token).is_none() && read_notice(".Call 555", &token).is_none());
    }
}
