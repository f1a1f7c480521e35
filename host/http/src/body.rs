//! Request bodies: bounded in size, time and memory, of the right type, in UTF-8, and then JSON.
//!
//! [`Admission`] is what a request may take of the host: its share of the memory for bodies, which it takes before it reads
//! or waits, and its turn on the threads that read what is large.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderValue, header, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use resly_core::{id::OrganizationId, json::without_bom};
use resly_manifest::json_weight::{WeighError, weigh};
use resly_service::FieldError;
use serde::de::DeserializeOwned;

use super::problem::{Problem, kinds};
use crate::{
    body_memory::Share,
    fair_pool::{FairPool, PoolError},
};

/// The most a JSON body may hold.
pub const BODY_CAP: usize = 1 << 20;
/// The most a source may hold.
pub const LARGE_BODY_CAP: usize = 16 << 20;
/// The most a component may hold.
pub const COMPONENT_CAP: usize = 32 << 20;
/// How long a body may take from its first to its last byte.
pub const BODY_TIME: Duration = Duration::from_secs(15);

/// A body below this is parsed where it arrives, and not weighed: the most that it can become is small.
const SMALL: usize = 4 << 10;
/// What a body may weigh once it is parsed: see [`resly_manifest::json_weight`].
const WEIGHT_CAP: usize = 48 << 20;
const LARGE_WEIGHT_CAP: usize = 256 << 20;
/// When a client that found no memory or no turn may try again, in seconds.
const RETRY_AFTER: u64 = 2;

/// The threads that bodies are read on.
pub struct Readers {
    /// Up to [`BODY_CAP`], a few milliseconds each.
    pub quick: FairPool,
    /// What is larger, and what takes longer: definitions, components, documents. One processor of four.
    pub heavy: FairPool,
}

impl Readers {
    /// What is heavy leaves the processors to the answers.
    const NICE: i32 = 10;

    pub fn start() -> std::io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            quick: FairPool::start("resly-read", processors / 2, 0)?,
            heavy: FairPool::start("resly-examine", processors / 4, Self::NICE)?,
        })
    }

    /// Runs heavy work in the organization's turn.
    pub async fn examine<T: Send + 'static>(
        &self,
        organization: OrganizationId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.heavy.run(organization, work).await.map_err(|error| not_run(&error))
    }
}

/// What a request may take of the host. It travels in the request's extensions, and what it took is given back when the
/// response begins.
#[derive(Clone)]
pub struct Admission {
    pub organization: OrganizationId,
    pub share: Arc<Share>,
    pub readers: Arc<Readers>,
}

impl Admission {
    /// Of a request that has passed the guard.
    pub fn of(extensions: &Extensions) -> Result<&Self, Problem> {
        extensions.get().ok_or_else(|| Problem::internal(&"a route that reads a body is not behind the guard"))
    }

    /// Takes memory before it is used.
    pub fn reserve(&self, bytes: usize) -> Result<(), Problem> {
        if self.share.grow_to(bytes) { Ok(()) } else { Err(busy("the memory for request bodies is taken")) }
    }

    /// Runs heavy work in the organization's turn.
    pub async fn examine<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.readers.examine(self.organization, work).await
    }

    /// Parses a body of a route that takes at most [`BODY_CAP`].
    pub async fn parse<T: DeserializeOwned + Send + 'static>(&self, bytes: Bytes) -> Result<T, Problem> {
        if bytes.len() <= SMALL {
            return parse_or_nothing(&bytes);
        }
        let share = Arc::clone(&self.share);
        let work = move || {
            let weight = weight(&bytes, WEIGHT_CAP)?;
            if !share.grow_to(bytes.len() + weight) {
                return Err(busy("the memory for request bodies is taken"));
            }
            parse(&bytes)
        };
        self.readers.quick.run(self.organization, work).await.map_err(|error| not_run(&error))?
    }
}

fn busy(what: &str) -> Problem {
    Problem::new(&kinds::HOST_BUSY, format!("{what}; nothing was done, try again in {RETRY_AFTER} s"))
        .retry_after(RETRY_AFTER)
}

