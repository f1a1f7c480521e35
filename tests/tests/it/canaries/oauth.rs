//! OAuth: clients, codes, tokens and renewals, at services that follow the rules and at some that repeat what they are told.

use resly_tests::{
    oauth::{CLIENT_ID, CLIENT_SECRET},
    wire,
};
use serde_json::{Value, json};

use super::{
    drive::{echo, mirrored, misuse},
    run::Run,
};

pub async fn drive(run: &mut Run) {
    clients(run).await;
    people(run).await;
    let tokens: Vec<String> = run.service.secrets().into_iter().chain(run.mirror.tokens()).collect();
    for token in tokens {
        // A code comes to the host from the browser, in a URL.
        run.canaries.watch(&token[..token.len() - 24], &token, &[]);
    }
}

/// Client credentials, with a token endpoint that repeats the client's secret.
async fn clients(run: &mut Run) {
    let at = run.mirror.address;
    for (id, path) in [("by-client", "token"), ("by-refused", "refused-token"), ("by-nonsense", "no-token")] {
        let auth = json!({"type": "oauth2", "grant": "client_credentials", "token_url": format!("http://{at}/{path}"),
            "expired_when": [{"status": 401}]});
        run.done("POST", "/api/admin/connectors", mirrored(id, auth, at)).await;
        let secret = resly_tests::canary::secret("client-");
        let credentials = [("client_id", "our-client".to_owned()), ("client_secret", secret.clone())];
        let connection = run.install(id, &credentials).await;
        if id == "by-client" {
            echo(run, id, &connection).await;
            assert!(!run.mirror.tokens().is_empty(), "a token was given");
        } else {
            let base = format!("/api/admin/connections/{connection}");
            run.admin("POST", &format!("{base}/test"), json!({})).await;
            run.admin("POST", &format!("{base}/actions/body"), json!({})).await;
        }
        misuse(run, id, &connection, &credentials).await;
        assert!(run.mirror.was_shown(&secret), "{id}: the client proved itself");
        run.admin("GET", &format!("/api/admin/connections/{connection}"), Value::Null).await;
        run.admin("DELETE", &format!("/api/admin/connections/{connection}"), Value::Null).await;
    }
}

/// A person's account, by the whole way that a browser goes.
async fn people(run: &mut Run) {
    let definition = run.service.definition("authorization_code");
    run.done("POST", "/api/admin/connectors", definition).await;
    let credentials = [("client_id", CLIENT_ID.to_owned()), ("client_secret", CLIENT_SECRET.to_owned())];
    let connection = run.install("desk", &credentials).await;
    let base = format!("/api/admin/connections/{connection}");
    run.service.registers(format!("http://{}/oauth/callback", run.address));
    for denies in [true, false] {
        run.service.denies(denies);
        let started = run.done("POST", &format!("{base}/oauth/start"), json!({})).await;
        let begin = path_of(started["authorize_url"].as_str().unwrap());
        let begun = browse(run, &begin, "").await;
        let cookie = header(&begun, "set-cookie").split(';').next().unwrap().to_owned();
        let service = header(&begun, "location");
        let agreed = wire::send(run.service.address, "GET", &path_of(&service), &[], b"").await;
        let back = path_of(&header(&agreed, "location"));
        for cookie in ["", cookie.as_str(), cookie.as_str()] {
            browse(run, &back, cookie).await;
        }
    }
    let authorized = run.done("GET", &base, Value::Null).await;
    assert_eq!(authorized["authorized"], true, "{authorized}");
    run.done("POST", &format!("{base}/actions/me"), json!({})).await;
    run.service.expire();
    run.done("POST", &format!("{base}/actions/me"), json!({})).await;
    assert_eq!(run.service.refreshes(), 1, "the token was renewed");
    run.service.is_down(true);
    run.service.expire();
    run.admin("POST", &format!("{base}/actions/me"), json!({})).await;
    run.service.is_down(false);
    run.service.ends_grants();
    run.admin("POST", &format!("{base}/actions/me"), json!({})).await;
    run.admin("DELETE", &base, Value::Null).await;

    // The operator's client, which a bundled connector of any organization uses.
    let made =
        run.done("POST", "/api/admin/connections", json!({"connector": "gmail", "environment": "production"})).await;
    let base = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    let started = run.done("POST", &format!("{base}/oauth/start"), json!({})).await;
    let begin = path_of(started["authorize_url"].as_str().unwrap());
    browse(run, &begin, "").await;
    run.admin("POST", &format!("{base}/test"), json!({})).await;
}

/// What a browser asks the host for.
async fn browse(run: &mut Run, target: &str, cookie: &str) -> wire::Answer {
    let answer = wire::send(run.address, "GET", target, &[("cookie", cookie)], b"").await;
    run.written.push(("a browser".to_owned(), answer.raw.clone()));
    answer
}

fn header(answer: &wire::Answer, name: &str) -> String {
    let head = String::from_utf8_lossy(&answer.raw).into_owned();
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    assert!(line.is_some(), "no {name} in {head}");
    line.unwrap_or_default()
}

/// Path and query of an absolute URL.
fn path_of(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}
