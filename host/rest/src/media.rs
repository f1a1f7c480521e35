//! What form an answer has: the `Accept` header.

use crate::error::{RestError, short};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Array,
    /// One object: anything but one row is an error.
    Object,
    Csv,
}

impl Media {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// The first form in the header that is known.
    pub fn choose(accept: Option<&str>) -> Result<Self, RestError> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Ok(Self::Array) };
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            if parts.any(|parameter| parameter.replace(' ', "").eq_ignore_ascii_case("nulls=stripped")) {
                return Err(RestError::unsupported("nulls=stripped"));
            }
            match media.as_str() {
                "application/json" | "*/*" | "application/*" | "application/vnd.pgrst.array+json" => {
                    return Ok(Self::Array);
                }
                "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => return Ok(Self::Object),
                "text/csv" => return Ok(Self::Csv),
                _ => {}
            }
        }
        Err(RestError::new(406, "PGRST107", format!("None of these media types are available: {}", short(accept))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_form_is_chosen() {
        assert_eq!(Media::choose(None).unwrap(), Media::Array);
        assert_eq!(Media::choose(Some("text/html, text/csv;q=0.5")).unwrap(), Media::Csv);
        assert_eq!(Media::choose(Some("application/vnd.pgrst.object+json")).unwrap(), Media::Object);
        assert_eq!(Media::choose(Some("application/vnd.pgrst.plan+json")).unwrap_err().code, "PGRST107");
        let stripped = Media::choose(Some("application/vnd.pgrst.object+json; nulls=stripped"));
        assert_eq!(stripped.unwrap_err().code, "PGRST127");
    }
}
