//! Every route of the console, asked as nobody, as each role, and as a member of another organization.

use std::fs;

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{app::TestApp, console::ConsoleClient};

/// What nobody has to sign in for.
const PUBLIC: [&str; 8] = [
    // It leads to `/console`.
    "/console/",
    "/console/sign-in",
    "/console/sign-in/link",
    "/console/sign-in/company",
    "/console/sign-in/oidc/{id}",
    "/console/sign-in/oidc/{id}/callback",
    "/console/invitation",
    "/console/assets/{version}/{name}",
];

/// What a viewer may send: it concerns the viewer alone.
const OWN: [&str; 8] = [
    "/console/sign-out",
    "/console/organization/enter",
    "/console/account/profile",
    "/console/account/password",
    "/console/account/mails",
    "/console/account/sessions",
    "/console/account/sessions/{id}",
    // Everybody may leave; the use case refuses the rest.
    "/console/account/members/{id}/remove",
];

/// The routes of `host/console/src/lib.rs`: the path, and whether pages and forms are there.
fn routes() -> Vec<(String, bool, bool)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/console/src/lib.rs");
    let text = fs::read_to_string(file).unwrap();
    let text: String = text.split_whitespace().collect();
    let found: Vec<_> = text
        .split(".route(\"")
        .skip(1)
        .map(|route| {
            let (path, handlers) = route.split_once('"').unwrap();
            let handlers = handlers.split(".route(").next().unwrap();
            (path.to_owned(), handlers.contains("get("), handlers.contains("post("))
        })
        .collect();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// A path with an id that nothing has.
fn filled(path: &str) -> String {
    let parts =
        path.split('/').map(|part| if part.starts_with('{') { "01a2297c-3095-7f82-9e7b-6a24928415c7" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let app = TestApp::start().await;
    for (path, page, form) in routes() {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        let path = filled(&path);
        let mut nobody = ConsoleClient::new(&app);
        if page {
            let answer = nobody.get(&path).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {}", answer.html);
            assert!(answer.location.starts_with("/console/sign-in"), "{path}: {}", answer.location);
        }
        if form {
            let answer = nobody.post(&path, &[]).await;
            assert!(
                answer.location == "/console/sign-in" || answer.status == StatusCode::FORBIDDEN,
                "{path}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let app = TestApp::start().await;
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    viewer.page("/console/account").await;
    for (path, _, form) in routes() {
        if form && !PUBLIC.contains(&path.as_str()) && !OWN.contains(&path.as_str()) {
            let answer = viewer.clone().post(&filled(&path), &[]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.html);
            assert!(answer.html.contains("You are viewer here"), "{path}: refused for the role, {}", answer.html);
        }
    }
}

#[tokio::test]
async fn no_route_fails_for_any_role() {
    let app = TestApp::start().await;
    for role in Role::ALL {
        let mut member = ConsoleClient::signed_in(&app, role).await;
        member.page("/console/account").await;
        for (path, page, form) in routes() {
            if page && !PUBLIC.contains(&path.as_str()) {
                let answer = member.clone().get(&filled(&path)).await;
                assert!(!answer.status.is_server_error(), "{role:?} {path}: {}", answer.html);
                assert!(path.contains('{') || answer.status != StatusCode::NOT_FOUND, "{role:?} {path}: nothing there");
            }
            // The browser's own session is needed for the next one.
            if form && !["/console/sign-out", "/console/account/sessions"].contains(&path.as_str()) {
                let answer = member.clone().post(&filled(&path), &[]).await;
                assert!(!answer.status.is_server_error(), "{role:?} {path}: {}", answer.html);
            }
        }
    }
}
