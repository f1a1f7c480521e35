//! An embedder behind `/v1/embeddings` (OpenAI's API reference, "Create embeddings"), as most model servers have it.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    json::without_bom,
    knowledge::{EmbedAs, Embedder},
};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};

use super::normalise;
use crate::{
    config::{EmbedderOptions, Endpoint},
    upstream::{Authentication, ConfigError, Upstream, is_passing, reason},
};

/// The most dimensions of a vector.
const MOST_DIMENSIONS: usize = 8192;
/// Bytes of an answer for each number that it has to hold, and for all else in it.
const NUMBER: usize = 48;
const REST: usize = 256 << 10;
/// An answer beyond so many bytes is parsed on a thread that may block.
const LARGE: usize = 256 << 10;
/// What is told of an answer that can't be read.
const START: usize = 2000;
/// The longest `Retry-After` that is waited for.
const LONGEST_RETRY: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct OpenAiEmbedderConfig {
    /// The base URL, with `/v1`.
    pub url: String,
    /// The model's name as the server knows it.
    pub model: String,
    pub key: Option<SecretString>,
    pub authentication: Authentication,
    /// Texts in one request.
    pub batch: usize,
    pub connect_timeout: Duration,
    /// For one request, whole.
    pub timeout: Duration,
    /// Before the one retry, unless the server asks for a time of its own.
    pub retry: Duration,
}

impl OpenAiEmbedderConfig {
    pub fn new(url: impl Into<String>, model: impl Into<String>, key: Option<SecretString>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key,
            authentication: Authentication::Bearer,
            batch: 64,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            retry: Duration::from_millis(250),
        }
    }
}

/// An embedding model of an OpenAI-compatible server.
pub struct OpenAiEmbedder {
    name: String,
    config: OpenAiEmbedderConfig,
    upstream: Upstream,
    /// As the first answer had it; 0 before that.
    dimensions: AtomicUsize,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: Option<usize>,
    #[serde(deserialize_with = "vector")]
    embedding: Vec<f32>,
}

/// Reads a vector of no more dimensions than there may be.
fn vector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    struct Numbers;

    impl<'de> Visitor<'de> for Numbers {
        type Value = Vec<f32>;

        fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(text, "at most {MOST_DIMENSIONS} numbers")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<f32>, A::Error> {
            let mut vector = Vec::new();
            while let Some(number) = numbers.next_element()? {
                if vector.len() == MOST_DIMENSIONS {
                    return Err(A::Error::invalid_length(MOST_DIMENSIONS + 1, &self));
                }
                vector.push(number);
            }
            Ok(vector)
        }
    }

    deserializer.deserialize_seq(Numbers)
}

struct Failed {
    error: EmbedError,
    /// Set when asking again may help.
    retry_in: Option<Duration>,
}

impl OpenAiEmbedder {
    pub(crate) fn from_options(options: EmbedderOptions) -> Result<Self, ConfigError> {
        let EmbedderOptions { endpoint: Endpoint { url, model, key }, authentication } = options;
        Self::new(OpenAiEmbedderConfig { authentication, ..OpenAiEmbedderConfig::new(url, model, key) })
    }

