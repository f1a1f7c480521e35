//! Pages of the web: fetched through the guard, read again on a schedule, and forgotten when they are gone.

use std::{sync::Arc, time::Duration};

use resly_core::testing::ScriptedExtractor;
use resly_service::sources;
use resly_tests::{
    app::TestApp,
    site::{Site, SitePage},
};
use serde_json::{Value, json};

use crate::sources::{found, told};

const PAGES: &str = "/api/admin/sources/pages";
const HOUR: Duration = Duration::from_secs(3600);

async fn start() -> (TestApp, Site, Arc<ScriptedExtractor>) {
    let (site, extractor) = (Site::start().await.unwrap(), Arc::<ScriptedExtractor>::default());
    let app = TestApp::reading(Arc::clone(&extractor) as _, Some(site.address), None).await;
    (app, site, extractor)
}

async fn add(app: &TestApp, body: Value) -> (u16, Value) {
    told(app.post_as(&app.admin, PAGES, &body).await).await
}

async fn later(app: &TestApp, made: &Value, by: Duration) -> Value {
    app.later(by);
    sources::read_pages(&app.api().app).await.unwrap();
    let path = format!("/api/admin/sources/{}", made["id"].as_str().unwrap());
    told(app.send_as(&app.admin, "GET", &path).await).await.1
}

#[tokio::test]
async fn a_page_is_read_again_and_only_what_changed_is_embedded() {
    let (app, site, extractor) = start().await;
    site.has("/help", "title: Help\n# A\n\nA zebra.\n\n# B\n\nA lion.\n");
    let (status, made) = add(&app, json!({"url": site.url("/help#top"), "refresh_every_s": 3600})).await;
    assert_eq!((status, &made["status"], &made["kind"]), (201, &json!("ready"), &json!("page")), "{made}");
    assert_eq!((&made["title"], &made["url"]), (&json!("Help"), &json!(site.url("/help"))));
    assert_eq!((app.used("embeddings").await, app.used("fuel").await), (2, 1000));
    let (status, again) = add(&app, json!({"url": site.url("/help"), "refresh_every_s": 3600})).await;
    assert_eq!((status, &again["id"]), (200, &made["id"]), "{again}");
    assert_eq!(site.asked(), ["/help 200", "/help 304"]);
    assert_eq!(extractor.take_read().len(), 1, "what didn't change isn't read");

    let same = later(&app, &made, HOUR).await;
    assert_eq!((site.asked(), &same["status"]), (vec!["/help 304".to_owned()], &json!("ready")));
    assert_ne!(same["checked_at"], made["checked_at"]);
    assert_ne!(same["updated_at"], made["updated_at"], "who copied it while it was read finds that it is ready");
    // Without validators the bytes tell, and where they differ, the text.
    let body = "title: Help\n# A\n\nA zebra.\n\n# B\n\nA lion.\n";
    let plain =
        SitePage { status: 200, headers: vec![("etag", "W/\"x\"".to_owned())], body: format!("{body}link: a\n") };
    site.answers_with("/help", plain);
    later(&app, &made, HOUR).await;
    assert_eq!((app.used("embeddings").await, app.used("fuel").await), (2, 2000));
    later(&app, &made, HOUR).await;
    assert_eq!(app.used("fuel").await, 2000, "the bytes are those that are known");

    site.has("/help", "title: Help\n# A\n\nA zebra.\n\n# B\n\nA tiger.\n");
    let changed = later(&app, &made, HOUR).await;
    assert_ne!(changed["updated_at"], made["updated_at"]);
    assert_eq!((app.used("embeddings").await, found(&app, "tiger").await), (3, vec!["Help".to_owned()]));

    // Errors that pass keep what is known.
    site.answers("/help", 503, "");
    let failing = later(&app, &made, HOUR).await;
    assert_eq!(
        (&failing["status"], &failing["failure"]["kind"]),
        (&json!("ready"), &json!("unreachable")),
        "{failing}"
    );
    assert_eq!(found(&app, "tiger").await, ["Help"]);
    site.loses("/help");
    let missing = later(&app, &made, Duration::from_secs(60)).await;
    assert_eq!((&missing["status"], &missing["chunks"]), (&json!("failed"), &json!(2)), "{missing}");
    assert_eq!(found(&app, "tiger").await, ["Help"], "the first 404 forgets nothing");
    let gone = later(&app, &made, HOUR).await;
    assert_eq!((&gone["failure"]["kind"], &gone["chunks"]), (&json!("gone"), &json!(0)), "{gone}");
    assert!(found(&app, "tiger").await.is_empty());
    site.has("/help", "A tiger again.");
    let back = later(&app, &made, HOUR).await;
    assert_eq!((&back["status"], &back["failure"]), (&json!("ready"), &Value::Null), "{back}");
}

