//! Request bodies: bounded in size and time, of the right type, in UTF-8, and then JSON.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::problem::{Problem, kinds};

/// The most a JSON body may hold.
pub const BODY_CAP: usize = 1 << 20;
/// The most a source may hold.
pub const LARGE_BODY_CAP: usize = 16 << 20;
/// The most a component may hold.
pub const COMPONENT_CAP: usize = 32 << 20;
/// How long a body may take from its first to its last byte.
pub const BODY_TIME: Duration = Duration::from_secs(15);

/// Reads a body to its end, or says why not.
pub async fn read(body: Body, headers: &HeaderMap, cap: usize) -> Result<Bytes, Problem> {
    read_within(body, headers, cap, BODY_TIME).await
}

async fn read_within(body: Body, headers: &HeaderMap, cap: usize, time: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(&kinds::BODY_TOO_LARGE, format!("the body may hold at most {cap} bytes"))
            .header(header::CONNECTION, HeaderValue::from_static("close"))
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > cap as u64) {
        return Err(too_large());
    }
    let reading = async {
        let mut body = body;
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Problem::new(&kinds::INVALID_JSON, "the connection ended before the body did"))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > cap {
                return Err(too_large());
            }
            // Most bodies come in one piece, which then needs no copy.
            match &first {
                None => first = Some(data),
                Some(head) => {
                    if rest.is_empty() {
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
        Err(Problem::new(&kinds::BODY_TIMEOUT, format!("the body did not arrive within {} s", time.as_secs()))
            .header(header::CONNECTION, HeaderValue::from_static("close")))
    })
}

/// The media type of a request, in lower case and without parameters; `None` when it doesn't say.
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

/// Requires a JSON media type. A request that names none is taken at its word.
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

/// Parses JSON: 400 when it isn't JSON, 422 when it is but doesn't fit.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Checked whole and first: a parser skips over what it doesn't keep.
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(&kinds::INVALID_JSON, format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new(&kinds::INVALID_JSON, "the body is empty; this route reads a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            Problem::invalid_at("$", without_value(&error.to_string()))
        } else {
            Problem::new(&kinds::INVALID_JSON, format!("the body is not valid JSON: {error}"))
        }
    })
}

/// What doesn't fit and what is expected there, but not the value: it may be a secret in the wrong place. `serde` says
/// `invalid type: string "the value", expected a map`.
fn without_value(said: &str) -> String {
    let start =
        ["invalid type: ", "invalid value: ", "unknown variant "].into_iter().find(|start| said.starts_with(start));
    let (Some(start), Some(expected)) = (start, said.rfind(", expected ")) else { return said.to_owned() };
    let value = said[start.len()..expected].find([' ', '`']).map_or(expected, |at| start.len() + at);
    format!("{}{}", said[..value].trim_end(), &said[expected..])
}

/// A JSON body of at most [`BODY_CAP`].
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        parse(&read(body, &parts.headers, BODY_CAP).await?).map(Json)
    }
}

/// A JSON body of at most [`BODY_CAP`], or none, which stands for the default.
pub struct OptionalJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, &parts.headers, BODY_CAP).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        require_json(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body of at most [`LARGE_BODY_CAP`].
pub struct LargeJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LargeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        parse(&read(body, &parts.headers, LARGE_BODY_CAP).await?).map(LargeJson)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    #[test]
    fn a_value_that_does_not_fit_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Live,
        }
        type Fields = std::collections::BTreeMap<String, Kind>;
        for wrong in [
            r#""hunter2, expected or not""#,
            r#"{"a": "hunter2"}"#,
            r#"{"a": ["hunter2"]}"#,
            r#"["hunter2"]"#,
            "77123456789",
        ] {
            let problem = parse::<Fields>(wrong.as_bytes()).unwrap_err();
            let text = problem.to_json().to_string();
            assert!(!text.contains("hunter2") && !text.contains("7712") && text.contains("expected"), "{text}");
        }
        assert_eq!(without_value("missing field `a` at line 1"), "missing field `a` at line 1");
        assert!(matches!(parse::<Fields>(br#"{"a": "live"}"#).unwrap()["a"], Kind::Live));
    }

    #[test]
    fn what_is_no_json_is_400_and_what_does_not_fit_is_422() {
        let kind = |bytes: &[u8]| parse::<std::collections::BTreeMap<String, u32>>(bytes).err().unwrap().kind().slug;
        assert_eq!(kind(b""), "invalid-json");
        assert_eq!(kind(b"{"), "invalid-json");
        assert_eq!(kind(b"{\"a\":1}x"), "invalid-json");
        assert_eq!(kind(b"\xff\xfe"), "invalid-json");
        assert_eq!(kind(b"{\"a\":\"text\"}"), "invalid-request");
        assert_eq!(parse::<Value>("[".repeat(100_000).as_bytes()).err().unwrap().kind().slug, "invalid-json");
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_joined_and_capped() {
        let pieces = |n: usize| {
            Body::new(http_body_util::StreamBody::new(futures::stream::iter(
                (0..n).map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"abc")))),
            )))
        };
        assert_eq!(read(pieces(3), &HeaderMap::new(), 9).await.unwrap(), "abcabcabc");
        assert_eq!(read(pieces(4), &HeaderMap::new(), 9).await.err().unwrap().kind().slug, "body-too-large");
        assert_eq!(read(Body::empty(), &HeaderMap::new(), 9).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up() {
        let never = Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >()));
        let given_up = read_within(never, &HeaderMap::new(), 9, Duration::ZERO).await.err().unwrap();
        assert_eq!(given_up.kind().slug, "body-timeout");
    }
}
