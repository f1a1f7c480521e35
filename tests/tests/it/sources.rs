//! Texts: how they are read back, replaced and put by their URL, and what that counts.

use reqwest::Response;
use resly_tests::app::TestApp;
use serde_json::{Value, json};

pub async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

/// The titles that a search finds, best first.
pub async fn found(app: &TestApp, query: &str) -> Vec<String> {
    let (_, answer) = told(app.post("/api/search", &json!({"query": query})).await).await;
    let hits = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
    hits.iter().map(|hit| hit["title"].as_str().unwrap().to_owned()).collect()
}

const SHOP: &str = "# Returns\n\nParcels go back within thirty days.\n\n# Payment\n\nWe take cards.";

async fn put(app: &TestApp, path: &str, body: Value) -> (u16, Value) {
    told(app.admin_send("PUT", path, &body).await).await
}

#[tokio::test]
async fn a_text_is_read_back_and_replaced() {
    let app = TestApp::start().await;
    let text = |title: &str, text: &str| json!({"title": title, "text": text, "content_type": "text/markdown"});
    let made = app.admin_post("/api/admin/sources", &text("Shop", SHOP)).await;
    let path = format!("/api/admin/sources/{}", made["id"].as_str().unwrap());
    let (status, source) = told(app.send_as(&app.admin, "GET", &path).await).await;
    assert_eq!((status, &source["text"], &source["status"]), (200, &json!(SHOP), &json!("ready")), "{source}");
    assert_eq!((&source["kind"], &source["chunks"], &source["failure"]), (&json!("text"), &json!(2), &Value::Null));
    assert_eq!(app.used("embeddings").await, 2);

    let changed = SHOP.replace("cards", "cash");
    let (status, replaced) = put(&app, &path, text("Shop", &changed)).await;
    assert_eq!((status, &replaced["id"], &replaced["chunks"]), (200, &made["id"], &json!(2)), "{replaced}");
    assert_eq!(app.used("embeddings").await, 3, "one passage is new");
    assert_eq!((found(&app, "cash").await, found(&app, "parcels").await.len()), (vec!["Shop".to_owned()], 1));
    assert!(found(&app, "cards").await.is_empty(), "what it said before isn't found");
    let (_, same) = put(&app, &path, text("Shop", &changed)).await;
    assert_eq!((&same["updated_at"], app.used("embeddings").await), (&replaced["updated_at"], 3), "nothing changed");
    // The title is a part of what is embedded; a URL isn't.
    let mut moved = text("Shop", &changed);
    moved["url"] = json!("https://shop.example/help#");
    let (_, moved) = put(&app, &path, moved).await;
    assert_eq!((&moved["url"], app.used("embeddings").await), (&json!("https://shop.example/help#"), 3));
    put(&app, &path, text("Store", &changed)).await;
    assert_eq!((app.used("embeddings").await, found(&app, "cash").await), (5, vec!["Store".to_owned()]));

    let (status, wrong) = put(&app, &path, json!({"title": "", "text": " ", "content_type": "a/b", "url": "x"})).await;
    let paths: Vec<_> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    assert_eq!((status, paths), (422, vec!["title", "text", "content_type", "url"]));
    app.limit(json!({"embeddings": 5})).await;
    assert_eq!(put(&app, &path, text("Shop", SHOP)).await.0, 429);
    assert_eq!(found(&app, "cash").await, ["Store"], "all or nothing");

    let stranger = app.stranger_admin().await;
    assert_eq!(app.send_as(&stranger, "GET", &path).await.status(), 404);
    let theirs = app.client.put(app.url(&path)).bearer_auth(&stranger).json(&text("A", "b")).send().await.unwrap();
    assert_eq!(theirs.status(), 404);
    assert_eq!(app.send_as(&app.admin, "GET", "/api/admin/sources/x").await.status(), 404);
}

