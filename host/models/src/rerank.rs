//! A reranker behind `/v1/rerank`, as Cohere's API reference ("Rerank") and Jina's describe it and most model servers
//! have it.

use std::time::Duration;

use async_trait::async_trait;
use resly_core::{error::RerankError, json::without_bom, knowledge::Reranker};
use serde::{Deserialize, Serialize};

use crate::{
    config::Endpoint,
    upstream::{Authentication, ConfigError, Upstream, reason},
};

/// The largest answer.
const LARGEST: usize = 4 << 20;
/// How long connecting may take. Whoever asks bounds the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A reranking model at a server.
pub struct HttpReranker {
    model: String,
    upstream: Upstream,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    query: &'a str,
    documents: &'a [String],
    top_n: usize,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    relevance_score: f32,
}

impl HttpReranker {
    pub fn new(Endpoint { url, model, key }: Endpoint) -> Result<Self, ConfigError> {
        let upstream = Upstream::new(&url, &["rerank"], &Authentication::Bearer, key, CONNECT_TIMEOUT)?;
        Ok(Self { model, upstream })
    }

    async fn ask(&self, body: Vec<u8>) -> Result<Vec<u8>, RerankError> {
        let unreachable = |error| self.unavailable(self.upstream.explain(error));
        let mut response = self.upstream.post(body, "application/json").await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let said = self.upstream.sanitize(&reason(&self.upstream.refusal(response).await));
            return Err(self.unavailable(format!("status {}: {said}", status.as_u16())));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > LARGEST {
                return Err(self.invalid(format!("the answer is larger than {LARGEST} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    fn unavailable(&self, detail: String) -> RerankError {
        RerankError::Unavailable { at: self.upstream.at.clone(), detail }
    }

    fn invalid(&self, detail: String) -> RerankError {
        RerankError::Invalid { at: self.upstream.at.clone(), detail }
    }
}

#[async_trait]
impl Reranker for HttpReranker {
    async fn rerank(&self, query: &str, documents: &[String]) -> Result<Vec<(usize, f32)>, RerankError> {
        let body = Body { model: &self.model, query, documents, top_n: documents.len() };
        let body = serde_json::to_vec(&body).map_err(|error| self.invalid(error.to_string()))?;
        let answer = self.ask(body).await?;
        let Answer { results } = serde_json::from_slice(without_bom(&answer)).map_err(|error| {
            let said = format!("{error} in {}", String::from_utf8_lossy(&answer));
            self.invalid(self.upstream.sanitize(&said))
        })?;
        let mut scored: Vec<(usize, f32)> = Vec::with_capacity(documents.len());
        for Scored { index, relevance_score } in results {
            if index >= documents.len() || !relevance_score.is_finite() {
                return Err(self.invalid(format!("document {index} of {}: {relevance_score}", documents.len())));
            }
            if scored.iter().any(|(other, _)| *other == index) {
                return Err(self.invalid(format!("two scores for document {index}")));
            }
            scored.push((index, relevance_score));
        }
        // Sorted by most servers, promised by few.
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Ok(scored)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, body::Bytes, http::StatusCode, routing::post};
    use serde_json::{Value, json};

    use super::*;

    async fn ask(status: u16, answer: &str) -> (Result<Vec<(usize, f32)>, RerankError>, Value) {
        let asked: Arc<Mutex<Value>> = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), answer.to_owned());
        let play = move |body: Bytes| {
            *seen.lock().unwrap() = serde_json::from_slice(&body).unwrap();
            let answer = answer.clone();
            async move { (StatusCode::from_u16(status).unwrap(), answer) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/rerank", post(play))).await });
        let key = Some("sk-1".to_owned().into());
        let reranker = HttpReranker::new(Endpoint { url, model: "r".to_owned(), key }).unwrap();
        let found = reranker.rerank("q", &["a".to_owned(), "b".to_owned()]).await;
        let asked = asked.lock().unwrap().clone();
        (found, asked)
    }

    #[tokio::test]
    async fn documents_come_back_by_their_scores() {
        let results = json!({"results": [{"index": 0, "relevance_score": -1.5}, {"index": 1, "relevance_score": 0.9}]});
        let (found, asked) = ask(200, &results.to_string()).await;
        assert_eq!(found.unwrap(), [(1, 0.9), (0, -1.5)]);
        assert_eq!(asked, json!({"model": "r", "query": "q", "documents": ["a", "b"], "top_n": 2}));
    }

    #[tokio::test]
    async fn what_is_no_score_for_each_document_is_refused() {
        for results in [
            json!({"data": []}),
            json!({"results": [{"index": 2, "relevance_score": 1}]}),
            json!({"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}]}),
            json!({"results": [{"index": 0, "relevance_score": 1e99}]}),
            json!({"results": [{"index": 0}]}),
        ] {
            let (found, _) = ask(200, &results.to_string()).await;
            assert!(matches!(found, Err(RerankError::Invalid { .. })), "{results}: {found:?}");
        }
        let (refused, _) = ask(401, r#"{"error":{"message":"the key sk-1 is wrong"}}"#).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("status 401") && !refused.contains("sk-1"), "{refused}");
    }
}
