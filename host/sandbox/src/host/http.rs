//! `http`: sends one request. The bounds are here. The call's [`Outbound`] checks and sends it.

use std::time::Duration;

use bytes::Bytes;
use resly_core::connector::{
    fault::{Fault, FaultKind},
    outbound::{OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse},
};
use resly_manifest::Allowance;
use url::Url;
use wasmtime::{StoreContextMut, component::LinkerInstance};

use crate::{
    bindings::connector::resly::connector::http::{Failure, Header, Reason, Request, Response},
    fault,
    guest::{Guest, ResponseSummary},
    limits::{HTTP_BODY, HTTP_HEADER_BYTES, HTTP_HEADERS, HTTP_METHOD, HTTP_URL},
    store::charge,
};

pub fn link(http: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    http.func_wrap_async("send", |store, (request,): (Request,)| {
        Box::new(async move { Ok((send(store, request).await?,)) })
    })
}

async fn send(mut store: StoreContextMut<'_, Guest>, request: Request) -> wasmtime::Result<Result<Response, Failure>> {
    let guest = store.data_mut();
    (guest.requested_wait, guest.answered) = (None, None);
    let url = Url::parse(&request.url).ok();
    let result = exchange(&mut store, request).await?;
    let guest = store.data_mut();
    guest.refusal = refusal(&result, &guest.allowance);
    guest.answered = result.as_ref().ok().map(|response| answered(response, url.as_ref()));
    Ok(result.map_err(Failure::from))
}

fn answered(response: &Response, url: Option<&Url>) -> ResponseSummary {
    let location = response.headers.iter().find(|header| header.name == "location").map(|header| header.value.as_str());
    let target =
        location.filter(|_| matches!(response.status, 301 | 302 | 303 | 307 | 308)).and_then(|to| url?.join(to).ok());
    let host = target.as_ref().and_then(Url::host_str);
    ResponseSummary { status: response.status, redirects_to: host.map(str::to_owned) }
}

/// The fault for a request that the host refused, or a response that it cut.
fn refusal(result: &Result<Response, OutboundFailure>, allowance: &Allowance) -> Option<Fault> {
    match result {
        // The body of an error may be cut, because the status says enough.
        Ok(response) if response.truncated && (200..300).contains(&response.status) => {
            let more = allowance.response_bytes < Allowance::MOST.response_bytes;
            let more = fault::advice(more, "limits.response_bytes");
            let message = format!(
                "the service's answer is larger than a call may read ({} bytes, all its answers together); ask for less at \
                 once{more}",
                allowance.response_bytes
            );
            Some(fault::fault(FaultKind::TooLarge, message))
        }
        Ok(_) => None,
        Err(failure) => {
            let kind = match failure.reason {
                OutboundReason::Denied => FaultKind::Denied,
                OutboundReason::Quota | OutboundReason::TooLarge => FaultKind::TooLarge,
                OutboundReason::NeedsAuth => FaultKind::NeedsAuth,
                OutboundReason::CircuitOpen => FaultKind::CircuitOpen,
                OutboundReason::Timeout | OutboundReason::Network | OutboundReason::Invalid => return None,
            };
            let fault = fault::fault(kind, failure.message.clone()).with_remedy(failure.remedy);
            Some(fault.retryable(kind == FaultKind::CircuitOpen))
        }
    }
}

