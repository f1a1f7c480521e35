//! Files: stored before the answer, read by a job that survives its host, and counted exactly.

use std::sync::{Arc, atomic::Ordering};

use reqwest::Response;
use resly_core::testing::ScriptedExtractor;
use resly_service::sources;
use resly_tests::{
    app::TestApp,
    host::{Running, make_organization, master_key, mint, share_compiled},
    postgres,
};
use serde_json::{Value, json};

use crate::sources::{found, told};

const FILES: &str = "/api/admin/sources/files";
const GUIDE: &str = "title: Guide\nA zebra eats grass.\n";

async fn start(postgres: bool) -> (TestApp, Arc<ScriptedExtractor>) {
    let extractor = Arc::<ScriptedExtractor>::default();
    let url = if postgres { Some(postgres::database().await) } else { None };
    (TestApp::reading(Arc::clone(&extractor) as _, None, url).await, extractor)
}

async fn upload(app: &TestApp, query: &str, body: &str) -> Response {
    let request = app.client.post(app.url(&format!("{FILES}?{query}"))).bearer_auth(&app.admin);
    request.header("content-type", "text/x").body(body.to_owned()).send().await.unwrap()
}

async fn source(app: &TestApp, id: &Value) -> Value {
    let path = format!("/api/admin/sources/{}", id.as_str().unwrap());
    told(app.send_as(&app.admin, "GET", &path).await).await.1
}

async fn a_file_is_read_replaced_and_refused(postgres: bool) {
    let (app, extractor) = start(postgres).await;
    let response = upload(&app, "filename=guide.txt&key=docs/guide.txt", GUIDE).await;
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, made) = told(response).await;
    assert_eq!((status, &made["status"], &made["title"]), (201, &json!("ready"), &json!("Guide")), "{made}");
    assert_eq!((&made["kind"], &made["key"], &made["chunks"]), (&json!("file"), &json!("docs/guide.txt"), &json!(1)));
    assert_eq!(made["sha256"].as_str().unwrap().len(), 64);
    assert!(place.ends_with(made["id"].as_str().unwrap()));
    assert_eq!(source(&app, &made["id"]).await["text"], "A zebra eats grass.\n");
    assert_eq!(found(&app, "zebra").await, ["Guide"]);
    assert_eq!((app.used("embeddings").await, app.used("fuel").await), (1, 1000));

    let (status, same) = told(upload(&app, "filename=guide.txt&key=docs/guide.txt", GUIDE).await).await;
    assert_eq!(
        (status, &same["id"], app.used("fuel").await),
        (200, &made["id"], 1000),
        "the same file changes nothing"
    );
    let more = format!("{GUIDE}note: page 2 is a picture\n\nA lion eats zebras.\n");
    let (status, other) = told(upload(&app, "key=docs/guide.txt&title=Animals", &more).await).await;
    assert_eq!((status, &other["id"], &other["title"]), (200, &made["id"], &json!("Animals")), "{other}");
    assert_eq!(other["note"], "page 2 is a picture");
    assert_eq!(extractor.take_read(), ["guide.txt", ""]);
    let (_, twin) = told(upload(&app, "filename=guide.txt", GUIDE).await).await;
    assert_ne!(twin["id"], made["id"], "without a key or URL it is another source");
    let filtered = app.send_as(&app.admin, "GET", "/api/admin/sources?key_prefix=docs/").await;
    assert_eq!(told(filtered).await.1["sources"].as_array().unwrap().len(), 1);

    for (content, kind) in
        [("%damaged", "damaged"), ("%encrypted", "encrypted"), ("%what", "unsupported_format"), ("\n", "empty")]
    {
        let (status, failed) = told(upload(&app, "filename=a.bin", content).await).await;
        assert_eq!(
            (status, &failed["status"], &failed["failure"]["kind"]),
            (201, &json!("failed"), &json!(kind)),
            "{failed}"
        );
        assert!(!failed["failure"]["message"].as_str().unwrap().is_empty());
    }
    // What was known of a file stays when another version of it can't be read.
    let (status, failed) = told(upload(&app, "key=docs/guide.txt", "%damaged").await).await;
    assert_eq!((status, &failed["status"], &failed["chunks"]), (200, &json!("failed"), &json!(1)), "{failed}");
    assert!(found(&app, "lion").await.contains(&"Animals".to_owned()));

    let form = app
        .client
        .post(app.url(FILES))
        .bearer_auth(&app.admin)
        .header("content-type", "multipart/form-data; boundary=x");
    let (status, form) = told(form.body("--x--").send().await.unwrap()).await;
    assert!(status == 415 && form["detail"].as_str().unwrap().contains("--data-binary"), "{form}");
    let (status, wrong) = told(upload(&app, "filename=%0a&title=&url=x&key=", "").await).await;
    let paths: Vec<_> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    assert_eq!((status, paths), (422, vec!["title", "url", "key", "filename", "$"]), "{wrong}");
    assert_eq!(upload(&app, "name=a", "x").await.status(), 400);
}

#[tokio::test]
async fn a_file_is_read_replaced_and_refused_on_sqlite() {
    a_file_is_read_replaced_and_refused(false).await;
}

#[tokio::test]
async fn a_file_is_read_replaced_and_refused_on_postgres() {
    a_file_is_read_replaced_and_refused(true).await;
}

