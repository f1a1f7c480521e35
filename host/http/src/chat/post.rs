//! `POST /api/chat`: a question in, an answer out, in the format that the client asked for.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use resly_core::{
    id::{ConversationId, MessageId},
    principal::{KeyKind, Principal},
    turn::{
        Start, TurnRequest,
        live::AnswerEvents,
        replay::Replay,
        store::{BeginTurnError, ConversationRef, Idempotency},
    },
};
use resly_service::{App, cluster};

use super::{
    format::Format,
    json,
    parse::{self, ChatBody},
    text, ui,
};
use crate::{
    body::{self, Admission},
    guard::ChatKey,
    problem::{Problem, kinds},
    rate_limit,
    rates::RateGate,
};

const X_CONVERSATION_ID: HeaderName = HeaderName::from_static("x-conversation-id");
const X_MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");
const X_CONVERSATION_STATE: HeaderName = HeaderName::from_static("x-conversation-state");
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Asks a question.
///
/// Streams `text/plain` by default; `Accept: text/event-stream` or `?format=ui` gives the AI SDK's UI message stream,
/// `Accept: application/json` or `?format=json` one object at the end.
///
/// An answer may ask to confirm something before it is done. A history whose last message is the assistant's, with parts in
/// the state `approval-responded`, decides that, and the answer goes on; so does a user's plain yes or no.
///
/// While a person has the conversation, the message is stored for them, and the answer has the status `handed_over`.
#[utoipa::path(
    post, path = "/api/chat", tag = "chat", operation_id = "chat",
    params(
        ("format" = Option<String>, Query, description = "`text`, `ui` or `json`; wins over `Accept`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the same request get the same answer, counted once"),
    ),
    request_body = parse::ChatRequest,
    responses(
        (status = 200, description = "The answer", content(
            (String = "text/plain"),
            (String = "text/event-stream"),
            (json::Answer = "application/json"),
        ), headers(
            ("X-Conversation-Id" = String, description = "Send it back as `conversationId` to go on"),
            ("X-Message-Id" = String, description = "For `GET /api/messages/{id}`"),
            ("X-Citations" = String, description = "What the answer rests on: JSON in ASCII, at most 4 KB (text only)"),
            ("X-Approvals" = String, description = "Ids of what the answer asks to confirm, with commas between (text only)"),
            ("X-Conversation-State" = String, description = "`waiting` or `agent`: a person answers in this conversation, and the body says so"),
            ("RateLimit" = String, description = "What is left of the tightest limit on messages"),
        )),
    ),
)]
pub async fn handle(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let format = Format::choose(parts.uri.query(), &parts.headers)?;
    let idempotency_key = idempotency_key(&parts.headers)?;
    body::require_json(&parts.headers)?;
    let bytes = body::read(body, &parts, body::BODY_CAP).await?;
    let chat = parse::chat_body(Admission::of(&parts.extensions)?.parse(bytes).await?)?;
    RateGate::pass_visitor(&parts.extensions, chat.visitor_id.as_deref()).await?;
    let request = turn_request(&principal, chat, format, idempotency_key)?;
    let start = cluster::takeover::start(&app, request).await?;
    let started = match start {
        Start::Running(started) => started,
        Start::Replay(given) => {
            let mut response = stored(given, format)?;
            let replayed = HeaderName::from_static("idempotent-replayed");
            response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
            return Ok(response);
        }
        Start::HandedOver { notice, state, remaining } => {
            let mut response = stored(notice, format)?;
            response.headers_mut().insert(X_CONVERSATION_STATE, HeaderValue::from_static(state.name()));
            rate_limit::insert(response.headers_mut(), remaining, app.clock.now());
            return Ok(response);
        }
    };
    RateGate::keep_until_end(&parts.extensions, &started.live);
    let mut response = answer(started.live.answer(), format, wants_trailers(&parts.headers)).await?;
    identify(response.headers_mut(), started.conversation, started.message);
    rate_limit::insert(response.headers_mut(), started.remaining, app.clock.now());
    Ok(response)
}