fn not_run(error: &PoolError) -> Problem {
    match error {
        PoolError::Full => busy(&error.to_string()),
        PoolError::Ended => Problem::internal(error),
    }
}

/// Bytes that a body takes once it is parsed. What is no JSON takes none: parsing it tells why.
fn weight(bytes: &[u8], most: usize) -> Result<usize, Problem> {
    let Ok(text) = std::str::from_utf8(without_bom(bytes)) else { return Ok(0) };
    match weigh(text, most) {
        Ok(weight) => Ok(weight),
        Err(WeighError::NotJson) => Ok(0),
        Err(error @ WeighError::TooHeavy { .. }) => {
            Err(Problem::new(&kinds::BODY_TOO_LARGE, format!("the body can't be taken: {error}; send less at once")))
        }
    }
}

/// Parses a body of at most [`LARGE_BODY_CAP`]. For a thread of [`Readers`]; what comes out shouldn't leave it whole.
pub fn parse_large<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    weight(bytes, LARGE_WEIGHT_CAP)?;
    parse_or_nothing(bytes)
}

/// The same for a body of at most [`BODY_CAP`].
pub fn parse_weighed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    weight(bytes, WEIGHT_CAP)?;
    parse(bytes)
}

/// Reads a body to its end, or says why not.
pub async fn read(body: Body, parts: &Parts, cap: usize) -> Result<Bytes, Problem> {
    read_within(body, &parts.headers, &Admission::of(&parts.extensions)?.share, cap, BODY_TIME).await
}

async fn read_within(
    body: Body,
    headers: &HeaderMap,
    share: &Share,
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
    // Memory is taken as the body arrives: what is announced and never sent keeps it from nobody.
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
            // Most bodies come in one piece, which then needs no copy.
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
    let text = std::str::from_utf8(without_bom(bytes)).map_err(|error| {
        Problem::new(&kinds::INVALID_JSON, format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new(&kinds::INVALID_JSON, "the body is empty; this route reads a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            Problem::invalid(vec![misfit::<T>(text, &error)])
        } else {
            Problem::new(&kinds::INVALID_JSON, format!("the body is not valid JSON: {error}"))
        }
    })
}

/// The same; no body stands for an object without members, where that is enough.
fn parse_or_nothing<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if !bytes.is_empty() {
        return parse(bytes);
    }
    parse(b"{}").map_err(|problem| {
        let detail = format!("the body is empty; this route reads a JSON object, and {}", problem.detail());
        Problem::new(&kinds::INVALID_JSON, detail)
    })
}

/// Where and how well-formed JSON doesn't fit a type. Reading with the path at hand is slower, so it is done again, once it
/// has failed.
fn misfit<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> FieldError {
    let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text)).err();
    let path = again.as_ref().map(|error| error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
    let said = again.map_or_else(|| error.to_string(), |error| error.into_inner().to_string());
    // The path says where.
    let said = said.rfind(" at line ").map_or(said.as_str(), |end| &said[..end]);
    if let Some(name) = said.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        return FieldError::new(path, "it is missing");
    }
    FieldError::new(if path.is_empty() { "$".to_owned() } else { path }, in_plain_words(&without_value(said)))
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

/// The parser's words for types, as JSON calls them.
fn in_plain_words(said: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("a sequence", "a list"),
        ("sequence", "list"),
        ("a map", "an object"),
        ("map", "object"),
        ("unit value", "null"),
        ("string", "text"),
        ("floating point", "number with a fraction"),
        ("boolean", "true or false"),
    ];
    let Some(rest) = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: ")) else {
        return said.to_owned();
    };
    let Some((got, wanted)) = rest.split_once(", expected ") else { return said.to_owned() };
    let plain = |word: &str| {
        let known = WORDS.iter().find(|(theirs, _)| *theirs == word || format!("a {theirs}") == word);
        known.map_or_else(|| word.to_owned(), |(_, ours)| (*ours).to_owned())
    };
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that isn't negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "a borrowed string" => "a text".to_owned(),
        // The name of a type of ours says nothing to a client.
        wanted if wanted.starts_with("struct ") || wanted.starts_with("internally tagged enum ") => {
            "an object".to_owned()
        }
        wanted => plain(wanted),
    };
    format!("{wanted} is expected, not {}", article(&plain(got)))
}

