//! The console's ground: sign-in, sessions, forms, and what a browser is told of each page.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use resly_core::member::Role;
use resly_service::members::links;
use resly_tests::{app::TestApp, console::ConsoleClient};

async fn raw(
    app: &TestApp,
    request: http::request::Builder,
    body: &'static str,
) -> (http::HeaderMap, StatusCode, String) {
    let response = app.route(request.body(Body::from(body)).unwrap()).await;
    let (headers, status) = (response.headers().clone(), response.status());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (headers, status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_link_signs_in_once_and_only_by_its_button() {
    let app = TestApp::start().await;
    let token = links::create(app.host(), app.organization(), Role::Owner).await.unwrap();
    let mut browser = ConsoleClient::new(&app);
    let first = browser.get(&format!("/console?token={token}")).await;
    assert_eq!(first.location, format!("/console/sign-in/link?token={token}"), "what opens links uses nothing up");
    for _ in 0..2 {
        assert!(browser.page(&first.location).await.contains("Sign in"));
    }
    assert_eq!(browser.get("/console").await.location, "/console/sign-in");
    assert_eq!(browser.post("/console/sign-in/link", &[("token", &token)]).await.location, "/console");
    assert!(browser.page("/console").await.contains("Home"));
    let mut other = ConsoleClient::new(&app);
    let again = other.post("/console/sign-in/link", &[("token", &token)]).await;
    assert!(again.status.is_client_error() && !again.html.contains(&token), "{}", again.html);
}

#[tokio::test]
async fn a_password_signs_in_and_the_page_that_was_asked_for_follows() {
    let app = TestApp::start().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    owner.page("/console/account").await;
    owner.submit("/console/account/profile", &[("name", "Ada"), ("email", "ada@acme.example")]).await;
    let page = owner.submit("/console/account/password", &[("old", ""), ("new", "correct horse battery")]).await;
    assert!(page.contains("Your password is set"), "{page}");
    assert!(!owner.page("/console/account").await.contains("Your password is set"), "a notice is shown once");

    let mut browser = ConsoleClient::new(&app);
    assert_eq!(browser.get("/console/account").await.location, "/console/sign-in?next=%2Fconsole%2Faccount");
    let wrong = [("email", "ada@acme.example"), ("password", "wrong"), ("next", "/console/account")];
    let refused = browser.post("/console/sign-in", &wrong).await;
    assert!(refused.status.is_client_error() && refused.html.contains("ada@acme.example"), "{}", refused.html);
    let right = [("email", "Ada@acme.example"), ("password", "correct horse battery"), ("next", "/console/account")];
    assert_eq!(browser.post("/console/sign-in", &right).await.location, "/console/account");
    assert!(browser.page("/console/account").await.contains("Ada"));
    let elsewhere = [("email", "ada@acme.example"), ("password", "correct horse battery"), ("next", "//evil.example")];
    assert_eq!(browser.post("/console/sign-in", &elsewhere).await.location, "/console");
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let copy = browser.clone();
    assert_eq!(browser.post("/console/sign-out", &[]).await.location, "/console/sign-in");
    for mut browser in [browser, copy] {
        assert_eq!(browser.get("/console").await.location, "/console/sign-in", "what the cookie held is worth nothing");
    }
}

#[tokio::test]
async fn only_a_form_of_the_session_s_own_pages_is_taken() {
    let app = TestApp::start().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let mut other = ConsoleClient::signed_in(&app, Role::Owner).await;
    owner.page("/console/account").await;
    other.page("/console/account").await;
    let mut mixed = owner.clone();
    mixed.take_form_token_of(&other);
    let fields = [("name", "Mallory"), ("email", "")];
    assert_eq!(mixed.post("/console/account/profile", &fields).await.status, StatusCode::FORBIDDEN);
    for site in ["cross-site", "same-site", "none"] {
        let mut foreign = owner.clone();
        foreign.site = site;
        assert_eq!(foreign.post("/console/account/profile", &fields).await.status, StatusCode::FORBIDDEN, "{site}");
    }
    assert!(!owner.page("/console/account").await.contains("Mallory"));
}

#[tokio::test]
async fn a_page_runs_and_loads_nothing_of_others_and_is_kept_nowhere() {
    let app = TestApp::start().await;
    let (headers, status, page) = raw(&app, Request::get("/console/sign-in"), "").await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(
        (&headers[header::CACHE_CONTROL], &headers["x-frame-options"]),
        (&"no-store".parse().unwrap(), &"DENY".parse().unwrap())
    );
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("onclick"), "{page}");
    for file in page.split('"').filter(|text| text.starts_with("/console/assets/")) {
        let (headers, status, _) = raw(&app, Request::get(file), "").await;
        assert_eq!(
            (status, headers[header::CACHE_CONTROL].to_str().unwrap()),
            (StatusCode::OK, "public, max-age=31536000, immutable"),
            "{file}"
        );
    }
    let (_, status, page) = raw(&app, Request::get("/console/nothing"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("no page at this address"), "{page}");
}

#[tokio::test]
async fn a_session_s_cookie_is_for_this_host_over_https() {
    let app = TestApp::with_settings(&[("RESLY_PUBLIC_URL", "https://help.example")]).await;
    let token = links::create(app.host(), app.organization(), Role::Owner).await.unwrap();
    let body: &'static str = Box::leak(format!("token={token}").into_boxed_str());
    let request = Request::post("/console/sign-in/link")
        .header(header::ORIGIN, "https://help.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (headers, status, page) = raw(&app, request, body).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-resly_session=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}
