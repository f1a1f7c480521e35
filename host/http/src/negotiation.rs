//! Chooses between two media types, such as HTML and Markdown, by `Accept` (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// Whether the client prefers HTML to `other`. Browsers do, because they name `text/html`. Among equal weights, the
/// type that is named more exactly wins, then `other`. So `*/*` and an absent `Accept` mean `other`.
pub fn prefers_html(headers: &HeaderMap, other: &str) -> bool {
    prefers(headers, "text/html", other)
}

/// Whether the client prefers a media type to the one that it gets otherwise.
pub fn prefers(headers: &HeaderMap, media: &str, otherwise: &str) -> bool {
    preference(headers, media) > preference(headers, otherwise)
}

/// The weight in thousandths and the exactness of the most exact range that holds a media type.
fn preference(headers: &HeaderMap, media: &str) -> (u16, u8) {
    let any = media.split_once('/').map_or("", |(kind, _)| kind);
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0, 0);
    for item in accepted.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let exactness = match range.split_once('/') {
            Some(_) if range.eq_ignore_ascii_case(media) => 3,
            Some((kind, "*")) if kind.eq_ignore_ascii_case(any) => 2,
            Some(("*", "*")) => 1,
            _ => continue,
        };
        if exactness > best.1 {
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            best = (weight.map_or(1000, thousandths), exactness);
        }
    }
    // A type with the weight zero counts as one that isn't named.
    if best.0 == 0 { (0, 0) } else { best }
}

/// A malformed weight counts as zero.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    if fraction.len() > 3 {
        return 0;
    }
    match (whole, format!("{fraction:0<3}").parse::<u16>()) {
        ("0", Ok(fraction)) => fraction,
        ("1", Ok(0)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn html(accept: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::try_from(accept).unwrap())]);
        prefers_html(&headers, "text/markdown")
    }

    #[test]
    fn browsers_get_html_and_programs_the_other() {
        assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"));
        assert!(html("text/html"));
        assert!(html("text/html, */*"));
        assert!(html("TEXT/HTML;q=0.9, text/markdown;q=0.8"));
        assert!(!prefers_html(&HeaderMap::new(), "text/markdown"));
        for accept in [
            "*/*",
            "text/*",
            "",
            "text/markdown",
            "text/markdown, text/html;q=0.9",
            "text/markdown, text/html, */*",
            "text/html;q=0, */*",
            "text/html;q=0",
            "text/html;q=0.0004, text/markdown;q=0.001",
            "application/json",
        ] {
            assert!(!html(accept), "{accept}");
        }
    }
}
