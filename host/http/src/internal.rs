//! What the other hosts of the database ask of this one: the events of a turn that this host runs, or to cancel it.
//!
//! Only signed requests are answered (`resly_service::cluster::signature`), and none that came through a proxy or from a
//! page. To everybody else there is nothing at these paths.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use resly_core::turn::live::{LiveTurn, TurnEvent};
use resly_service::{App, cluster::TurnAddress};

use crate::{Api, docs};

/// Every path of this module.
pub const PATHS: &str = "/internal/{*rest}";
/// How often a stream without events sends an empty line. The other host waits longer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Headers that hosts don't send each other: those of proxies and of browsers.
const OUTSIDE: [HeaderName; 4] =
    [header::ORIGIN, header::FORWARDED, header::VIA, HeaderName::from_static("x-forwarded-for")];

/// `GET` streams the turn's events from the first one on, one JSON text a line. `DELETE` cancels the turn.
pub async fn handle(State(api): State<Api>, request: Request) -> Response {
    let found =
        accept(&api.app, &request).and_then(|turn| api.app.turns.live.find_answer(turn.organization, turn.answer));
    match (request.method(), found) {
        (&Method::GET, Some(live)) => events(&live),
        (&Method::DELETE, Some(live)) => {
            live.cancel();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => docs::not_found(request.headers().clone()).await,
    }
}

fn accept(app: &App, request: &Request) -> Option<TurnAddress> {
    let (headers, uri) = (request.headers(), request.uri());
    if uri.query().is_some() || OUTSIDE.iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    let signature = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    app.cluster.accept(request.method().as_str(), uri.path(), signature)
}

fn events(live: &Arc<LiveTurn>) -> Response {
    let lines = stream::unfold(live.answer().events, |mut events| async move {
        let line = match tokio::time::timeout(KEEP_ALIVE, events.next()).await {
            Ok(Some(event)) => line(&event),
            Ok(None) => return None,
            Err(_) => Ok(Bytes::from_static(b"\n")),
        };
        Some((line, events))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn line(event: &TurnEvent) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line.into())
}
