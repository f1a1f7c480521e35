//! The upstream of the chat benchmark, as a process of its own: a language model that takes its time, or none.
//!
//! A question with the word `instantly` gets its tokens at once; any other gets the first after 50 ms and twenty more
//! 10 ms apart, each on its own.

use std::{convert::Infallible, io::Write, time::Duration};

use anyhow::Result;
use axum::{Router, body::Body, http::header, response::Response, routing::post, serve::ListenerExt};
use bytes::Bytes;
use futures::stream;
use tokio::{net::TcpListener, time::Instant};

pub const FIRST_TOKEN: Duration = Duration::from_millis(50);
pub const GAP: Duration = Duration::from_millis(10);
pub const TOKENS: usize = 21;

/// Serves until it is killed; the address is its one line on standard output.
pub async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    // Tokens are small and must not wait for more to come.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, Router::new().route("/v1/chat/completions", post(complete))).await?;
    Ok(())
}

async fn complete(body: Bytes) -> Response {
    let instantly = body.windows(9).any(|word| word == b"instantly");
    let start = Instant::now();
    let tokens = stream::unfold(0, move |at| async move {
        if at > TOKENS {
            return None;
        }
        if !instantly && at < TOKENS {
            let due = FIRST_TOKEN + GAP * u32::try_from(at).unwrap_or(0);
            tokio::time::sleep_until(start + due).await;
        }
        let event = if at < TOKENS { TOKEN } else { END };
        Some((Ok::<_, Infallible>(Bytes::from_static(event.as_bytes())), at + 1))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(Body::from_stream(tokens))
        .unwrap_or_default()
}

const TOKEN: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"tok \"},\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
