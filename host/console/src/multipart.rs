//! Forms with files (`multipart/form-data`, RFC 7578). One is read whole, within the memory that all request bodies share,
//! after the same checks as any other form.

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use memchr::memmem;
use resly_http::{Api, body};

use crate::{csrf, error::PageError, fields::Fields, member::Member};

/// The most parts of a form.
const MOST_PARTS: usize = 1_000;

/// A form with files.
pub struct FileForm {
    pub fields: Fields,
    files: Vec<(String, SentFile)>,
}

/// A file as it was sent.
pub struct SentFile {
    /// What it is called where it comes from; empty when no file was chosen.
    pub name: String,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

impl FileForm {
    /// Reads a member's form of at most this many bytes. Its route has checked what the member may do.
    pub async fn read(api: &Api, member: &Member, request: Request, most: usize) -> Result<Self, PageError> {
        if !csrf::same_origin(request.headers(), api.app.public_url().ok()) {
            return Err(PageError::other_origin());
        }
        let (mut parts, body) = request.into_parts();
        let unfit = || PageError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address takes a form with files.");
        let boundary = boundary(&parts.headers).ok_or_else(unfit)?;
        parts.extensions.insert(api.admission(member.session.organization));
        let bytes = body::read(body, &parts, most).await?;
        let broken = || PageError::new(StatusCode::BAD_REQUEST, "The form arrived broken. Send it once more.");
        let form = split(&bytes, &boundary).ok_or_else(broken)?;
        if !member.form_token.matches(form.fields.raw(csrf::FIELD)) {
            return Err(PageError::stale_form());
        }
        member.check_session(api).await?;
        Ok(form)
    }

    /// The file of a field. A field in which no file was chosen has none.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        let found = self.files.iter().find(|(given, _)| given == name).map(|(_, file)| &file.bytes);
        found.filter(|bytes| !bytes.is_empty())
    }

    /// The chosen file of a field with its name, also when nothing is in it.
    pub fn take_file(&mut self, name: &str) -> Option<SentFile> {
        let at = self.files.iter().position(|(given, file)| given == name && !file.name.is_empty())?;
        Some(self.files.swap_remove(at).1)
    }
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let rest = kind.strip_prefix("multipart/form-data")?;
    let given = rest.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let boundary = given.trim_matches('"');
    (1..=70).contains(&boundary.len()).then(|| boundary.to_owned())
}

/// The parts between the boundaries. `None` when the form isn't whole.
fn split(body: &Bytes, boundary: &str) -> Option<FileForm> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let (mut pairs, mut files) = (Vec::new(), Vec::new());
    // The first boundary has no line before it.
    let mut at = body.starts_with(delimiter.as_bytes().get(2..)?).then_some(delimiter.len() - 2)?;
    for _ in 0..MOST_PARTS {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(FileForm { fields: Fields::new(pairs), files });
        }
        let begin = at + rest.strip_prefix(b"\r\n").map(|_| 2)?;
        let end = begin + finder.find(body.get(begin..)?)?;
        let part = body.slice(begin..end);
        let head = memmem::find(&part, b"\r\n\r\n")?;
        let (head, bytes) = (std::str::from_utf8(&part[..head]).ok()?, part.slice(head + 4..));
        match disposition(head)? {
            (field, Some(name)) => {
                let content_type = header(head, "content-type").map(str::to_owned);
                files.push((field, SentFile { name, content_type, bytes }));
            }
            (field, None) => pairs.push((field, String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))),
        }
        at = end + delimiter.len();
    }
    None
}

/// A part's name, and that of its file.
fn disposition(head: &str) -> Option<(String, Option<String>)> {
    let line = header(head, "content-disposition")?.strip_prefix("form-data;")?;
    let named = |parameter: &str| {
        // Browsers write a quote and a line break within a name as `%22` and `%0D%0A` (HTML, "Multipart form data").
        let (_, rest) = line.split_once(&format!(" {parameter}=\""))?;
        let (value, _) = rest.split_once('"')?;
        Some(value.replace("%22", "\"").replace("%0D%0A", " "))
    };
    Some((named("name")?, named("filename")))
}

/// The value of a part's header.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<FileForm> {
        split(&Bytes::from(text.replace('\n', "\r\n")), "XX")
    }

    #[test]
    fn fields_and_files_are_read_as_browsers_send_them() {
        let read = form(
            "--XX\nContent-Disposition: form-data; name=\"text\"\n\na\nb\n--XX\nContent-Disposition: form-data; \
             name=\"file\"; filename=\"x.wasm\"\nContent-Type: application/wasm\n\n\0asm\n\n--X\n--XX\n\
             Content-Disposition: form-data; name=\"none\"; filename=\"\"\n\n\n--XX--\n",
        )
        .unwrap();
        assert_eq!(read.fields.raw("text"), "a\nb");
        assert_eq!(read.file("file").unwrap().as_ref(), b"\0asm\r\n\r\n--X");
        let mut read = read;
        let file = read.take_file("file").unwrap();
        assert_eq!((file.name.as_str(), file.content_type.as_deref()), ("x.wasm", Some("application/wasm")));
        assert!(read.take_file("none").is_none());
        assert!(read.file("none").is_none() && read.file("text").is_none() && read.fields.raw("file").is_empty());
    }

    #[test]
    fn a_form_that_is_not_whole_is_none() {
        for broken in [
            "",
            "--XX",
            "--XX\n",
            "--XX\nContent-Disposition: form-data; name=\"a\"\n\nb",
            "--XX\nContent-Disposition: form-data; name=\"a\"\n\nb\n--XX",
            "--XX\nno head\n--XX--",
            "--XX\nContent-Disposition: form-data; name=a\n\nb\n--XX--",
            "other\n--XX--",
        ] {
            assert!(form(broken).is_none(), "{broken:?}");
        }
        assert!(form("--XX--").is_some());
    }

    #[test]
    fn a_boundary_is_found() {
        let of = |kind: &'static str| {
            boundary(&HeaderMap::from_iter([(header::CONTENT_TYPE, http::HeaderValue::from_static(kind))]))
        };
        assert_eq!(of("multipart/form-data; boundary=----WebKit1").unwrap(), "----WebKit1");
        assert_eq!(of("multipart/form-data; charset=utf-8; boundary=\"a b\"").unwrap(), "a b");
        assert!(of("multipart/form-data").is_none() && of("text/plain; boundary=x").is_none());
    }
}
