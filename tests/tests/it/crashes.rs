//! What the host was reading when it was killed: the binary, on one data folder, killed at requests that the test counts.

use reqwest::{Client, Method, RequestBuilder};
use resly_tests::{
    app::client,
    helpdesk::{MAPPING, definition, page},
    host::share_compiled,
    process::{HostProcess, resly, run},
    site::{Site, SitePage},
};
use serde_json::{Value, json};

const SOURCES: &str = "/api/admin/sources";
const CRAWLS: &str = "/api/admin/crawls";

/// An organization in a data folder, a site that it reads, and its embedder.
struct Setting {
    data: tempfile::TempDir,
    key: String,
    site: Site,
    embedder: Site,
}

impl Setting {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        share_compiled(data.path());
        let made = run(resly(data.path(), &["init", "--organization", "Acme"])).await.unwrap();
        let key = made["admin_key"].as_str().unwrap().to_owned();
        let (site, embedder) = (Site::start().await.unwrap(), Site::start().await.unwrap());
        Self { data, key, site, embedder }
    }

    /// Starts the host on the folder.
    async fn host(&self) -> Host {
        let mut command = resly(self.data.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("RESLY_EGRESS_ALLOW", self.site.address.to_string());
        command.env("RESLY_EMBEDDER_URL", self.embedder.embedder_url()).env("RESLY_EMBEDDER", "scripted");
        let mut process = HostProcess::spawn(command).unwrap();
        let url = process.listening().await.unwrap();
        Host { process, url, key: self.key.clone(), client: client() }
    }
}

struct Host {
    process: HostProcess,
    url: String,
    key: String,
    client: Client,
}

impl Host {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.request(Method::POST, path).json(body).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends a request whose answer nobody waits for.
    fn begin(&self, request: RequestBuilder) {
        tokio::spawn(request.send());
    }

