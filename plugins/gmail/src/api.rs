//! Gmail's one method that the scope opens, and what its errors mean.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use resly_sdk::{
    Fault, FaultKind, Result,
    http::{Failure, Request, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Sender;

pub const SEND: &str = "https://gmail.googleapis.com/gmail/v1/users/me/messages/send";
/// How much of Google's own words a fault repeats, in characters.
const QUOTED: usize = 300;
const UNSURE: &str = "the mail may have been sent: look in the account's Sent folder before it is sent again";

/// What Gmail tells of a mail that it took.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    pub id: String,
    pub thread_id: String,
}

/// Sends a message. The request carries no idempotency key, since Gmail knows none, so the host sends it once; only what
/// Google refused with 401, and so did nothing about, goes again with a renewed access.
pub fn send(message: &str, thread: Option<&str>, send: Sender) -> Result<Sent> {
    let mut body = json!({"raw": URL_SAFE.encode(message)});
    if let Some(thread) = thread {
        body["threadId"] = thread.into();
    }
    let response = send(request(&body)?).map_err(|failure| no_answer(failure, true))?;
    if response.is_success() {
        return response
            .json()
            .map_err(|_| Fault::upstream("Gmail took the mail, and its answer can't be read").retryable(false));
    }
    let fault = fault(&response);
    // A server that fails has perhaps done its work before.
    let unsure = response.status >= 500;
    Err(if unsure {
        Fault { message: format!("{}; {UNSURE}", fault.message), ..fault }.retryable(false)
    } else {
        fault
    })
}

/// Asks to send nothing. That Gmail finds no message shows that it let the request in.
pub fn check(send: Sender) -> Result<()> {
    let response = send(request(&json!({}))?).map_err(|failure| no_answer(failure, false))?;
    if response.is_success() {
        return Err(Fault::upstream("Gmail took a mail that wasn't there; try again later"));
    }
    match fault(&response) {
        Fault { kind: FaultKind::InvalidInput, .. } => Ok(()),
        fault => Err(fault),
    }
}

fn request(body: &Value) -> Result<Request> {
    Request::post(SEND).header("accept", "application/json").json(body)
}

fn no_answer(failure: Failure, mail: bool) -> Fault {
    let may_be_sent = failure.sent && mail;
    let fault = Fault::from(failure);
    if may_be_sent { Fault { message: format!("{}; {UNSURE}", fault.message), ..fault } } else { fault }
}

/// Google, "Resolve errors" (Gmail API) and "API errors" (`google.rpc.Status`).
fn fault(response: &Response) -> Fault {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = &body["error"];
    let said: String = error["message"].as_str().unwrap_or("no message").chars().take(QUOTED).collect();
    let reasons = [&error["errors"], &error["details"]];
    let reasons = reasons.into_iter().filter_map(Value::as_array).flatten().filter_map(|one| one["reason"].as_str());
    let reasons: Vec<&str> = reasons.chain(error["status"].as_str()).collect();
    let is = |known: &[&str]| reasons.iter().any(|reason| known.contains(reason));
    match response.status {
        400 if is(&["failedPrecondition", "FAILED_PRECONDITION"]) => {
            Fault::upstream(format!("this account can't send mail. Google said: {said}")).retryable(false)
        }
        400 | 413 => Fault::invalid_input(format!("Gmail refused the mail as it is. It said: {said}")),
        401 => Fault::needs_auth("Google refused the access; an admin has to connect the account again"),
        403 if is(&["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"]) => {
            Fault::rate_limited("Gmail's rate limit is reached; try again in a minute")
        }
        403 if is(&["dailyLimitExceeded", "quotaExceeded"]) => Fault::rate_limited(
            "the account or its project has reached what Google allows in a day; try again tomorrow",
        ),
        403 if is(&["accessNotConfigured", "SERVICE_DISABLED"]) => Fault::needs_auth(
            "the Gmail API is not enabled in the OAuth app's Google Cloud project; enable it there, then test again",
        ),
        403 if is(&["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"]) => Fault::needs_auth(
            "the access lacks the scope `gmail.send`; connect the account again and leave that permission ticked",
        ),
        403 => Fault::needs_auth(format!("Google doesn't allow this account to send by this app. It said: {said}")),
        404 => Fault::not_found("this mailbox has no such thread; check the thread's id"),
        429 => Fault { message: format!("{}. Gmail said: {said}", response.fault().message), ..response.fault() },
        _ => response.fault(),
    }
}
