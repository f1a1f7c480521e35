//! Sends one hop, and repeats it while that is allowed and may help. Each attempt counts toward the call's allowance,
//! passes the circuit breaker, and is recorded for the log.

use std::sync::atomic::Ordering;

use resly_core::connector::outbound::{LOGGED_PATH, Outbound, OutboundFailure, OutboundReason};
use resly_manifest::Retry;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Hop, Session, credential::Credential};
use crate::{
    egress::lock,
    failure,
    policy::target::Target,
    wire::{
        client::{Outgoing, Transport, WireError},
        retry,
    },
};

impl Session {
    /// Sends a hop, with retries while they are allowed and may help.
    pub(super) async fn repeat(&self, hop: &mut Hop, until: Instant) -> Result<reqwest::Response, OutboundFailure> {
        let (way, credential) = self.admit(hop, until).await?;
        hop.carries.clone_from(&credential);
        let credential = credential.as_deref();
        let policy = &self.egress.config.retry;
        let rule = self.spec.manifest.retry.as_ref();
        let passing = rule.map_or(&Retry::TRANSIENT[..], |rule| &rule.statuses);
        let may = self.spec.idempotent || retry::is_repeatable(&hop.method, &hop.headers);
        let retries = if may { rule.map_or(policy.retries, |rule| rule.retries) } else { 0 };
        let mut nth = 0;
        loop {
            self.admit_attempt(hop)?;
            let result = self.send_once(hop, &way, credential, until).await;
            hop.seen |= result.as_ref().map_or_else(WireError::sent, |_| true);
            let (again, asked) = match &result {
                Ok(response) => (passing.contains(&response.status().as_u16()), retry::retry_after(response.headers())),
                Err(error) => (error.is_transient(), None),
            };
            let wait = (again && nth < retries).then(|| policy.wait(nth, asked, &*self.egress.random)).flatten();
            match wait {
                Some(wait) if self.may_repeat(Instant::now() + wait, until) => {
                    drop(result);
                    sleep(wait).await;
                    nth += 1;
                }
                _ => return result.map_err(|error| failure::wire(hop.target.host_text(), &error)),
            }
        }
    }

    /// Whether another attempt at `at` has time, an allowed request and a closed breaker.
    fn may_repeat(&self, at: Instant, until: Instant) -> bool {
        let breaker = self.egress.breaker(&self.breaker);
        at < until && self.calls_left.load(Ordering::Relaxed) > 0 && !lock(&breaker).is_open(at)
    }

    /// Counts an attempt toward the call's allowance and passes the circuit breaker.
    fn admit_attempt(&self, hop: &Hop) -> Result<(), OutboundFailure> {
        let spent = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if spent.is_err() || self.bytes_left.load(Ordering::Relaxed) == 0 {
            let message = format!(
                "a call may send {} requests, redirects and retries included, and receive {} bytes; fetch less",
                self.spec.http_calls, self.spec.response_bytes
            );
            return Err(failure::refused(OutboundReason::Quota, message));
        }
        let breaker = self.egress.breaker(&self.breaker);
        let host = hop.target.host_text();
        lock(&breaker).admit(Instant::now()).map_err(|after| failure::open_circuit(host, after))
    }

    /// Sends one request, tells the circuit breaker how it went, and records it.
    async fn send_once(
        &self,
        hop: &Hop,
        way: &Transport,
        credential: Option<&Credential>,
        until: Instant,
    ) -> Result<reqwest::Response, WireError> {
        let mut outgoing = Outgoing {
            method: hop.method.clone(),
            url: hop.target.url().clone(),
            headers: hop.headers.clone(),
            body: hop.body.clone(),
        };
        if let Some(injection) = credential.and_then(|credential| credential.injection.as_ref()) {
            injection.apply(&mut outgoing.url, &mut outgoing.headers);
        }
        let result = self.egress.clients.send(way, outgoing, until).await;
        let failed = match &result {
            Ok(response) => matches!(response.status().as_u16(), 502..=504),
            Err(error) => error.is_failure(),
        };
        let breaker = self.egress.breaker(&self.breaker);
        if failed {
            lock(&breaker).fail(Instant::now());
        } else {
            lock(&breaker).succeed();
        }
        self.record(hop, &result);
        result
    }

    fn record(&self, hop: &Hop, result: &Result<reqwest::Response, WireError>) {
        let path = self.shown_path(&hop.target);
        let mut entry = json!({"method": hop.method.as_str(), "host": hop.target.host_text(), "path": path});
        match result {
            Ok(response) => entry["status"] = response.status().as_u16().into(),
            Err(error) => entry["error"] = self.redact(&error.to_string()).into(),
        }
        tracing::debug!(
            organization = %self.spec.organization, connection = %self.spec.connection, request = %entry, "egress"
        );
        lock(&self.requests).push(entry);
    }

    /// A path for messages and the log. It is redacted before it is cut, because a part of a secret isn't recognised.
    pub(super) fn shown_path(&self, target: &Target) -> String {
        let mut path = self.redact(target.url().path()).into_owned();
        path.truncate(path.floor_char_boundary(LOGGED_PATH));
        path
    }
}
