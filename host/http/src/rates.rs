//! Applies the rates of a request's key: to the key and the client's address when the request comes in, and to the
//! visitor when the body has named it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Body, response::Response};
use http::Extensions;
use http_body::{Body as _, Frame, SizeHint};
use resly_core::{rate::RateSubject, turn::live::LiveTurn};
use resly_service::{
    App,
    keyring::Identity,
    rates::{Caller, RateExceeded, RateLeft, StreamPermit, Subject},
};

use super::{
    problem::{Problem, kinds, members::ReachedRate},
    rate_limit,
};

/// The `Retry-After` of a limit on answers in progress. Nobody knows when one of them ends.
const STREAMS_RETRY_S: u64 = 5;

/// The rates that one request has passed so far.
pub struct RateGate {
    app: Arc<App>,
    identity: Arc<Identity>,
    /// Whether its answer counts among those in progress.
    streams: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    address: Option<IpAddr>,
    /// The rest of the rate with the least left.
    left: Option<RateLeft>,
    permits: Vec<Arc<StreamPermit>>,
}

impl RateGate {
    pub fn new(app: Arc<App>, identity: Arc<Identity>, streams: bool) -> Self {
        Self { app, identity, streams, state: Mutex::default() }
    }

    /// Counts the request for its client's address, then for its key. The address comes first, so that its refused
    /// requests take nothing from the key's rate.
    pub async fn enter(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.state().address = address;
        if let Some(address) = address {
            self.pass(Subject::Address(address)).await?;
        }
        self.pass(Subject::Key).await
    }

    fn caller(&self) -> Caller<'_> {
        Caller { key: self.identity.lineage, limits: &self.identity.rate_limits }
    }

    async fn pass(&self, subject: Subject<'_>) -> Result<(), Problem> {
        let (caller, rates) = (self.caller(), &self.app.rates);
        let permit = if self.streams { rates.stream(caller, subject).map_err(|hit| self.problem(hit))? } else { None };
        let left = rates.request(caller, subject).await.map_err(|hit| self.problem(hit))?;
        let mut state = self.state();
        state.permits.extend(permit.map(Arc::new));
        state.left = state.left.into_iter().chain(left).min_by_key(|left| left.remaining);
        Ok(())
    }

    /// The same for the visitor whom a request names, by the gate that [`super::guard`] left in its extensions.
    pub async fn pass_visitor(extensions: &Extensions, visitor: Option<&str>) -> Result<(), Problem> {
        let (Some(gate), Some(visitor)) = (extensions.get::<Arc<Self>>(), visitor) else { return Ok(()) };
        let passed = gate.pass(Subject::Visitor(visitor)).await;
        if passed.is_err() {
            let address = gate.state().address.map(Subject::Address);
            for subject in address.into_iter().chain([Subject::Key]) {
                gate.app.rates.refund(gate.caller(), subject).await;
            }
        }
        passed
    }

    /// An answer counts until it is written, even when its client has left.
    pub fn keep_until_end(extensions: &Extensions, live: &LiveTurn) {
        if let Some(gate) = extensions.get::<Arc<Self>>() {
            live.keep_until_end(gate.state().permits.clone());
        }
    }

    /// Adds the fields of the rate with the least left, and keeps the permits until the response has been sent.
    pub fn finish(&self, response: Response) -> Response {
        let State { left, permits, .. } = std::mem::take(&mut *self.state());
        let (mut parts, body) = response.into_parts();
        if let Some(left) = left {
            rate_limit::insert_rate(&mut parts.headers, left, self.app.clock.now());
        }
        let body = if permits.is_empty() || body.is_end_stream() {
            body
        } else {
            Body::new(BodyWithPermits { body, permits })
        };
        Response::from_parts(parts, body)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self, hit: RateExceeded) -> Problem {
        let detail = hit.to_string();
        match hit {
            RateExceeded::Requests { subject, limit, resets_at } => {
                let now = self.app.clock.now();
                let left = RateLeft { subject, limit, remaining: 0, resets_at };
                let rate = ReachedRate {
                    subject: subject.name(),
                    requests_per_minute: Some(limit),
                    resets_at: Some(resets_at),
                    streams: None,
                };
                let problem = Problem::new(&kinds::RATE_LIMITED, format!("{detail}: {}", advice(subject)));
                let seconds = rate_limit::seconds_until(resets_at, now).max(1);
                let fields = rate_limit::rate_fields(left, now);
                let problem = fields.into_iter().fold(problem, |problem, (name, value)| problem.header(name, value));
                problem.with(|members| members.tell_rate(rate)).retry_after(seconds)
            }
            RateExceeded::Streams { subject, limit } => {
                let rate = ReachedRate {
                    subject: subject.name(),
                    requests_per_minute: None,
                    resets_at: None,
                    streams: Some(limit),
                };
                let problem = Problem::new(&kinds::TOO_MANY_STREAMS, format!("{detail}: {}", advice(subject)));
                problem.with(|members| members.tell_rate(rate)).retry_after(STREAMS_RETRY_S)
            }
        }
    }
}

fn advice(subject: RateSubject) -> &'static str {
    match subject {
        RateSubject::Key => "wait for `Retry-After`, or have an admin raise `rate_limits.key` of the key",
        RateSubject::Visitor => "wait for `Retry-After`, or have an admin raise `rate_limits.visitor` of the key",
        RateSubject::Address => "wait for `Retry-After`, or have an admin raise `rate_limits.address` of the key",
    }
}

/// A response's body with the permits of its answer.
struct BodyWithPermits {
    body: Body,
    #[expect(dead_code, reason = "what they are kept for is their end")]
    permits: Vec<Arc<StreamPermit>>,
}

impl http_body::Body for BodyWithPermits {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<bytes::Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a request counts as an answer in progress.
pub fn is_stream(method: &http::Method, route: Option<&str>) -> bool {
    match route {
        Some("/api/chat") => method == http::Method::POST,
        Some("/api/chat/{id}/stream") => method == http::Method::GET,
        _ => false,
    }
}
