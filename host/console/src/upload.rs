//! A form with a file, as browsers send it (RFC 7578): read whole and within bounds, after the same checks as any form.

use axum::extract::Request;
use bytes::Bytes;
use http::{StatusCode, header};
use memchr::memmem;
use resly_http::{Api, body};

use crate::{csrf, error::PageError, fields::Fields, member::Member};

/// Bytes for what is beside the file.
const BESIDE: usize = 64 << 10;
/// The most parts of a form.
const PARTS: usize = 50;

/// A form with at most one file that was chosen.
pub struct UploadedForm {
    pub fields: Fields,
    pub file: Option<UploadedFile>,
}

pub struct UploadedFile {
    pub name: String,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

/// Reads a form of this member with a file of at most `most` bytes.
pub async fn read(member: &Member, api: &Api, request: Request, most: usize) -> Result<UploadedForm, PageError> {
    let (mut parts, body) = request.into_parts();
    if !csrf::same_origin(&parts.headers, api.app.public_url().ok()) {
        return Err(PageError::other_origin());
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some(boundary) = boundary(kind) else {
        return Err(PageError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address takes a form with a file."));
    };
    // The memory of the file is the organization's share.
    parts.extensions.insert(api.admission(member.session.organization));
    let bytes = body::read(body, &parts, most.saturating_add(BESIDE)).await?;
    let form = form(&bytes, &boundary)
        .ok_or_else(|| PageError::new(StatusCode::BAD_REQUEST, "The form can't be read. Send it once more."))?;
    if !member.form_token.matches(form.fields.raw(csrf::FIELD)) {
        return Err(PageError::stale_form());
    }
    Ok(form)
}

fn boundary(content_type: &str) -> Option<String> {
    let (media, rest) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (_, boundary) = rest
        .split(';')
        .filter_map(|one| one.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let boundary = boundary.trim().trim_matches('"');
    (1..=70).contains(&boundary.len()).then(|| boundary.to_owned())
}

fn form(bytes: &Bytes, boundary: &str) -> Option<UploadedForm> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    // The first one has no line before it.
    let first = delimiter.trim_start();
    let mut at = bytes.starts_with(first.as_bytes()).then_some(first.len())?;
    let (mut fields, mut file) = (Vec::new(), None);
    for _ in 0..PARTS {
        let rest = bytes.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(UploadedForm { fields: Fields::of(fields), file });
        }
        let start = rest.starts_with(b"\r\n").then_some(at + 2)?;
        let end = start + finder.find(bytes.get(start..)?)?;
        let length = memmem::find(bytes.get(start..end)?, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(bytes.get(start..start + length)?).into_owned();
        let content = bytes.slice(start + length + 4..end);
        let disposition = line(&head, "content-disposition")?;
        let name = parameter(disposition, "name")?;
        match parameter(disposition, "filename") {
            // No file was chosen.
            Some(chosen) if chosen.is_empty() && content.is_empty() => {}
            Some(chosen) => {
                let content_type = line(&head, "content-type").map(str::to_owned);
                file = Some(UploadedFile { name: chosen, content_type, bytes: content });
            }
            None => fields.push((name, String::from_utf8_lossy(&content).replace("\r\n", "\n"))),
        }
        at = end + delimiter.len();
    }
    None
}

/// The value of a part's header.
fn line<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(given, _)| given.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A parameter of `Content-Disposition`. Browsers escape quotes and line breaks in it (HTML, "Multipart form data").
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let (_, rest) = disposition.split_once(&format!("; {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("%22", "\"").replace("%0D", " ").replace("%0A", " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<UploadedForm> {
        form(&Bytes::copy_from_slice(text.as_bytes()), "xYz")
    }

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let form = read(
            "--xYz\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\ntok\r\n--xYz\r\n\
             Content-Disposition: form-data; name=\"title\"\r\n\r\n\r\n--xYz\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.txt\"\r\nContent-Type: text/plain\r\n\r\n\
             one\r\n--xY\r\n\r\ntwo\r\n--xYz--\r\n",
        )
        .unwrap();
        assert_eq!((form.fields.raw("form_token"), form.fields.filled("title")), ("tok", None));
        let file = form.file.unwrap();
        assert_eq!((file.name.as_str(), file.content_type.as_deref()), ("a \"b\".txt", Some("text/plain")));
        assert_eq!(&file.bytes[..], b"one\r\n--xY\r\n\r\ntwo");
        let none = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n--xYz--\r\n";
        assert!(read(none).unwrap().file.is_none(), "no file was chosen");
    }

    #[test]
    fn what_is_cut_or_odd_is_no_form() {
        let whole = "--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--xYz--\r\n";
        for end in 0..whole.len() - 4 {
            assert!(read(&whole[..end]).is_none(), "{end}");
        }
        for odd in
            ["--xYz--", "--xYz\r\n\r\nb\r\n--xYz--", "--other\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb"]
        {
            assert_eq!(read(odd).is_some(), odd == "--xYz--", "{odd}");
        }
        let many = "--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n".repeat(PARTS + 1);
        assert!(read(&format!("{many}--xYz--")).is_none());
    }

    #[test]
    fn a_boundary_is_found_in_its_header() {
        assert_eq!(boundary("multipart/form-data; boundary=----WebKit1").as_deref(), Some("----WebKit1"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
        for none in ["multipart/form-data", "text/plain; boundary=a", "multipart/form-data; boundary="] {
            assert_eq!(boundary(none), None, "{none}");
        }
    }
}