/// Sends an answer's events from the first one on, in this format.
pub(super) async fn answer(answer: AnswerEvents, format: Format, trailers: bool) -> Result<Response, Problem> {
    match format {
        Format::Text => text::stream(answer, trailers).await,
        Format::Ui => Ok(ui::stream(answer)),
        Format::Json => return json::wait(answer).await,
    }
    .map(unbuffered)
}

/// Asks proxies to pass on each piece as it comes: nginx must not buffer, and none may compress or rewrite.
fn unbuffered(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    response
}

pub(super) fn identify(headers: &mut HeaderMap, conversation: ConversationId, message: MessageId) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, id) in [(X_CONVERSATION_ID, conversation.0), (X_MESSAGE_ID, message.0)] {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        // Hex digits and dashes are always a valid value.
        if let Ok(value) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)) {
            headers.insert(name, value);
        }
    }
}

fn turn_request(
    principal: &Principal,
    chat: ChatBody,
    format: Format,
    idempotency_key: Option<String>,
) -> Result<TurnRequest, Problem> {
    if !chat.system.is_empty() && principal.kind == KeyKind::Publishable {
        return Err(Problem::new(
            &kinds::SYSTEM_NOT_ALLOWED,
            "a publishable key can't send messages with the role `system`",
        ));
    }
    let verdicts = chat.verdicts.iter().map(|(id, verdict)| match id {
        Ok(id) => Ok((*id, verdict.clone())),
        Err(_) => Err(Problem::from(BeginTurnError::NoApproval)),
    });
    let verdicts = verdicts.collect::<Result<Vec<_>, _>>()?;
    let idempotency = idempotency_key.map(|key| Idempotency { key, fingerprint: chat.fingerprint() });
    let conversation = match (chat.conversation_id, chat.name) {
        (Some(id), _) => {
            ConversationRef::Id(id.parse().map_err(|_| Problem::not_found("there is no such conversation"))?)
        }
        (None, Some(name)) => ConversationRef::Named(name),
        (None, None) => ConversationRef::New,
    };
    Ok(TurnRequest {
        principal: principal.clone(),
        conversation,
        visitor: chat.visitor_id,
        instructions: chat.system,
        messages: chat.messages,
        verdicts,
        idempotency,
        delivery: format.delivery(),
    })
}

/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the draft's quoted string, or the bare text that most
/// clients send.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().map(|text| {
        let text = text.trim();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
    });
    match key.filter(|key| (1..=255).contains(&key.len())) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::new(&kinds::INVALID_HEADER, "Idempotency-Key must be 1 to 255 ASCII characters")),
    }
}

/// `TE: trailers` (RFC 9110, section 10.1.4).
fn wants_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("trailers")))
}

/// Sends an answer that is stored.
fn stored(given: Replay, format: Format) -> Result<Response, Problem> {
    let (conversation, id) = (given.message.conversation_id, given.message.id);
    let mut response = match format {
        Format::Text => unbuffered(text::replay(given)),
        Format::Ui => unbuffered(ui::replay(&given)),
        Format::Json => json::Answer::replayed(&given).respond()?,
    };
    identify(response.headers_mut(), conversation, id);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn idempotency_keys_come_quoted_or_bare() {
        let read = |value| idempotency_key(&headers(IDEMPOTENCY_KEY, value));
        assert_eq!(read("\"abc\"").unwrap().as_deref(), Some("abc"));
        assert_eq!(read("abc").unwrap().as_deref(), Some("abc"));
        assert!(read("").is_err());
        assert!(read("\"\"").is_err());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn trailers_are_asked_for_by_name() {
        assert!(wants_trailers(&headers("te", "gzip, trailers")));
        assert!(wants_trailers(&headers("te", "Trailers;q=1")));
        assert!(!wants_trailers(&headers("te", "gzip")));
        assert!(!wants_trailers(&HeaderMap::new()));
    }
}