#[tokio::test]
async fn a_page_is_fetched_within_the_rules() {
    let (app, site, extractor) = start().await;
    for (wrong, paths) in [
        (json!({"url": "ftp://a.example/", "refresh_every_s": 1}), vec!["url", "refresh_every_s"]),
        (json!({"url": "http://a.example/"}), vec!["url"]),
        (json!({"url": "https://10.0.0.1/", "title": ""}), vec!["url", "title"]),
        (json!({"url": "https://user:pass@a.example/"}), vec!["url"]),
    ] {
        let (status, problem) = add(&app, wrong.clone()).await;
        let told: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
        assert_eq!((status, told), (422, paths), "{wrong}: {problem}");
    }
    // A redirect is checked as the first request is.
    let to = |to: &str| SitePage { status: 302, headers: vec![("location", to.to_owned())], body: String::new() };
    for (path, target, kind, text) in [
        ("/in", "http://127.0.0.1:1/?t=hush".to_owned(), "unreachable", "to 127.0.0.1: the URL can't be called: plain"),
        ("/local", "https://localhost:1/".to_owned(), "unreachable", "to localhost: the page could not be reached"),
        (
            "/user",
            "https://anna:hush@a.example/hush".to_owned(),
            "unreachable",
            "to a.example: the URL can't be called",
        ),
        ("/loop", "/loop".to_owned(), "unreachable", "redirected more than"),
    ] {
        site.answers_with(path, to(&target));
        let (_, failed) = add(&app, json!({"url": site.url(path)})).await;
        assert_eq!((&failed["status"], &failed["failure"]["kind"]), (&json!("failed"), &json!(kind)), "{failed}");
        assert!(failed["failure"]["message"].as_str().unwrap().contains(text), "{failed}");
        assert!(!failed.to_string().contains("hush"), "only the host is told: {failed}");
    }
    site.answers_with("/moved", to("/here"));
    site.has("/here", "Here.");
    assert_eq!(add(&app, json!({"url": site.url("/moved"), "title": "Mine"})).await.1["title"], "Mine");
    assert_eq!(extractor.take_read(), [site.url("/here")], "links are relative to where it is");

    let tag = vec![("x-robots-tag", "noarchive, NOINDEX".to_owned())];
    site.answers_with("/tag", SitePage { status: 200, headers: tag, body: "Secret.".to_owned() });
    site.has("/meta", "noindex\nSecret.");
    for path in ["/tag", "/meta"] {
        let (_, failed) = add(&app, json!({"url": site.url(path)})).await;
        assert_eq!((&failed["failure"]["kind"], &failed["chunks"]), (&json!("not_indexable"), &json!(0)), "{failed}");
    }
    site.answers("/denied", 403, "");
    assert_eq!(add(&app, json!({"url": site.url("/denied")})).await.1["status"], "failed");
    site.has("/large", &"x".repeat((16 << 20) + 1));
    assert_eq!(add(&app, json!({"url": site.url("/large")})).await.1["failure"]["kind"], "too_large");

    let closed = TestApp::start().await;
    let (status, refused) = add(&closed, json!({"url": site.url("/here")})).await;
    assert_eq!((status, &refused["errors"][0]["path"]), (422, &json!("url")), "{refused}");
    assert_eq!(site.most_at_once(), 1, "one request at a time");
}
