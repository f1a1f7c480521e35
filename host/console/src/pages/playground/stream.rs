//! An answer as a stream of events (HTML, "Server-sent events"), for the page's script: `text` with the next piece,
//! `step` with what is being done, and `end` with the whole answer as the page draws it.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use resly_core::{principal::KeyKind, turn::live::TurnEvent};
use resly_http::{Api, problem::Problem};
use resly_service::playground::{self, Asked, TurnTrace};
use serde::Serialize;

use super::{answer, once};
use crate::{error::sentence, member::Member};

#[derive(Serialize)]
struct Piece<'p> {
    text: &'p str,
}

#[derive(Serialize)]
struct End {
    html: String,
    /// What the next form is sent with.
    once: String,
}

/// What the end of the stream is made with.
struct Reader {
    api: Api,
    member: Member,
    kind: KeyKind,
    replayed: bool,
    trace: TurnTrace,
}

/// Streams an answer that has begun.
pub fn respond(api: Api, member: Member, asked: Asked, kind: KeyKind) -> Response {
    let Asked { answer, trace, replayed } = asked;
    let reader = Reader { api, member, kind, replayed, trace };
    let pieces = stream::unfold((answer.events, Some(reader)), |(mut events, reader)| async move {
        let mut reader = reader?;
        loop {
            let Some(event) = events.next().await else {
                let end = reader.end().await;
                return Some((Ok::<_, Infallible>(end), (events, None)));
            };
            reader.trace.observe(&event);
            if let Some(piece) = piece(&event) {
                return Some((Ok(piece), (events, Some(reader))));
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn piece(event: &TurnEvent) -> Option<Bytes> {
    match event {
        TurnEvent::Text(text) => Some(send("text", &Piece { text })),
        TurnEvent::Citations(found) if !found.is_empty() => {
            let text = format!("Found {} sources", found.len());
            Some(send("step", &Piece { text: &text }))
        }
        TurnEvent::ToolStarted { name, .. } => Some(send("step", &Piece { text: &format!("Calls {name}") })),
        _ => None,
    }
}

fn send<T: Serialize>(event: &str, data: &T) -> Bytes {
    // Plain structs always serialize, and JSON has no line breaks.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

impl Reader {
    async fn end(self) -> Bytes {
        let Self { api, member, kind, replayed, trace } = self;
        let next = once(&api);
        let html = match playground::report(&api.app, member.session.organization, kind, trace).await {
            Ok(report) => answer::draw(&member, &report, kind, &once(&api), replayed),
            Err(error) => answer::unexplained(&sentence(Problem::from(error).detail())),
        };
        send("end", &End { html: html.into_string(), once: next })
    }
}