fn article(noun: &str) -> String {
    match noun {
        "null" | "true or false" => noun.to_owned(),
        noun if noun.starts_with("a ") || noun.starts_with("an ") => noun.to_owned(),
        noun if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {noun}"),
        noun => format!("a {noun}"),
    }
}

/// A JSON body of at most [`BODY_CAP`]. None is `{}`.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (admission, bytes) = json(request, BODY_CAP).await?;
        admission.parse(bytes).await.map(Self)
    }
}

/// A JSON body of at most [`LARGE_BODY_CAP`], unread: it is read with [`parse_large`], on a thread for that.
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
    // What isn't there has no type, whatever a client says of it.
    if !body.is_end_stream() {
        require_json(&parts.headers)?;
    }
    let bytes = read(body, &parts, cap).await?;
    Ok((Admission::of(&parts.extensions)?.clone(), bytes))
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
    fn a_member_whose_name_is_a_key_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[serde(rename = "name")]
            _name: Option<String>,
        }
        let problem = parse::<Body>(br#"{"sk_live_4eC39HqLyjWDarjtT1zdp7dc": "x"}"#).unwrap_err();
        let told = format!("{problem:?}");
        assert!(told.contains("[masked]") && told.contains("`name`") && !told.contains("4eC39"), "{told}");
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
        assert!(matches!(parse::<Fields>(br#"{"a": "live"}"#).unwrap()["a"], Kind::Live));
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        id: u32,
        lines: Vec<Line>,
        #[serde(default)]
        notes: std::collections::BTreeMap<String, String>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        count: u32,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Optional {
        overlap_s: Option<u64>,
    }

    #[test]
    fn a_mistake_is_told_at_its_path() {
        let mistake = |body: &str| {
            let problem = parse::<Order>(body.as_bytes()).unwrap_err().to_json();
            let told = problem["errors"][0].clone();
            (told["path"].as_str().unwrap().to_owned(), told["message"].as_str().unwrap().to_owned())
        };
        let told = |path: &str, message: &str| (path.to_owned(), message.to_owned());
        let good = parse::<Order>(br#"{"id": 1, "lines": [{"count": 2}]}"#).unwrap();
        assert_eq!((good.id, good.lines[0].count, good.notes.len()), (1, 2, 0));
        assert_eq!(mistake(r#"{"lines": []}"#), told("id", "it is missing"));
        assert_eq!(mistake(r#"{"id": 1, "lines": [{"count": 1}, {}]}"#), told("lines[1].count", "it is missing"));
        let wrong = "a whole number that isn't negative is expected, not a text";
        assert_eq!(mistake(r#"{"id": 1, "lines": [{"count": "7"}]}"#), told("lines[0].count", wrong));
        assert_eq!(
            mistake(r#"{"id": 1, "lines": [], "notes": {"shop": 5}}"#),
            told("notes.shop", "a text is expected, not an integer")
        );
        let unknown = "unknown field `lnes`, expected one of `id`, `lines`, `notes`";
        assert_eq!(mistake(r#"{"id": 1, "lnes": []}"#), told("lnes", unknown));
        assert_eq!(mistake("[1]").0, "$");
    }

    #[test]
    fn no_body_is_an_object_without_members_where_that_is_enough() {
        assert_eq!(parse_or_nothing::<Optional>(b"").unwrap().overlap_s, None);
        assert_eq!(parse_or_nothing::<Value>(b"").unwrap(), serde_json::json!({}));
        assert_eq!(parse_or_nothing::<Optional>(br#"{"overlap_s": 5}"#).unwrap().overlap_s, Some(5));
        assert_eq!(parse_or_nothing::<Optional>(b" ").unwrap_err().kind().slug, "invalid-json");
        let problem = parse_or_nothing::<Order>(b"").unwrap_err();
        assert_eq!(problem.kind().slug, "invalid-json");
        assert_eq!(problem.detail(), "the body is empty; this route reads a JSON object, and id: it is missing");
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

    fn share(most: usize) -> Share {
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
        // What is announced takes nothing before it arrives.
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
