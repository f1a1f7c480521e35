//! The Gmail method that the scope allows, and the meaning of its errors.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use resly_sdk::{
    Fault, FaultKind, Result,
    http::{Failure, Request, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Sender;

pub const SEND: &str = "https://gmail.googleapis.com/gmail/v1/users/me/messages/send";
/// Characters of Google's message that a fault quotes.
const QUOTED: usize = 300;
const UNSURE: &str = "the mail may have been sent: look in the account's Sent folder before it is sent again";

/// Gmail's answer about an accepted mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    pub id: String,
    pub thread_id: String,
}

/// Sends a message. Gmail has no idempotency keys, so the request carries none and the host doesn't retry it. Only a
/// request that Google refused with 401, and so didn't carry out, is repeated with a renewed token.
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
    // A server may have done its work before it failed.
    let unsure = response.status >= 500;
    Err(if unsure {
        Fault { message: format!("{}; {UNSURE}", fault.message), ..fault }.retryable(false)
    } else {
        fault
    })
}

/// Tests the access without sending a mail: when Gmail reports that the message is missing, it has accepted the token.
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

/// The fault for an error (Google, "Resolve errors" of the Gmail API and "API errors", `google.rpc.Status`).
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