    /// With SIGKILL.
    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks until the answer is as it should be.
    async fn wait(&self, path: &str, ready: impl Fn(&Value) -> bool) -> Value {
        loop {
            let answer = self.get(path).await;
            if ready(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The sources, each of which is ready or has failed. The meter has each of their passages once.
    async fn settled(&self) -> Vec<Value> {
        let sources = self.get(SOURCES).await["sources"].as_array().unwrap().clone();
        let chunks = |source: &Value| source["chunks"].as_u64().unwrap();
        for source in &sources {
            let failed = source["status"] == "failed" && source["failure"].is_object();
            assert!(failed || (source["status"] == "ready" && chunks(source) > 0), "{source}");
        }
        let usage = self.get("/api/admin/usage").await;
        assert_eq!(usage["meters"]["embeddings"]["used"], sources.iter().map(chunks).sum::<u64>(), "{usage}");
        sources
    }
}

/// Kills the host at several requests of a crawl that begins with `made`, and waits for the end of its run.
async fn crawl_between_kills(setting: &Setting, mut host: Host, made: &Value) -> (Host, Value) {
    let Setting { site, embedder, .. } = setting;
    for requests in [2, 1, 3] {
        site.holding().await;
        host.kill().await;
        site.hold_after(requests);
        host = setting.host().await;
    }
    site.holding().await;
    host.kill().await;
    site.release();
    // When it embeds, and when it has just embedded.
    embedder.hold_after(0);
    host = setting.host().await;
    embedder.holding().await;
    host.kill().await;
    embedder.release();
    host = setting.host().await;
    embedder.answered(1).await;
    host.kill().await;
    host = setting.host().await;
    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    let done = host.wait(&path, |crawl| crawl["status"] != "running" && crawl["status"] != "queued").await;
    assert_eq!((&done["status"], &done["run"]), (&json!("done"), &json!(1)), "{done}");
    (host, done)
}

#[tokio::test]
async fn a_crawl_that_is_killed_goes_on() {
    let setting = Setting::new().await;
    let site = &setting.site;
    let html = |title: &str, links: &str| {
        let body = format!("<h1>{title}</h1><p>The {title} page tells what there is to know of {title}.</p>{links}");
        let body = format!("<html><head><title>{title}</title></head><body><main>{body}</main></body></html>");
        SitePage { status: 200, headers: vec![("content-type", "text/html".to_owned())], body }
    };
    let links: String = (0..9).map(|n| format!("<p><a href='/{n}'>Page {n}</a></p>")).collect();
    site.answers_with("/", html("Home", &links));
    for n in 0..9 {
        site.answers_with(&format!("/{n}"), html(&format!("Zebra {n}"), ""));
    }
    let host = setting.host().await;
    site.hold_after(1);
    let made = host.post(CRAWLS, &json!({"url": site.url("/")})).await;
    let (host, done) = crawl_between_kills(&setting, host, &made).await;
    let expected = json!({"found": 10, "read": 10, "ready": 10, "failed": 0, "skipped": 0, "left_out": 0});
    assert_eq!(done["pages"], expected, "{done}");
    let sources = host.settled().await;
    let mut urls: Vec<&str> = sources.iter().map(|source| source["url"].as_str().unwrap()).collect();
    urls.sort_unstable();
    urls.dedup();
    assert_eq!((urls.len(), sources.len()), (10, 10), "nothing is lost, and nothing is there twice");
}

#[tokio::test]
async fn a_list_that_is_killed_goes_on() {
    let setting = Setting::new().await;
    let site = &setting.site;
    // The host is killed at the eighth request at the latest.
    for n in 0..10_u32 {
        let path = if n == 0 { "/articles".to_owned() } else { format!("/articles?after={}", n + 1) };
        let (one, two) = (format!("Zebra {n}."), format!("Lion {n}."));
        let next = (n < 9).then_some(n + 2);
        let body = page(&[(2 * n, one.as_str()), (2 * n + 1, two.as_str())], next).to_string();
        let headers = vec![("content-type", "application/json".to_owned())];
        site.answers_with(&path, SitePage { status: 200, headers, body });
    }
    let host = setting.host().await;
    host.post("/api/admin/connectors", &definition(&site.address.to_string(), "1.0.0", &[])).await;
    let connection = json!({"connector": "helpdesk", "environment": "production"});
    let connection = host.post("/api/admin/connections", &connection).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/connections/{connection}");
    assert_eq!(host.post(&format!("{path}/test"), &json!({})).await["ok"], true);
    host.post(&format!("{path}/enable"), &json!({})).await;
    site.hold_after(1);
    let list =
        json!({"connection": connection, "action": "list_articles", "mapping": MAPPING, "cursor_input": "after"});
    let made = host.post(CRAWLS, &json!({"list": list})).await;
    let (host, done) = crawl_between_kills(&setting, host, &made).await;
    let expected = json!({"found": 20, "read": 20, "ready": 20, "failed": 0, "skipped": 0, "left_out": 0});
    assert_eq!(done["pages"], expected, "{done}");
    let sources = host.settled().await;
    let mut titles: Vec<&str> = sources.iter().map(|source| source["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!((titles.len(), sources.len()), (20, 20), "nothing is lost, and nothing is there twice");
}

/// A text of so many passages.
fn text(passages: usize) -> String {
    (0..passages).map(|n| format!("# Part {n}\n\nWhat part {n} tells.\n\n")).collect()
}

#[tokio::test]
async fn a_file_that_is_killed_is_read_again_or_given_up() {
    let setting = Setting::new().await;
    let embedder = &setting.embedder;
    let upload = |host: &Host, key: &str| {
        let path = format!("{SOURCES}/files?filename=a.md&key={key}");
        let request = host.request(Method::POST, &path).header("content-type", "text/markdown");
        host.begin(request.body(text(200)));
    };
    // It takes four requests to embed. The host dies at the first, at the third, and when the last is answered.
    let mut host = setting.host().await;
    embedder.hold_after(0);
    upload(&host, "a");
    embedder.holding().await;
    host.kill().await;
    embedder.hold_after(2);
    host = setting.host().await;
    embedder.holding().await;
    host.kill().await;
    embedder.release();
    host = setting.host().await;
    embedder.answered(4).await;
    host.kill().await;
    host = setting.host().await;
    let waits = |source: &Value| source["status"] == "queued" || source["status"] == "reading";
    let all_read = |listed: &Value| !listed["sources"].as_array().unwrap().iter().any(waits);
    host.wait(SOURCES, all_read).await;
    let sources = host.settled().await;
    assert_eq!(
        (sources.len(), &sources[0]["key"], &sources[0]["chunks"]),
        (1, &json!("a"), &json!(200)),
        "{sources:?}"
    );

    // A file whose every try ends with its host is given up.
    embedder.hold_after(0);
    upload(&host, "b");
    for _ in 0..5 {
        embedder.holding().await;
        host.kill().await;
        embedder.hold_after(0);
        host = setting.host().await;
    }
    embedder.release();
    host.wait(SOURCES, all_read).await;
    let sources = host.settled().await;
    assert_eq!((sources.len(), &sources[0]["failure"]["kind"]), (2, &json!("interrupted")), "{sources:?}");
}

#[tokio::test]
async fn a_text_that_is_killed_is_there_whole_or_not_at_all() {
    let setting = Setting::new().await;
    let embedder = &setting.embedder;
    let large = json!({"title": "Large", "content_type": "text/markdown", "text": text(2000)});
    let mut host = setting.host().await;
    // It takes 32 requests to embed. The host dies when it begins to write.
    embedder.release();
    host.begin(host.request(Method::POST, SOURCES).json(&large));
    embedder.answered(32).await;
    host.kill().await;
    host = setting.host().await;
    let known = host.settled().await.len();
    let made = host.post(SOURCES, &large).await;
    assert_eq!(host.settled().await.len(), known + 1);

    // A source that is being deleted when the host dies is gone.
    let path = format!("{SOURCES}/{}", made["id"].as_str().unwrap());
    host.begin(host.request(Method::DELETE, &path));
    host.wait(&path, |answer| answer["status"] == 404).await;
    host.kill().await;
    host = setting.host().await;
    let sources = host.get(SOURCES).await;
    assert_eq!(sources["sources"].as_array().unwrap().len(), known, "{sources}");
    let again = host.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(again.status(), 404);
    host.kill().await;
}