async fn exchange(
    store: &mut StoreContextMut<'_, Guest>,
    request: Request,
) -> wasmtime::Result<Result<Response, OutboundFailure>> {
    charge(store, size(&request))?;
    if let Err(failure) = check(&request) {
        return Ok(Err(failure));
    }
    let guest = store.data_mut();
    let allowance = guest.allowance;
    if guest.http_calls >= allowance.http_calls {
        let message = format!("a call may send {} requests; fetch less, or in larger pages", allowance.http_calls);
        return Ok(Err(OutboundFailure::refused(OutboundReason::Quota, message)));
    }
    if guest.response_bytes >= allowance.response_bytes {
        let message = format!("a call may receive {} bytes, and it has; fetch less", allowance.response_bytes);
        return Ok(Err(OutboundFailure::refused(OutboundReason::Quota, message)));
    }
    let Some(connector) = guest.connector.clone() else {
        return Ok(Err(OutboundFailure::refused(OutboundReason::Denied, "there is no outside here")));
    };
    guest.http_calls += 1;
    // It counts as sent before the result is known, because the call may end at its deadline meanwhile.
    guest.sent += 1;
    let left = guest.time_left();
    let timeout = request.timeout_ms.map_or(left, |ms| Duration::from_millis(ms.into()).min(left));
    let request = OutboundRequest {
        method: request.method,
        url: request.url,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body.map(Bytes::from),
        timeout: Some(timeout),
    };
    let result = connector.outbound.send(request).await;
    store.data_mut().sent -= u32::from(!was_sent(&result));
    match result {
        Ok(response) => {
            let guest = store.data_mut();
            guest.requested_wait = response.retry_after();
            let response = within(response, allowance.response_bytes - guest.response_bytes);
            guest.response_bytes += response.body.len();
            charge(store, response.body.len())?;
            Ok(Ok(response))
        }
        Err(failure) => Ok(Err(failure)),
    }
}

/// Whether the request was sent, or may have been.
fn was_sent(result: &Result<OutboundResponse, OutboundFailure>) -> bool {
    match result {
        Ok(_) => true,
        Err(failure) => failure.sent || matches!(failure.reason, OutboundReason::Network | OutboundReason::Timeout),
    }
}

/// Bounds the size of a request. The egress policy checks its contents.
fn check(request: &Request) -> Result<(), OutboundFailure> {
    let header_bytes: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    let body = request.body.as_ref().map_or(0, Vec::len);
    let bounds = [
        ("its method", request.method.len(), HTTP_METHOD, "bytes"),
        ("its URL", request.url.len(), HTTP_URL, "bytes"),
        ("its headers", request.headers.len(), HTTP_HEADERS, "headers"),
        ("its headers", header_bytes, HTTP_HEADER_BYTES, "bytes"),
        ("its body", body, HTTP_BODY, "bytes"),
    ];
    match bounds.into_iter().find(|(_, have, most, _)| have > most) {
        None => Ok(()),
        Some((what, have, most, unit)) => {
            let message = format!("the request is too large: {what} has {have} {unit}, at most {most} may be sent");
            Err(OutboundFailure::refused(OutboundReason::TooLarge, message))
        }
    }
}

fn size(request: &Request) -> usize {
    let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    request.method.len() + request.url.len() + headers + request.body.as_ref().map_or(0, Vec::len)
}

/// The response, with its body cut at what the call may still receive.
fn within(response: OutboundResponse, most: usize) -> Response {
    let truncated = response.truncated || response.body.len() > most;
    let headers = response.headers.into_iter().map(|(name, value)| Header { name, value }).collect();
    let mut body = Vec::from(response.body);
    body.truncate(most);
    Response { status: response.status, headers, body, truncated }
}

impl From<OutboundFailure> for Failure {
    fn from(failure: OutboundFailure) -> Self {
        let reason = match failure.reason {
            OutboundReason::Denied => Reason::Denied,
            OutboundReason::NeedsAuth => Reason::NeedsAuth,
            OutboundReason::Quota => Reason::Quota,
            OutboundReason::Timeout => Reason::Timeout,
            OutboundReason::TooLarge => Reason::TooLarge,
            OutboundReason::Network | OutboundReason::CircuitOpen => Reason::Network,
            OutboundReason::Invalid => Reason::Invalid,
        };
        let retry_after_ms = failure.retry_after.map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        Self { reason, message: failure.message, retry_after_ms, sent: failure.sent }
    }
}