#[tokio::test]
async fn limits_fail_a_file_and_say_so() {
    let (app, extractor) = start(false).await;
    app.limit(json!({"fuel": 1500, "embeddings": 1})).await;
    assert_eq!(told(upload(&app, "", "One.").await).await.1["status"], "ready");
    let (_, failed) = told(upload(&app, "", "Two.").await).await;
    assert_eq!(failed["failure"]["kind"], "limit_reached", "{failed}");
    assert!(failed["failure"]["message"].as_str().unwrap().contains("1500 fuel"), "{failed}");
    assert_eq!((app.used("fuel").await, app.used("embeddings").await), (1500, 1), "never over the limit");
    extractor.take_read();
    told(upload(&app, "", "Three.").await).await;
    assert!(extractor.take_read().is_empty(), "nothing is read without fuel");
    app.limit(json!({"fuel": null})).await;
    let (_, failed) = told(upload(&app, "", "Four.").await).await;
    assert!(failed["failure"]["message"].as_str().unwrap().contains("1 embeddings"), "{failed}");
    assert_eq!((app.used("fuel").await, app.used("embeddings").await), (2500, 1));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_then_given_up() {
    let (app, extractor) = start(false).await;
    let (status, waits) = told(upload(&app, "", "%busy").await).await;
    assert_eq!((status, &waits["status"]), (202, &json!("queued")), "{waits}");
    assert_eq!(waits["failure"]["message"], "the sandbox is full");
    for tries in 2..=5 {
        assert_eq!(sources::read_files(&app.api().app).await.unwrap(), 0, "not at once");
        app.later(std::time::Duration::from_secs(2200));
        assert_eq!(sources::read_files(&app.api().app).await.unwrap(), 1, "try {tries}");
        // The deadline ends it, or the number of tries.
        if source(&app, &waits["id"]).await["status"] == "failed" {
            break;
        }
    }
    let failed = source(&app, &waits["id"]).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    app.later(std::time::Duration::from_secs(100_000));
    assert_eq!(sources::read_files(&app.api().app).await.unwrap(), 0);
    assert!(extractor.take_read().len() <= 5);
}

/// A host dies while it reads. The next one on the same data reads the file, and it counts once.
#[tokio::test]
async fn a_file_survives_its_host() {
    let data = tempfile::tempdir().unwrap();
    share_compiled(data.path());
    let master = master_key();
    let settings = [("RESLY_MASTER_KEY", master.as_str())];
    let start = async |extractor: &Arc<ScriptedExtractor>| {
        let parts = resly_tests::host::Parts { extractor: Some(Arc::clone(extractor) as _), ..Default::default() };
        Running::start_with(data.path(), &settings, parts).await.unwrap()
    };
    let stuck = Arc::<ScriptedExtractor>::default();
    stuck.gate.forget_permits(1000);
    let host = start(&stuck).await;
    let organization = make_organization(&host.app, "files").await;
    let key = mint(&host.app, organization, &[resly_core::principal::Scope::Admin]).await;
    let client = resly_tests::app::client();
    let upload = client.post(format!("{}{FILES}?key=a", host.base)).bearer_auth(&key).body(GUIDE);
    let (status, waits) = told(upload.send().await.unwrap()).await;
    assert_eq!((status, &waits["status"]), (202, &json!("reading")), "{waits}");
    host.stop().await;
    // What the dead host makes of it later doesn't count.
    stuck.gate.add_permits(10);

    let extractor = Arc::<ScriptedExtractor>::default();
    let host = start(&extractor).await;
    assert_eq!(sources::read_files(&host.app).await.unwrap(), 1);
    assert_eq!(sources::read_files(&host.app).await.unwrap(), 0);
    let path = format!("{}/api/admin/sources/{}", host.base, waits["id"].as_str().unwrap());
    let (_, read) = told(client.get(path).bearer_auth(&key).send().await.unwrap()).await;
    assert_eq!((&read["status"], &read["text"]), (&json!("ready"), &json!("A zebra eats grass.\n")), "{read}");
    let (_, usage) =
        told(client.get(format!("{}/api/admin/usage", host.base)).bearer_auth(&key).send().await.unwrap()).await;
    assert_eq!((&usage["meters"]["embeddings"]["used"], &usage["meters"]["fuel"]["used"]), (&json!(1), &json!(1000)));
    assert_eq!(extractor.fuel.load(Ordering::SeqCst), 1000);
    host.stop().await;
}

/// Two hosts on one database: a lease that is over is taken by one of them.
#[tokio::test]
async fn a_file_is_read_by_one_host() {
    let (app, extractor) = start(true).await;
    extractor.gate.forget_permits(1000);
    let (status, waits) = told(upload(&app, "", GUIDE).await).await;
    assert_eq!(status, 202, "{waits}");
    assert_eq!(sources::read_files(&app.api().app).await.unwrap(), 0, "it is held");
    app.later(std::time::Duration::from_secs(61));
    let again = async { sources::read_files(&app.api().app).await.unwrap() };
    let open = async {
        while extractor.read.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        extractor.gate.add_permits(1000);
    };
    let (first, second, ()) = tokio::join!(again, sources::read_files(&app.api().app), open);
    assert_eq!(first + second.unwrap(), 1);
    assert_eq!(source(&app, &waits["id"]).await["status"], "ready");
    assert_eq!(app.used("embeddings").await, 1, "whoever came first");
}
