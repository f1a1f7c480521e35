//! Handles a response: follows its redirect, or reads, decodes and redacts it within bounds.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use resly_core::connector::outbound::{OutboundFailure, OutboundReason, OutboundResponse};
use tokio::time::Instant;

use super::{Hop, Session};
use crate::{
    egress::lock,
    failure,
    wire::{
        body::{self, Bounds},
        headers,
        redact::Redactor,
    },
};

impl Session {
    /// The address that a response redirects to, if the manifest allows redirects.
    pub(super) fn location(&self, response: &reqwest::Response) -> Option<String> {
        let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !self.spec.manifest.redirects || !leads {
            return None;
        }
        response.headers().get(header::LOCATION)?.to_str().ok().map(str::to_owned)
    }

    /// Turns a hop into the one that its redirect leads to.
    pub(super) fn follow(&self, hop: &mut Hop, status: StatusCode, location: &str) -> Result<(), OutboundFailure> {
        let target = hop.target.join(location).map_err(|error| {
            let message = format!("{} redirected to what can't be followed: {error}", hop.target.host_text());
            failure::refused(OutboundReason::Denied, message)
        })?;
        // As browsers do (RFC 9110, section 15.4): 303 becomes GET, and 301 and 302 turn POST into GET.
        let fetches = match status.as_u16() {
            303 => hop.method != Method::HEAD,
            301 | 302 => hop.method == Method::POST,
            _ => false,
        };
        if fetches {
            hop.method = Method::GET;
            hop.body = None;
            headers::drop_content(&mut hop.headers);
        }
        if !target.same_origin(&hop.target) {
            hop.trusted = false;
            headers::drop_private(&mut hop.headers);
            // A service that copies the credential into its Location would make the host send it to another origin.
            let known = self.credential();
            let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
            if redactor.is_some_and(|redactor| redactor.finds(target.url().as_str())) {
                let message = format!("{} redirected elsewhere with the credential in the URL", hop.target.host_text());
                return Err(failure::refused(OutboundReason::Denied, message));
            }
        }
        hop.target = target;
        Ok(())
    }

    pub(super) async fn receive(
        &self,
        hop: &Hop,
        response: reqwest::Response,
        until: Instant,
    ) -> Result<OutboundResponse, OutboundFailure> {
        let host = hop.target.host_text();
        // A service that got the credential earlier in this call may have passed it on to the one that answers now.
        let known = self.credential();
        let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
        let status = response.status().as_u16();
        let Some(headers) = headers::response(response.headers(), redactor) else {
            let message = format!("{host}: the response's headers are too large");
            return Err(failure::refused(OutboundReason::TooLarge, message));
        };
        let most = self.bytes_left.load(Ordering::Relaxed);
        let beyond = redactor.map_or(1, Redactor::overlap);
        let bounds = Bounds { most: most.saturating_add(beyond), idle: self.egress.config.idle_timeout, until };
        let bytes = body::read(response, bounds).await.map_err(|error| failure::body(host, &error))?;
        let received = bytes.len().min(most);
        let over = bytes.len() > most;
        let bytes = Bytes::from(bytes);
        let body = match redactor {
            Some(redactor) => redactor.body(bytes, most),
            None => bytes.slice(..received),
        };
        // A mark may be longer than the secret that it replaces, so redaction can also exceed the limit.
        let truncated = over || (redactor.is_some() && body.len() == most && received < most);
        let spent = received.max(body.len());
        let _ =
            self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(spent)));
        if let Some(entry) = lock(&self.requests).last_mut() {
            entry["bytes"] = received.into();
        }
        Ok(OutboundResponse { status, headers, body, truncated })
    }
}
