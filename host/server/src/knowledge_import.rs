//! `resly knowledge import`: uploads a folder's documents to a running host. A document's key is its path, so a second run
//! uploads only what changed.

mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use resly_manifest::Digest;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use self::files::{Document, Found, Skipped, find};

/// For one request.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long documents may wait to be read, after the last upload.
const READ_PATIENCE: Duration = Duration::from_secs(3600);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a full queue is tried again.
const TRIES: u32 = 60;
/// Skipped files that an error names.
const NAMED: usize = 10;

/// The folder to upload, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportFolder {
    pub folder: PathBuf,
    /// The host's URL, without a slash at its end.
    pub host: String,
    pub prefix: Option<String>,
    pub base_url: Option<String>,
    pub prune: bool,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Added,
    Changed,
    Unchanged,
    Deleted,
    Failed,
    /// It isn't uploaded.
    Skipped,
}

impl Outcome {
    const ALL: [Self; 6] = [Self::Added, Self::Changed, Self::Unchanged, Self::Deleted, Self::Failed, Self::Skipped];

    fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

struct Row {
    outcome: Outcome,
    path: String,
    detail: String,
}

/// The table of an import, and whether every document is known now.
pub struct ImportReport {
    rows: Vec<Row>,
}

impl ImportReport {
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome == Outcome::Failed).count()
    }

    /// A line for each document and for each file that was skipped, and the sums.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for Row { outcome, path, detail } in &self.rows {
            let _ =
                writeln!(text, "{:<10} {path}{}{detail}", outcome.name(), if detail.is_empty() { "" } else { "  " });
        }
        let sums = Outcome::ALL.map(|outcome| {
            let count = self.rows.iter().filter(|row| row.outcome == outcome).count();
            format!("{count} {}", outcome.name())
        });
        let _ = writeln!(text, "{}", sums.join(", "));
        text
    }
}

struct Host {
    client: reqwest::Client,
    base: String,
    key: SecretString,
}

/// Uploads the folder, and waits until its documents are read.
pub async fn run(options: ImportFolder, key: Option<SecretString>) -> anyhow::Result<ImportReport> {
    let Some(key) = key else { bail!("set RESLY_ADMIN_KEY to an API key of the organization with the scope `admin`") };
    let folder = options.folder.canonicalize().with_context(|| format!("{}", options.folder.display()))?;
    ensure!(folder.is_dir(), "{} is not a folder", folder.display());
    let named = || folder.file_name().map(|name| format!("{}/", name.to_string_lossy()));
    let prefix = options.prefix.clone().or_else(named).context("give a --prefix: the folder has no name")?;
    ensure!(!prefix.is_empty(), "--prefix is empty, so --prune would delete what others uploaded");
    let base_url = options.base_url.as_deref().map(Url::parse).transpose().context("--base-url is not a URL")?;
    ensure!(base_url.as_ref().is_none_or(|url| !url.cannot_be_a_base()), "--base-url is not an http or https URL");
    let Found { documents, skipped } = find(&folder)?;
    ensure!(
        !documents.is_empty(),
        "{} has no documents, so nothing was uploaded or deleted{}",
        folder.display(),
        listed(&skipped)
    );

    // The client needs a provider even for plain HTTP. Another caller may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
    // An http host needs no certificates, which a small image may not have.
    let builder = if options.host.starts_with("https:") { builder } else { builder.tls_certs_only([]) };
    let host = Host { client: builder.build()?, base: options.host, key };
    let known = host.known(&prefix).await?;
    let (mut rows, mut waiting, mut keys) = (Vec::new(), Vec::new(), BTreeSet::new());
    for document in documents {
        let key = format!("{prefix}{}", document.path);
        let url = base_url.as_ref().map(|base| below(base, &document.path));
        keys.insert(key.clone());
        match host.upload(&document, &key, url.as_deref(), known.get(&key)).await? {
            Sent::Unchanged => rows.push(row(Outcome::Unchanged, document.path, String::new())),
            Sent::Refused(detail) => rows.push(row(Outcome::Failed, document.path, detail)),
            Sent::Taken(source) => waiting.push((document.path, source, known.contains_key(&key))),
        }
    }
    for (path, source, was_known) in waiting {
        let source = host.wait(source).await?;
        rows.push(match source["status"].as_str() {
            Some("ready") => {
                let outcome = if was_known { Outcome::Changed } else { Outcome::Added };
                let note = source["note"].as_str().map(|note| format!("; {note}")).unwrap_or_default();
                row(outcome, path, format!("{} passages{note}", source["chunks"]))
            }
            _ => row(Outcome::Failed, path, source["failure"]["message"].as_str().unwrap_or("not read yet").to_owned()),
        });
    }
    if options.prune {
        for (key, source) in known.iter().filter(|(key, _)| !keys.contains(*key)) {
            host.delete(source).await?;
            rows.push(row(Outcome::Deleted, key[prefix.len()..].to_owned(), String::new()));
        }
    }
    rows.extend(skipped.into_iter().map(|Skipped { path, why }| row(Outcome::Skipped, path, why)));
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(ImportReport { rows })
}

/// What was skipped, as the end of an error.
fn listed(skipped: &[Skipped]) -> String {
    let lines = skipped.iter().take(NAMED).map(|Skipped { path, why }| format!("\nskipped {path}: {why}"));
    let more = skipped.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    lines.chain([more]).collect()
}

