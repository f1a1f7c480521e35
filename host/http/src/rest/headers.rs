//! What a request on the tables says in its headers.

use http::{HeaderMap, header, request::Parts};
use resly_rest::{
    RestError,
    media::Media,
    prefer::{Preferences, Return},
    query::Query,
};

/// The query and the headers of a request.
pub struct Asked {
    pub query: Query,
    pub preferences: Preferences,
    pub media: Media,
    pub range: Option<String>,
}

impl Asked {
    pub fn read(parts: &Parts) -> Result<Self, RestError> {
        let headers = &parts.headers;
        check_profile(headers)?;
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let prefers = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let is_items = headers.get("range-unit").is_none_or(|unit| unit == "items");
        Ok(Self {
            query: Query::parse(parts.uri.query().unwrap_or_default())?,
            preferences: Preferences::parse(prefers)?,
            media: Media::choose(text(header::ACCEPT))?,
            range: text(header::RANGE).filter(|_| is_items).map(str::to_owned),
        })
    }

    pub fn single(&self) -> bool {
        self.media == Media::Object
    }

    /// Whether the rows that are written are wanted.
    pub fn returns(&self) -> bool {
        self.preferences.returned == Some(Return::Representation)
    }
}

/// There is one schema.
fn check_profile(headers: &HeaderMap) -> Result<(), RestError> {
    for name in ["accept-profile", "content-profile"] {
        if let Some(profile) = headers.get(name)
            && profile != "public"
        {
            return Err(RestError::new(406, "PGRST106", "Invalid schema: only the schema \"public\" is there")
                .hint("Only the following schemas are exposed: public"));
        }
    }
    Ok(())
}
