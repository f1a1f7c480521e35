//! A part of the host that panics: the caller gets an end, and nobody gets what the part had in hand.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    knowledge::{EmbedAs, Embedder},
    model::{Model, ModelError, ModelRequest, ModelStream},
};
use resly_tests::app::TestApp;
use serde_json::json;
use tokio::time::timeout;

/// What a bug could put into a panic's message.
const IN_HAND: &str = "sk-in-hand-8f14e45fceea167a";

/// A part with a bug.
struct Panics;

#[async_trait]
impl Embedder for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    async fn embed(&self, _: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        panic!("{IN_HAND}")
    }
}

#[async_trait]
impl Model for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    async fn stream(&self, _: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        panic!("{IN_HAND}")
    }
}

fn tells_nothing(answer: &str) {
    assert!(!answer.contains(IN_HAND) && !answer.contains("panicked"), "{answer}");
}

#[tokio::test]
async fn a_bug_in_a_request_tells_nobody_what_it_had_in_hand() {
    let app = TestApp::with_embedder(Arc::new(Panics)).await;
    let source = json!({"title": "t", "text": "some text"});
    let response = app.post_as(&app.admin, "/api/admin/sources", &source).await;
    assert_eq!(response.status(), 500);
    tells_nothing(&response.text().await.unwrap());
}

/// A turn is a task of its own: its end is told in each format, and it hangs in none.
#[tokio::test]
async fn a_bug_in_a_turn_ends_it_in_each_format() {
    let app = TestApp::with_model(Arc::new(Panics)).await;
    for format in ["text", "ui", "json"] {
        let question = json!({"messages": [{"role": "user", "content": "Hi"}]});
        let asking = async { app.chat_in(format).json(&question).send().await?.text().await };
        // A stream that breaks off has told nothing.
        if let Ok(answer) = timeout(Duration::from_secs(20), asking).await.expect(format) {
            tells_nothing(&answer);
        }
        assert_eq!(app.client.get(app.url("/healthz")).send().await.unwrap().status(), 200);
    }
    tells_nothing(&app.send_as(&app.admin, "GET", "/api/admin/conversations").await.text().await.unwrap());
}