fn row(outcome: Outcome, path: String, detail: String) -> Row {
    Row { outcome, path, detail }
}

/// The URL of a path below another.
fn below(base: &Url, path: &str) -> String {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url.into()
}

enum Sent {
    Unchanged,
    Taken(Value),
    /// What the host says is wrong with this document.
    Refused(String),
}

impl Host {
    fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(self.key.expose_secret())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(u16, Option<u64>, String)> {
        let response = request
            .send()
            .await
            .with_context(|| format!("no host answers at {}; start it, or give its address with --url", self.base))?;
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((status, after, response.text().await.context("the host's answer broke off; run the import again")?))
    }

    /// The answer of a request that must succeed.
    async fn json(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let (status, _, body) = self.send(request).await?;
        ensure!((200..300).contains(&status), "the host answered {status}: {}", told(&body));
        serde_json::from_str(&body)
            .with_context(|| format!("what answers at {} is not a host of this version", self.base))
    }

    /// The sources whose keys begin with the prefix, by their keys.
    async fn known(&self, prefix: &str) -> anyhow::Result<BTreeMap<String, Value>> {
        let (mut known, mut before) = (BTreeMap::new(), None::<String>);
        loop {
            let mut query = vec![("key_prefix", prefix), ("limit", "200")];
            query.extend(before.as_deref().map(|before| ("before", before)));
            let path = with_query("/api/admin/sources", &query);
            let listed = self.json(self.request(http::Method::GET, &path)).await?;
            let sources = listed["sources"].as_array().cloned().unwrap_or_default();
            known.extend(sources.into_iter().filter_map(|source| Some((source["key"].as_str()?.to_owned(), source))));
            before = listed["next"].as_str().map(str::to_owned);
            if before.is_none() {
                return Ok(known);
            }
        }
    }

    async fn upload(
        &self,
        document: &Document,
        key: &str,
        url: Option<&str>,
        known: Option<&Value>,
    ) -> anyhow::Result<Sent> {
        let bytes = match std::fs::read(&document.file) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Sent::Refused(format!("it can't be read: {error}"))),
        };
        let hash = Digest::of(&bytes).to_string();
        let same = |source: &Value| {
            source["sha256"] == hash.as_str() && source["status"] == "ready" && source["url"].as_str() == url
        };
        if known.is_some_and(same) {
            return Ok(Sent::Unchanged);
        }
        let mut query = vec![("filename", document.path.as_str()), ("key", key)];
        query.extend(url.map(|url| ("url", url)));
        let path = with_query("/api/admin/sources/files", &query);
        for _ in 0..TRIES {
            let request = self.request(http::Method::POST, &path);
            let request = request.header("content-type", document.content_type).body(bytes.clone());
            match self.send(request).await? {
                (200..300, _, body) => {
                    return serde_json::from_str(&body)
                        .map(Sent::Taken)
                        .with_context(|| format!("what answers at {} is not a host of this version", self.base));
                }
                (503, after, _) => tokio::time::sleep(Duration::from_secs(after.unwrap_or(2).min(30))).await,
                (413 | 422, _, body) => return Ok(Sent::Refused(told(&body))),
                (status, _, body) => bail!("{}: the host answered {status}: {}", document.path, told(&body)),
            }
        }
        Ok(Sent::Refused("the host had no room for it; run the import again".to_owned()))
    }

    /// Waits until a source is read.
    async fn wait(&self, mut source: Value) -> anyhow::Result<Value> {
        let over = tokio::time::Instant::now() + READ_PATIENCE;
        let path = format!("/api/admin/sources/{}", source["id"].as_str().unwrap_or_default());
        while matches!(source["status"].as_str(), Some("queued" | "reading")) && tokio::time::Instant::now() < over {
            tokio::time::sleep(LOOK_EVERY).await;
            source = self.json(self.request(http::Method::GET, &path)).await?;
        }
        Ok(source)
    }

    async fn delete(&self, source: &Value) -> anyhow::Result<()> {
        let path = format!("/api/admin/sources/{}", source["id"].as_str().unwrap_or_default());
        let (status, _, body) = self.send(self.request(http::Method::DELETE, &path)).await?;
        ensure!(matches!(status, 204 | 404), "the host answered {status}: {}", told(&body));
        Ok(())
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    format!("{path}?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish())
}

/// What a problem says, for a person.
fn told(body: &str) -> String {
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    problem["detail"].as_str().map_or_else(|| body.chars().take(200).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_line_for_each_document_and_sums() {
        let rows = vec![
            row(Outcome::Added, "a.md".to_owned(), "2 passages".to_owned()),
            row(Outcome::Failed, "b.pdf".to_owned(), "it needs a password".to_owned()),
            row(Outcome::Skipped, "c.doc".to_owned(), "save it as DOCX".to_owned()),
        ];
        let report = ImportReport { rows };
        let expected = "added      a.md  2 passages\nfailed     b.pdf  it needs a password\n\
                        skipped    c.doc  save it as DOCX\n\
                        1 added, 0 changed, 0 unchanged, 0 deleted, 1 failed, 1 skipped\n";
        assert_eq!((report.render().as_str(), report.failed()), (expected, 1));
    }

    #[test]
    fn a_path_is_escaped_in_a_url() {
        let base = Url::parse("https://help.example/docs/").unwrap();
        assert_eq!(below(&base, "a b/c?.md"), "https://help.example/docs/a%20b/c%3F.md");
    }
}