    pub fn new(config: OpenAiEmbedderConfig) -> Result<Self, ConfigError> {
        let OpenAiEmbedderConfig { url, key, authentication, connect_timeout, .. } = &config;
        let upstream = Upstream::new(url, &["embeddings"], authentication, key.clone(), *connect_timeout)?;
        Ok(Self { name: format!("openai:{}", config.model), config, upstream, dimensions: AtomicUsize::new(0) })
    }

    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let body = serde_json::to_vec(&Body { model: &self.config.model, input: texts })
            .map_err(|error| self.invalid(error.to_string()))?;
        let most = self.largest(texts.len());
        let answer = match self.ask(body.clone(), most).await {
            Ok(answer) => answer,
            Err(Failed { retry_in: Some(wait), error }) => {
                tracing::debug!(%error, "asking the embedder again");
                tokio::time::sleep(wait).await;
                self.ask(body, most).await.map_err(|failed| failed.error)?
            }
            Err(failed) => return Err(failed.error),
        };
        let (answer, start) = if answer.len() > LARGE {
            let parsed = tokio::task::spawn_blocking(move || parse(&answer)).await;
            parsed.map_err(|error| self.invalid(error.to_string()))?
        } else {
            parse(&answer)
        };
        let answer = answer.map_err(|error| self.invalid(self.upstream.sanitize(&format!("{error} in {start}"))))?;
        self.in_order(answer, texts.len())
    }

    /// The most bytes of an answer with so many vectors.
    fn largest(&self, texts: usize) -> usize {
        let dimensions = match self.dimensions.load(Ordering::Relaxed) {
            0 => MOST_DIMENSIONS,
            known => known,
        };
        REST + texts * dimensions * NUMBER
    }

    async fn ask(&self, body: Vec<u8>, most: usize) -> Result<Vec<u8>, Failed> {
        match tokio::time::timeout(self.config.timeout, self.ask_without_timeout(body, most)).await {
            Ok(answer) => answer,
            Err(_) => {
                let detail = format!("no whole answer within {} ms", self.config.timeout.as_millis());
                Err(Failed { error: self.unavailable(detail), retry_in: None })
            }
        }
    }

    async fn ask_without_timeout(&self, body: Vec<u8>, most: usize) -> Result<Vec<u8>, Failed> {
        let unavailable = |error| {
            let error = self.unavailable(self.upstream.explain(error));
            Failed { error, retry_in: Some(self.config.retry) }
        };
        let mut response = self.upstream.post(body, "application/json").await.map_err(unavailable)?;
        let status = response.status();
        if !status.is_success() {
            let wait = self.upstream.retry_after(&response).unwrap_or(self.config.retry);
            let retry_in = (is_passing(status) && wait <= LONGEST_RETRY).then_some(wait);
            let detail = format!(
                "status {}: {}",
                status.as_u16(),
                self.upstream.sanitize(&reason(&self.upstream.refusal(response).await))
            );
            return Err(Failed { error: self.unavailable(detail), retry_in });
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if answer.len() + chunk.len() > most {
                let error = self
                    .invalid(format!("the answer is larger than the {most} bytes that the vectors asked for may take"));
                return Err(Failed { error, retry_in: None });
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    /// The vectors in the order of the texts, whatever order they came in; one each, all of the same size.
    fn in_order(&self, answer: Answer, texts: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
        if answer.data.len() != texts {
            return Err(self.invalid(format!("{} vectors for {texts} texts", answer.data.len())));
        }
        self.check_dimensions(&answer.data)?;
        let mut vectors = vec![Vec::new(); texts];
        for (n, Embedding { index, mut embedding }) in answer.data.into_iter().enumerate() {
            if !normalise(&mut embedding) {
                return Err(self.invalid("a vector without a direction".to_owned()));
            }
            let place = vectors.get_mut(index.unwrap_or(n)).filter(|place| place.is_empty());
            *place.ok_or_else(|| self.invalid("two vectors for one text".to_owned()))? = embedding;
        }
        Ok(vectors)
    }

    fn check_dimensions(&self, data: &[Embedding]) -> Result<(), EmbedError> {
        let found = data.first().map_or(0, |first| first.embedding.len());
        if found == 0 || data.iter().any(|other| other.embedding.len() != found) {
            return Err(self.invalid("an empty vector, or vectors of different lengths".to_owned()));
        }
        match self.dimensions.compare_exchange(0, found, Ordering::Relaxed, Ordering::Relaxed) {
            Err(expected) if expected != found => {
                Err(EmbedError::OtherModel { at: self.upstream.at.clone(), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn unavailable(&self, detail: String) -> EmbedError {
        EmbedError::Unavailable { at: self.upstream.at.clone(), detail }
    }

    fn invalid(&self, detail: String) -> EmbedError {
        EmbedError::Invalid { at: self.upstream.at.clone(), detail }
    }
}

/// The answer, and how it starts.
fn parse(answer: &[u8]) -> (Result<Answer, serde_json::Error>, String) {
    let start = String::from_utf8_lossy(&answer[..answer.len().min(START)]).into_owned();
    (serde_json::from_slice(without_bom(answer)), start)
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    async fn embed(&self, texts: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.config.batch.max(1)) {
            vectors.extend(self.batch(batch).await?);
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use axum::{Router, body::Bytes, http::StatusCode, routing::post};
    use serde_json::{Value, json};

    use super::*;

    type Asked = Arc<Mutex<Vec<Value>>>;

    async fn embedder(replies: Vec<(u16, String)>, batch: usize) -> (OpenAiEmbedder, Asked) {
        let asked = Asked::default();
        let replies = Arc::new(Mutex::new(VecDeque::from(replies)));
        let seen = Arc::clone(&asked);
        let play = move |body: Bytes| {
            let reply = replies.lock().unwrap().pop_front().expect("one more request than was scripted");
            seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            async move { (StatusCode::from_u16(reply.0).unwrap(), reply.1) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/embeddings", post(play))).await });
        let config = OpenAiEmbedderConfig { batch, retry: Duration::ZERO, ..OpenAiEmbedderConfig::new(url, "e", None) };
        (OpenAiEmbedder::new(config).unwrap(), asked)
    }

    fn vectors(data: Value) -> (u16, String) {
        (200, json!({"object": "list", "data": data, "usage": {"prompt_tokens": 1}}).to_string())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn texts_go_in_batches_and_come_back_in_order_at_unit_length() {
        let first = json!([{"index": 1, "embedding": [0, 2.0]}, {"index": 0, "embedding": [3.0, 4.0]}]);
        let second = json!([{"embedding": [-5.0, 0.0]}]);
        let (embedder, asked) = embedder(vec![vectors(first), vectors(second)], 2).await;
        let got = embedder.embed(&texts(&["a", "b", "c"]), EmbedAs::Document).await.unwrap();
        assert_eq!(got, [vec![0.6, 0.8], vec![0.0, 1.0], vec![-1.0, 0.0]]);
        let asked = asked.lock().unwrap();
        assert_eq!(asked[0], json!({"model": "e", "input": ["a", "b"]}));
        assert_eq!(asked[1]["input"], json!(["c"]));
    }

    #[tokio::test]
    async fn what_is_not_one_vector_for_each_text_is_refused() {
        for data in [
            json!([]),
            json!([{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]),
            json!([{"index": 0, "embedding": [1.0]}, {"index": 7, "embedding": [1.0]}]),
            json!([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 0.0]}]),
            json!([{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [0.0]}]),
            json!([{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": [0.0]}]),
        ] {
            let (embedder, _) = embedder(vec![vectors(data)], 8).await;
            let got = embedder.embed(&texts(&["a", "b"]), EmbedAs::Query).await;
            assert!(matches!(got, Err(EmbedError::Invalid { .. })), "{got:?}");
        }
    }

    #[tokio::test]
    async fn a_hostile_answer_is_refused_within_its_bounds() {
        let told = async |answer: String| {
            let (embedder, _) = embedder(vec![(200, answer)], 8).await;
            match embedder.embed(&texts(&["a"]), EmbedAs::Document).await {
                Err(EmbedError::Invalid { detail, .. }) => detail,
                other => panic!("{other:?}"),
            }
        };
        let numbers = |number: &str, count: usize| {
            let numbers = vec![number; count].join(",");
            format!(r#"{{"data":[{{"index":0,"embedding":[{numbers}]}}]}}"#)
        };
        assert!(told(numbers("1", MOST_DIMENSIONS + 1)).await.contains("at most 8192 numbers"));
        let bytes = REST + MOST_DIMENSIONS * NUMBER;
        assert!(told(numbers("1", bytes)).await.contains(&format!("larger than the {bytes} bytes")));
        for number in ["NaN", "Infinity", "1e39", "1e999", "null"] {
            let detail = told(numbers(number, 2)).await;
            assert!(detail.len() < 2 * START, "{number}: {detail}");
        }
        let (largest, _) = embedder(vec![(200, numbers("1", MOST_DIMENSIONS))], 8).await;
        assert_eq!(largest.embed(&texts(&["a"]), EmbedAs::Document).await.unwrap()[0].len(), MOST_DIMENSIONS);

        // What the first answer had bounds the next one.
        let known = vec![(200, numbers("1", 2)), (200, numbers("1", REST)), (200, numbers("1", 3))];
        let (embedder, _) = embedder(known, 8).await;
        embedder.embed(&texts(&["a"]), EmbedAs::Document).await.unwrap();
        let refused = embedder.embed(&texts(&["a"]), EmbedAs::Document).await;
        let part = format!("larger than the {} bytes", REST + 2 * NUMBER);
        assert!(matches!(&refused, Err(EmbedError::Invalid { detail, .. }) if detail.contains(&part)), "{refused:?}");
        let other = embedder.embed(&texts(&["a"]), EmbedAs::Document).await;
        assert!(matches!(&other, Err(EmbedError::OtherModel { expected: 2, found: 3, .. })), "{other:?}");
    }

    #[tokio::test]
    async fn a_passing_failure_is_tried_once_more() {
        let good = || vectors(json!([{"index": 0, "embedding": [1.0]}]));
        let (first, asked) = embedder(vec![(503, "busy".into()), good()], 8).await;
        first.embed(&texts(&["a"]), EmbedAs::Query).await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 2);
        let (second, _) = embedder(vec![(401, r#"{"error":{"message":"no key"}}"#.into())], 8).await;
        let got = second.embed(&texts(&["a"]), EmbedAs::Query).await;
        assert!(
            matches!(&got, Err(EmbedError::Unavailable { detail, .. }) if detail == "status 401: no key"),
            "{got:?}"
        );
    }
}