#[tokio::test]
async fn a_text_is_put_by_its_url() {
    let app = TestApp::start().await;
    let body = |url: &str, text: &str| json!({"title": "Help", "text": text, "url": url});
    let all = "/api/admin/sources";
    let (status, made) = put(&app, all, body("https://shop.example/help#", "We open at nine.")).await;
    assert_eq!((status, &made["url"]), (201, &json!("https://shop.example/help#")), "{made}");
    let (status, again) = put(&app, all, body("HTTPS://shop.example/help", "We open at ten.")).await;
    assert_eq!(
        (status, &again["id"], &again["url"]),
        (200, &made["id"], &json!("HTTPS://shop.example/help")),
        "{again}"
    );
    assert_eq!(app.used("embeddings").await, 2);
    let (status, _) = put(&app, all, body("https://shop.example/other", "We open at ten.")).await;
    assert_eq!((status, app.used("embeddings").await), (201, 3));
    // Another source can't be moved to a URL that is taken.
    let path = format!("{all}/{}", made["id"].as_str().unwrap());
    let (status, taken) = put(&app, &path, body("https://shop.example/other", "We open at ten.")).await;
    assert_eq!((status, &taken["type"]), (409, &json!("/docs/problems/conflict")), "{taken}");
    let (status, without) = put(&app, all, json!({"title": "Help", "text": "x"})).await;
    assert_eq!((status, &without["errors"][0]["path"]), (422, &json!("url")));

    // One that was added without PUT is adopted. Requests at the same time make one source.
    let added = app.admin_post(all, &body("https://shop.example/old", "Old.")).await;
    let (status, adopted) = put(&app, all, body("https://shop.example/old", "New.")).await;
    assert_eq!((status, &adopted["id"]), (200, &added["id"]));
    let at_once = (0..8).map(|_| put(&app, all, body("https://shop.example/race", "The same.")));
    let statuses: Vec<u16> = futures::future::join_all(at_once).await.into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
    let (_, listed) = told(app.send_as(&app.admin, "GET", all).await).await;
    assert_eq!(listed["sources"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_source_of_too_many_passages_is_told_so_and_not_to_come_back() {
    let app = TestApp::start().await;
    let text = "# a\n\nb\n\n".repeat(25_000);
    let source = json!({"title": "Large", "text": text, "content_type": "text/markdown"});
    let refused = app.post_as(&app.admin, "/api/admin/sources", &source).await;
    let (status, problem) = told(refused).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("20000 are the most"), "{problem}");
}

#[tokio::test]
async fn the_list_of_sources_has_pages_and_filters() {
    let app = TestApp::start().await;
    for n in 0..3 {
        app.knows(&format!("Page {n}"), "A zebra.").await;
        app.later(std::time::Duration::from_secs(1));
    }
    let list =
        async |query: &str| told(app.send_as(&app.admin, "GET", &format!("/api/admin/sources{query}")).await).await;
    let titles = |listed: &Value| -> Vec<String> {
        let sources = listed["sources"].as_array().unwrap();
        sources.iter().map(|source| source["title"].as_str().unwrap().to_owned()).collect()
    };
    let (_, all) = list("").await;
    assert_eq!(
        (titles(&all), &all["next"]),
        (vec!["Page 2".to_owned(), "Page 1".to_owned(), "Page 0".to_owned()], &Value::Null)
    );
    assert_eq!(all["sources"][0]["crawl"], Value::Null);
    let (_, first) = list("?limit=2").await;
    assert_eq!(titles(&first), ["Page 2", "Page 1"]);
    let (_, rest) = list(&format!("?limit=2&before={}", first["next"].as_str().unwrap())).await;
    assert_eq!((titles(&rest), &rest["next"]), (vec!["Page 0".to_owned()], &Value::Null));
    for (query, count) in [
        ("?status=ready", 3),
        ("?status=failed", 0),
        ("?crawl=01890000-0000-7000-8000-000000000000", 0),
        ("?key_prefix=a", 0),
    ] {
        assert_eq!(titles(&list(query).await.1).len(), count, "{query}");
    }
    for wrong in ["?limit=0", "?status=done", "?crawl=x", "?before=x", "?state=ready"] {
        assert_eq!(list(wrong).await.0, 400, "{wrong}");
    }
}
