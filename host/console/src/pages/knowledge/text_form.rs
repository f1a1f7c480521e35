//! The form of a text that is written in the console.

use maud::{Markup, html};
use resly_core::{id::OrganizationId, knowledge::Source};
use resly_http::{Api, problem::Problem};
use resly_service::sources::{ChunkedSource, NewSource};
use resly_store::StoredSource;

use crate::{
    csrf::FormToken,
    fields::Fields,
    mistakes::Mistakes,
    parts::{Choice, Field, area, form, select, submit},
};

/// The fields of a text.
pub struct TextForm {
    title: String,
    text: String,
    url: String,
    plain: bool,
}

impl TextForm {
    pub fn submitted(fields: &Fields) -> Self {
        let of = |name| fields.text(name).to_owned();
        Self {
            title: of("title"),
            text: fields.raw("text").to_owned(),
            url: of("url"),
            plain: fields.text("format") == "plain",
        }
    }

    pub fn stored(StoredSource { source, text }: &StoredSource) -> Self {
        let Source { title, url, content_type, .. } = source;
        let url = url.clone().unwrap_or_default();
        Self { title: title.clone(), text: text.clone(), url, plain: content_type != "text/markdown" }
    }

    pub fn source(&self) -> NewSource {
        NewSource {
            title: self.title.clone(),
            text: self.text.clone(),
            content_type: Some(if self.plain { "text/plain" } else { "text/markdown" }.to_owned()),
            url: Some(self.url.clone()).filter(|url| !url.is_empty()),
        }
    }

    pub fn draw(&self, token: &FormToken, action: &str, does: &str, mistakes: &Mistakes) -> Markup {
        let title = Field {
            name: "title",
            label: "Title",
            value: &self.title,
            error: mistakes.at("title"),
            required: true,
            length: Some(300),
            hint: Some("Citations show it."),
            ..Field::default()
        };
        let text = Field {
            name: "text",
            label: "Text",
            value: &self.text,
            error: mistakes.at("text"),
            required: true,
            hint: Some(
                "Headings cut it into passages, and a citation names the heading. Up to 1 MB; longer ones as a file.",
            ),
            ..Field::default()
        };
        let format = Field {
            name: "format",
            label: "Format",
            value: if self.plain { "plain" } else { "markdown" },
            required: true,
            ..Field::default()
        };
        let formats = [("markdown", "Markdown"), ("plain", "Plain text")].map(|(value, label)| Choice {
            value,
            label,
            hint: None,
        });
        let url = Field {
            kind: "url",
            name: "url",
            label: "Address",
            value: &self.url,
            error: mistakes.at("url"),
            hint: Some("Where people read it, if they can. Citations link to it."),
            placeholder: Some("https://"),
            ..Field::default()
        };
        html! {
            (mistakes.notice(&["title", "text", "url"]))
            (form(token, action, &html! {
                div class="wide" { (title.draw()) (area(&text, 16, false)) }
                (select(&format, &formats))
                (url.draw())
                (submit(does))
            }))
        }
    }
}

/// Cuts a text into passages, on a thread for heavy work.
pub async fn cut(api: &Api, organization: OrganizationId, source: NewSource) -> Result<ChunkedSource, Problem> {
    Ok(api.readers.examine(organization, move || source.cut()).await??)
}
