//! The `Prefer` header (RFC 7240), with PostgREST's preferences.

use crate::error::{RestError, short};

/// What a write answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Return {
    #[default]
    Minimal,
    Headers,
    Representation,
}

/// How rows are counted. All three count exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exact,
    Planned,
    Estimated,
}

/// What becomes of a row that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Merge,
    Ignore,
}

/// What a client prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    pub returned: Option<Return>,
    pub count: Option<Count>,
    pub resolution: Option<Resolution>,
    /// Whether a column that a row leaves out gets its default instead of null.
    pub missing_default: Option<bool>,
    pub max_affected: Option<u64>,
    pub strict: bool,
    /// Whether `handling` was told.
    handling: bool,
}

impl Preferences {
    /// Reads the values of all `Prefer` headers of a request.
    pub fn parse<'h>(headers: impl Iterator<Item = &'h str>) -> Result<Self, RestError> {
        let mut read = Self::default();
        let mut unknown = Vec::new();
        for preference in headers.flat_map(|header| header.split([',', ';'])).map(str::trim) {
            match preference.replace(' ', "").as_str() {
                "" => {}
                "return=minimal" => read.returned = Some(Return::Minimal),
                "return=headers-only" => read.returned = Some(Return::Headers),
                "return=representation" => read.returned = Some(Return::Representation),
                "count=exact" => read.count = Some(Count::Exact),
                "count=planned" => read.count = Some(Count::Planned),
                "count=estimated" => read.count = Some(Count::Estimated),
                "resolution=merge-duplicates" => read.resolution = Some(Resolution::Merge),
                "resolution=ignore-duplicates" => read.resolution = Some(Resolution::Ignore),
                "missing=default" => read.missing_default = Some(true),
                "missing=null" => read.missing_default = Some(false),
                "handling=strict" => (read.strict, read.handling) = (true, true),
                "handling=lenient" => (read.strict, read.handling) = (false, true),
                "tx=commit" => {}
                "tx=rollback" => return Err(RestError::unsupported("tx=rollback: every write is committed")),
                other => match other.strip_prefix("max-affected=").map(str::parse) {
                    Some(Ok(most)) => read.max_affected = Some(most),
                    // In UTC already.
                    _ if other.eq_ignore_ascii_case("timezone=utc") => {}
                    _ => unknown.push(short(other)),
                },
            }
        }
        if read.strict && !unknown.is_empty() {
            return Err(RestError::new(400, "PGRST122", "Invalid preferences given with handling=strict")
                .details(format!("Invalid preferences: {}", unknown.join(", "))));
        }
        if unknown.iter().any(|preference| preference.to_ascii_lowercase().starts_with("timezone=")) {
            return Err(RestError::unsupported("a time zone: all times are in UTC"));
        }
        Ok(read)
    }

    /// The value of `Preference-Applied`: those of the preferences that mattered to this kind of request.
    pub fn applied(&self, writes: bool) -> Option<String> {
        let mut applied = Vec::new();
        if writes {
            applied.extend(self.resolution.map(|resolution| match resolution {
                Resolution::Merge => "resolution=merge-duplicates".to_owned(),
                Resolution::Ignore => "resolution=ignore-duplicates".to_owned(),
            }));
            applied.extend(self.missing_default.map(|yes| format!("missing={}", if yes { "default" } else { "null" })));
            applied.extend(self.returned.map(|returned| match returned {
                Return::Minimal => "return=minimal".to_owned(),
                Return::Headers => "return=headers-only".to_owned(),
                Return::Representation => "return=representation".to_owned(),
            }));
        }
        applied.extend(self.count.map(|count| match count {
            Count::Exact => "count=exact".to_owned(),
            Count::Planned => "count=planned".to_owned(),
            Count::Estimated => "count=estimated".to_owned(),
        }));
        if self.handling {
            applied.push(format!("handling={}", if self.strict { "strict" } else { "lenient" }));
        }
        if writes && self.strict {
            applied.extend(self.max_affected.map(|most| format!("max-affected={most}")));
        }
        (!applied.is_empty()).then(|| applied.join(", "))
    }

    /// The most rows that may be changed. As in PostgREST, it counts with `handling=strict` alone.
    pub fn most_affected(&self) -> Option<u64> {
        self.max_affected.filter(|_| self.strict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_told_back() {
        let headers = ["return=representation, count=exact", "handling=strict; max-affected=5", "missing=default"];
        let read = Preferences::parse(headers.into_iter()).unwrap();
        assert_eq!((read.returned, read.most_affected()), (Some(Return::Representation), Some(5)));
        let applied = "missing=default, return=representation, count=exact, handling=strict, max-affected=5";
        assert_eq!(read.applied(true).as_deref(), Some(applied));
        assert_eq!(read.applied(false).as_deref(), Some("count=exact, handling=strict"));
        assert_eq!(Preferences::parse(["max-affected=5"].into_iter()).unwrap().most_affected(), None);
    }

    #[test]
    fn what_is_unknown_is_refused_when_strict() {
        let parse = |header: &'static str| Preferences::parse([header].into_iter());
        assert_eq!(parse("respond-async").unwrap(), Preferences::default());
        let refused = parse("handling=strict, return=all").unwrap_err();
        assert_eq!(
            (refused.code.as_ref(), refused.details.as_deref()),
            ("PGRST122", Some("Invalid preferences: return=all"))
        );
        assert_eq!(parse("tx=rollback").unwrap_err().code, "PGRST127");
        assert_eq!(parse("timezone=Europe/Berlin").unwrap_err().code, "PGRST127");
    }
}
