//! Adds help centres to an organization and searches it, through the API.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::{HelpCentre, Question};

/// Passages that a search may return.
const LIMIT: usize = 10;
/// Searches that are under way at once.
const CONCURRENT: usize = 4;

/// An organization on a running host.
pub struct Organization {
    client: reqwest::Client,
    base: String,
    key: String,
    /// The names of its passages, by the source's title and the passage's heading.
    names: HashMap<(String, String), String>,
}

impl Organization {
    /// The organization of a key with the scopes `admin` and `search`.
    pub fn new(base: &str, key: &str) -> Self {
        Self {
            client: crate::app::client(),
            base: base.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            names: HashMap::new(),
        }
    }

    /// Adds every source of a help centre.
    pub async fn add(&mut self, centre: &HelpCentre) -> Result<()> {
        for source in &centre.sources {
            let body = json!({"title": source.title, "text": source.markdown(), "content_type": "text/markdown"});
            self.post("/api/admin/sources", &body).await?;
        }
        for (source, passage) in centre.passages() {
            self.names.insert((source.title.clone(), passage.heading.clone()), centre.name(&passage.id));
        }
        Ok(())
    }

    /// The names of the passages found for each question, best first. Pieces of one passage count once.
    pub async fn search_all(&self, questions: &[Question]) -> Result<Vec<Vec<String>>> {
        futures::stream::iter(questions)
            .map(|question| self.search(&question.text))
            .buffered(CONCURRENT)
            .try_collect()
            .await
    }

    async fn search(&self, query: &str) -> Result<Vec<String>> {
        let answer = self.post("/api/search", &json!({"query": query, "limit": LIMIT})).await?;
        let results = answer["results"].as_array().with_context(|| format!("no results in {answer}"))?;
        let mut names: Vec<String> = Vec::new();
        for passage in results {
            let text = |member: &str| passage[member].as_str().unwrap_or_default().to_owned();
            let section = text("section");
            let heading = section.rsplit(" › ").next().unwrap_or_default().to_owned();
            let name = self.names.get(&(text("title"), heading));
            let name = name.with_context(|| format!("a passage that nobody added was found: {passage}"))?;
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(names)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(body);
        let response = request.send().await.with_context(|| format!("{path}: the host doesn't answer"))?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
