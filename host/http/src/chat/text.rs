//! The default format: `text/plain`, streamed. The headers wait for the first byte of the answer, because they hold its
//! citations. A failure after the first byte resets the connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Frame;
use resly_core::{
    id::ApprovalId,
    knowledge::Citation,
    turn::{
        live::{AnswerEvents, Timing, TurnEvent, TurnResult},
        replay::Replay,
    },
};

use super::citations::{self, X_CITATIONS};
use crate::problem::Problem;

const X_APPROVALS: HeaderName = HeaderName::from_static("x-approvals");
const X_FINISH_REASON: HeaderName = HeaderName::from_static("x-finish-reason");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Waits for the answer's first byte, then streams.
pub async fn stream(answer: AnswerEvents, trailers: bool) -> Result<Response, Problem> {
    let mut events = answer.events;
    let mut offered: Arc<[Citation]> = Arc::new([]);
    let mut approvals = Vec::new();
    let (first, ending) = loop {
        match events.next().await {
            Some(TurnEvent::Text(text)) => break (Bytes::from(text), None),
            Some(TurnEvent::Citations(citations)) => offered = citations,
            Some(TurnEvent::ApprovalAsked(approval)) => approvals.push(approval.id),
            Some(TurnEvent::Finished(ending)) => break (Bytes::new(), Some(ending)),
            Some(TurnEvent::Failed(failure)) => return Err(failure.into()),
            Some(_) => {}
            None => return Err(Problem::internal(&"a turn's events ended without an end")),
        }
    };
    let cited = ending.as_ref().map_or_else(|| citations::header(&offered), |e| citations::header(&e.citations));
    let asked = approvals_header(&approvals);
    let body = TextBody { first: Some(first), ending, events, approvals, trailers, over: false };
    let mut response = Response::new(Body::new(body));
    insert(response.headers_mut(), cited, asked);
    if trailers {
        let names = HeaderValue::from_static("x-citations, x-approvals, x-finish-reason, server-timing");
        response.headers_mut().insert(header::TRAILER, names);
    }
    Ok(response)
}

/// Sends an answer that was given before.
pub fn replay(given: Replay) -> Response {
    let cited = citations::header(&given.message.citations);
    let approvals: Vec<_> = given.pending().map(|approval| approval.id).collect();
    let finish = given.message.finish;
    let mut response = Response::new(Body::from(given.message.content));
    if let Some(finish) = finish {
        response.headers_mut().insert(X_FINISH_REASON, HeaderValue::from_static(finish.name()));
    }
    insert(response.headers_mut(), cited, approvals_header(&approvals));
    response
}

fn insert(headers: &mut HeaderMap, cited: HeaderValue, asked: Option<HeaderValue>) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CITATIONS, cited);
    if let Some(asked) = asked {
        headers.insert(X_APPROVALS, asked);
    }
}

/// `Server-Timing` (W3C): the host's own share of the time, in milliseconds.
pub fn server_timing(timing: &Timing) -> Option<HeaderValue> {
    let part = |name: &str, micros: u64| format!("{name};dur={}.{:03}", micros / 1000, micros % 1000);
    let Timing { accept_us, retrieve_us, tools_us, commit_us } = *timing;
    let parts =
        [part("accept", accept_us), part("retrieve", retrieve_us), part("tools", tools_us), part("commit", commit_us)];
    HeaderValue::try_from(parts.join(", ")).ok()
}

/// The header with the ids of the approvals that an answer asks for.
fn approvals_header(approvals: &[ApprovalId]) -> Option<HeaderValue> {
    let ids: Vec<String> = approvals.iter().map(ToString::to_string).collect();
    HeaderValue::try_from(ids.join(", ")).ok().filter(|_| !ids.is_empty())
}

/// The names and values of the trailers.
fn trailers(ending: &TurnResult, approvals: &[ApprovalId]) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(4);
    trailers.insert(X_CITATIONS, citations::header(&ending.citations));
    if let Some(asked) = approvals_header(approvals) {
        trailers.insert(X_APPROVALS, asked);
    }
    trailers.insert(X_FINISH_REASON, HeaderValue::from_static(ending.finish.name()));
    if let Some(timing) = server_timing(&ending.timing) {
        trailers.insert(SERVER_TIMING, timing);
    }
    trailers
}

struct TextBody {
    first: Option<Bytes>,
    ending: Option<Arc<TurnResult>>,
    events: BoxStream<'static, TurnEvent>,
    approvals: Vec<ApprovalId>,
    trailers: bool,
    over: bool,
}

/// The turn failed after its first byte. The connection is reset, so that the failure can't look like success.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
struct BrokeOff(String);

impl http_body::Body for TextBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let ending = match self.ending.take() {
            Some(ending) => ending,
            None => loop {
                match ready!(Pin::new(&mut self.events).poll_next(context)) {
                    Some(TurnEvent::Text(text)) if text.is_empty() => {}
                    Some(TurnEvent::Text(text)) => return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
                    Some(TurnEvent::ApprovalAsked(approval)) => self.approvals.push(approval.id),
                    Some(TurnEvent::Finished(ending)) => break ending,
                    Some(TurnEvent::Failed(failure)) => {
                        self.over = true;
                        return Poll::Ready(Some(Err(axum::Error::new(BrokeOff(failure.to_string())))));
                    }
                    Some(_) => {}
                    None => {
                        self.over = true;
                        return Poll::Ready(Some(Err(axum::Error::new(BrokeOff("no end".to_owned())))));
                    }
                }
            },
        };
        self.over = true;
        Poll::Ready(self.trailers.then(|| Ok(Frame::trailers(trailers(&ending, &self.approvals)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timing_is_in_milliseconds() {
        let timing = Timing { accept_us: 1_234, retrieve_us: 56, tools_us: 0, commit_us: 2_000_000 };
        let value = server_timing(&timing).unwrap();
        assert_eq!(value, "accept;dur=1.234, retrieve;dur=0.056, tools;dur=0.000, commit;dur=2000.000");
    }
}
