//! Reads request bodies within limits of size, time and memory, and parses their JSON.
//!
//! A request takes memory through its [`Admission`] before it reads or waits.

mod admission;
mod parse;
mod type_errors;

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use self::admission::busy;
pub use self::{
    admission::{Admission, ParserPools},
    parse::{parse, parse_large, parse_weighed},
};
use super::problem::{Problem, kinds};
use crate::body_memory::MemoryPermit;

/// The most bytes of a JSON body.
pub const BODY_CAP: usize = 1 << 20;
/// The most bytes of a source.
pub const LARGE_BODY_CAP: usize = 16 << 20;
/// The most bytes of a component.
pub const COMPONENT_CAP: usize = 32 << 20;
/// How long a body may take from its first to its last byte.
pub const BODY_TIME: Duration = Duration::from_secs(15);

/// Reads a body to its end.
pub async fn read(body: Body, parts: &Parts, cap: usize) -> Result<Bytes, Problem> {
    read_within(body, &parts.headers, &Admission::of(&parts.extensions)?.share, cap, BODY_TIME).await
}

async fn read_within(
    body: Body,
    headers: &HeaderMap,
    share: &MemoryPermit,
    cap: usize,
    time: Duration,
) -> Result<Bytes, Problem> {
    let close = |problem: Problem| problem.header(header::CONNECTION, HeaderValue::from_static("close"));
    let too_large = || close(Problem::new(&kinds::BODY_TOO_LARGE, format!("the body may hold at most {cap} bytes")));
    let reserve = |bytes: usize| {
        if share.grow_to(bytes) { Ok(()) } else { Err(close(busy("the memory for request bodies is taken"))) }
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > cap as u64) {
        return Err(too_large());
    }
    // Memory is taken as the body arrives, so a length that is announced and never sent takes none.
    let most = declared.and_then(|length| usize::try_from(length).ok()).map_or(cap, |length| length.min(cap));
    let mut taken = 0;
    let reading = async {
        let mut body = body;
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Problem::new(&kinds::INVALID_JSON, "the connection ended before the body did"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
            if length > cap {
                return Err(too_large());
            }
            // The buffer doubles as it grows.
            if length > taken {
                taken = length.next_power_of_two().min(most.max(length));
                reserve(taken)?;
            }
            // Most bodies come in one piece, which needs no copy.
            match &first {
                None => first = Some(data),
                Some(head) => {
                    if rest.is_empty() {
                        rest.reserve(taken);
                        rest.extend_from_slice(head);
                        first = Some(Bytes::new());
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
    };
    tokio::time::timeout(time, reading).await.unwrap_or_else(|_| {
        Err(close(Problem::new(&kinds::BODY_TIMEOUT, format!("the body did not arrive within {} s", time.as_secs()))))
    })
}

/// The media type of a request, in lower case and without parameters. `None` when the request names none.
pub fn media_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::new(&kinds::INVALID_HEADER, "Content-Type is not ASCII"))?;
    let mut parts = text.split(';');
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset")
            && !["utf-8", "utf8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
        {
            return Err(Problem::new(&kinds::UNSUPPORTED_MEDIA_TYPE, "the charset must be utf-8"));
        }
    }
    Ok(Some(media))
}

/// Requires a JSON media type, or none.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type(headers)?.as_deref() {
        None | Some("application/json") => Ok(()),
        Some(other) if other.starts_with("application/") && other.ends_with("+json") => Ok(()),
        Some(other) => Err(Problem::new(
            &kinds::UNSUPPORTED_MEDIA_TYPE,
            format!("this route reads application/json; the request says {other:.100}"),
        )),
    }
}

/// Extracts a JSON body of at most [`BODY_CAP`]. An absent body is `{}`.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (admission, bytes) = json(request, BODY_CAP).await?;
        admission.parse(bytes).await.map(Self)
    }
}

/// Extracts a JSON body of at most [`LARGE_BODY_CAP`], unparsed. Parse it with [`parse_large`] on a thread of the
/// pools.
pub struct LargeJson {
    pub bytes: Bytes,
    pub admission: Admission,
}

impl<S: Send + Sync> FromRequest<S> for LargeJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        json(request, LARGE_BODY_CAP).await.map(|(admission, bytes)| Self { bytes, admission })
    }
}

async fn json(request: Request, cap: usize) -> Result<(Admission, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    // An absent body has no type, even if the client names one.
    if !body.is_end_stream() {
        require_json(&parts.headers)?;
    }
    let bytes = read(body, &parts, cap).await?;
    Ok((Admission::of(&parts.extensions)?.clone(), bytes))
}

#[cfg(test)]
mod tests {
    use resly_core::id::OrganizationId;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::try_from(content_type).unwrap())])
    }

    #[test]
    fn media_types() {
        assert!(require_json(&HeaderMap::new()).is_ok());
        assert!(require_json(&headers("Application/JSON; charset=UTF-8")).is_ok());
        assert!(require_json(&headers("application/merge-patch+json")).is_ok());
        let wrong = require_json(&headers("text/plain")).err().unwrap();
        assert_eq!(wrong.kind().slug, "unsupported-media-type");
        assert!(require_json(&headers("application/json; charset=latin1")).is_err());
    }

    fn share(most: usize) -> MemoryPermit {
        crate::body_memory::BodyMemory::new(most).share(OrganizationId(uuid::Uuid::nil()))
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_joined_and_capped() {
        let pieces = |n: usize| {
            Body::new(http_body_util::StreamBody::new(futures::stream::iter(
                (0..n).map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"abc")))),
            )))
        };
        let read = async |body, memory| read_within(body, &HeaderMap::new(), &share(memory), 9, BODY_TIME).await;
        assert_eq!(read(pieces(3), 99).await.unwrap(), "abcabcabc");
        assert_eq!(read(pieces(4), 99).await.err().unwrap().kind().slug, "body-too-large");
        assert_eq!(read(Body::empty(), 99).await.unwrap(), "");
        assert_eq!(read(pieces(3), 9).await.err().unwrap().kind().slug, "host-busy");
        // An announced length takes no memory before the body arrives.
        let declared = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("9"))]);
        let never = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >()));
        let silent = share(0);
        let given_up = read_within(never, &declared, &silent, 9, Duration::ZERO).await.err().unwrap();
        assert_eq!(given_up.kind().slug, "body-timeout");
        let sent = read_within(pieces(3), &declared, &share(99), 9, BODY_TIME).await.unwrap();
        assert_eq!(sent, "abcabcabc");
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up() {
        let never = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >()));
        let given_up = read_within(never, &HeaderMap::new(), &share(99), 9, Duration::ZERO).await.err().unwrap();
        assert_eq!(given_up.kind().slug, "body-timeout");
    }
}
