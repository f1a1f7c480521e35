//! What a form sent: read within bounds, after the check that a page of ours sent it.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    response::Response,
};
use http::{StatusCode, header};
use resly_http::Api;

use crate::{csrf, error::PageError, member::Member};

/// The longest body of a form. A document or a component has a route of its own.
const LONGEST: usize = 1 << 20;
/// The same for somebody who isn't signed in.
const LONGEST_PUBLIC: usize = 16 << 10;

/// The fields of a form, in their order.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Fields that were read elsewhere.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// A field's text without space around it; empty when it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field's text as it was typed: passwords, and texts whose spaces count. Lines end by one character.
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// A field's text, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// The values of a field that may be there several times, such as boxes that are ticked.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a box is ticked.
    pub fn checked(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// All fields but the form's token.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(|(name, _)| name != csrf::FIELD).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn read(bytes: &[u8]) -> Self {
        let lines = |text: String| if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
        Self(url::form_urlencoded::parse(bytes).into_owned().map(|(name, value)| (name, lines(value))).collect())
    }
}

/// A form of a signed-in page: the browser names our origin, and the form has the session's token.
pub struct Submitted(pub Fields);

/// A form of somebody who isn't signed in: the browser names our origin.
pub struct PublicForm(pub Fields);

impl FromRequest<Api> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let member = request.extensions().get::<Member>().cloned();
        let fields = read(request, api, LONGEST).await?;
        let member = member.filter(|member| member.form_token.matches(fields.raw(csrf::FIELD)));
        member.ok_or_else(PageError::stale_form)?.check_session(api).await?;
        Ok(Self(fields))
    }
}

impl FromRequest<Api> for PublicForm {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        Ok(Self(read(request, api, LONGEST_PUBLIC).await?))
    }
}

async fn read(request: Request, api: &Api, longest: usize) -> Result<Fields, PageError> {
    if !csrf::same_origin(request.headers(), api.app.public_url().ok()) {
        return Err(PageError::other_origin());
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(PageError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address takes a form."));
    }
    let bytes = to_bytes(request.into_body(), longest).await.map_err(|_| PageError::too_long())?;
    Ok(Fields::read(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let fields = Fields::read(b"name=+Shop+&scope=chat&scope=search&text=a%0D%0Ab&form_token=t&on=");
        assert_eq!(fields.text("name"), "Shop");
        assert_eq!(fields.raw("name"), " Shop ");
        assert_eq!(fields.all("scope"), ["chat", "search"]);
        assert_eq!(fields.raw("text"), "a\nb");
        assert!(fields.checked("on") && !fields.checked("off") && fields.filled("on").is_none());
        assert_eq!(fields.pairs().count(), 5);
    }
}
