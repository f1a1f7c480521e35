//! Every route has an operation in the API's document, with its methods.

use std::collections::BTreeSet;

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode};
use resly_http::router::openapi_document;
use resly_tests::app::TestApp;
use serde_json::Value;

/// What people, tools and other hosts ask for, which no client of the API calls, and another spelling of `/rest/v1/`: they
/// have no operation. Nor have the console's pages.
const PAGES: [&str; 6] = [
    "/internal/{*rest}",
    "/oauth/begin/{nonce}",
    "/oauth/callback",
    "/openapi.json",
    "/rest/v1",
    "/schemas/connector.json",
];

/// The paths of the router, as its `Debug` shows them: axum has no other way to list them.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let own = shown.split("fallback_router").next().unwrap();
    own.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_route_has_an_operation() {
    let app = TestApp::start().await;
    let document: Value = serde_json::from_str(openapi_document()).unwrap();
    let operations = document["paths"].as_object().unwrap();
    let routes = paths(&app.router());
    assert!(routes.len() > 40, "{routes:?}");
    let is_console = |path: &str| path == "/console" || path.starts_with("/console/");
    let undocumented: Vec<&String> =
        routes.iter().filter(|path| !operations.contains_key(*path) && !is_console(path)).collect();
    assert_eq!(undocumented, PAGES, "register a route with `routes!`");

    for (path, item) in operations {
        let path = path.replace(['{', '}'], "");
        let trace = Request::builder().method(Method::TRACE).uri(&path);
        let trace = trace.header("authorization", format!("Bearer {}", app.admin)).body(Body::empty()).unwrap();
        let response = app.route(trace).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = response.headers()["allow"].to_str().unwrap().split(',').map(str::to_ascii_lowercase);
        let allowed: BTreeSet<String> = allow.filter(|method| method != "head").collect();
        let documented: BTreeSet<String> =
            item.as_object().unwrap().keys().filter(|method| *method != "head").cloned().collect();
        assert_eq!(allowed, documented, "{path}");
    }
}
