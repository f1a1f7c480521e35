//! An action of the builder: what it is, its parameters, its request, and what the answer means.

use maud::{Markup, html};

use super::{
    form::{ActionForm, ActionTexts},
    rows,
};
use crate::{
    pages::custom::{BUILDER, mistakes::Mistakes},
    parts::{Field, area, check, select},
};

const METHODS: [(&str, &str); 6] =
    [("GET", "GET"), ("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE"), ("HEAD", "HEAD")];
const EFFECTS: [(&str, &str); 2] = [("read", "Only reads"), ("write", "Changes something")];
const BODIES: [(&str, &str); 3] = [("json", "JSON"), ("form", "Form"), ("text", "Text")];
const PAGES: [(&str, &str); 5] = [
    ("", "One page only"),
    ("link", "The answer has a link to the next page"),
    ("cursor", "The answer has a cursor"),
    ("page", "Pages have numbers"),
    ("offset", "Pages begin at an offset"),
];

/// The fields of one action: `at` is its place in the definition.
pub fn action(at: usize, form: &ActionForm, mistakes: &Mistakes) -> Markup {
    let ActionForm { texts, parameters, rules } = form;
    let (prefix, place) = (format!("a{at}-"), format!("/actions/{at}"));
    let parts = Parts { prefix: &prefix, place: &place, texts, mistakes };
    let title = if texts.title.trim().is_empty() { format!("Action {}", at + 1) } else { texts.title.clone() };
    html! {
        section class="panel" id={ "a" (at) } {
            div class="panel-head" {
                h2 { (title) }
                (check(&format!("{prefix}leave_out"), "Leave this action out", false))
            }
            (parts.basics())
            h3 { "Parameters" }
            p class="hint" { "What the AI fills in. A request names one as " code { "{{ input.id }}" } "." }
            (rows::parameters(&format!("{prefix}p"), parameters, &format!("{place}/input"), mistakes))
            (rows::more(BUILDER, &format!("a{at}"), "More parameters"))
            h3 { "Request" }
            (parts.request())
            h3 { "Answer" }
            (parts.mapping())
            p class="hint" { "What an answer means that isn't a success. Without a row, 404 is not found, 401 and 403 ask for authentication, and so on." }
            (rows::rules(&format!("{prefix}e"), rules, &format!("{place}/response/errors"), mistakes))
            (rows::more(BUILDER, &format!("a{at}"), "More rules"))
            h3 { "Further pages" }
            (parts.pages())
            @if let Some(mistake) = mistakes.at(&place) { p class="mistake" { (mistake) } }
        }
    }
}

/// What the fields of an action are drawn from.
struct Parts<'p> {
    prefix: &'p str,
    place: &'p str,
    texts: &'p ActionTexts,
    mistakes: &'p Mistakes,
}

impl Parts<'_> {
    fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    fn at(&self, member: &str) -> Option<String> {
        self.mistakes.at(&format!("{}/{member}", self.place))
    }

    fn basics(&self) -> Markup {
        let texts = self.texts;
        let (of_id, of_title) = (self.at("id"), self.at("title"));
        let (of_description, of_effect) = (self.at("description"), self.at("side_effect"));
        html! {
            div class="line" {
                (Field { name: &self.name("title"), label: "Title", value: &texts.title, error: of_title.as_deref(), placeholder: Some("Look up an account"), ..Field::default() }.draw())
                (Field { name: &self.name("id"), label: "Id", value: &texts.id, error: of_id.as_deref(), placeholder: Some("made from the title"), ..Field::default() }.draw())
                (select(&Field { name: &self.name("side_effect"), label: "Effect", value: &texts.side_effect, required: true, error: of_effect.as_deref(), ..Field::default() }, &rows::options(&EFFECTS)))
            }
            (area(&Field {
                name: &self.name("description"), label: "Description", value: &texts.description,
                hint: Some("The AI reads it: when to use the action, and what it gives."),
                error: of_description.as_deref(), ..Field::default()
            }, 2, false))
        }
    }

    fn request(&self) -> Markup {
        let texts = self.texts;
        let (of_method, of_url) = (self.at("request/method"), self.at("request/url"));
        let (of_headers, of_query) = (self.at("request/headers"), self.at("request/query"));
        let (of_type, of_body) = (self.at("request/body_type"), self.at("request"));
        let code = |field: &'static str, label: &'static str, value, error, placeholder| {
            area(
                &Field {
                    name: &self.name(field),
                    label,
                    value,
                    error,
                    placeholder: Some(placeholder),
                    ..Field::default()
                },
                3,
                true,
            )
        };
        html! {
            div class="line address" {
                (select(&Field { name: &self.name("method"), label: "Method", value: &texts.method, required: true, error: of_method.as_deref(), ..Field::default() }, &rows::options(&METHODS)))
                (Field { name: &self.name("url"), label: "URL", value: &texts.url, error: of_url.as_deref(), placeholder: Some("https://crm.example.com/accounts/{{ input.id }}"), ..Field::default() }.draw())
            }
            div class="line" {
                (code("query", "Query", &texts.query, of_query.as_deref(), "expand: plan"))
                (code("headers", "Headers", &texts.headers, of_headers.as_deref(), "accept: application/json"))
            }
            details open[!texts.body.is_empty() || of_body.is_some() || of_type.is_some()] {
                summary { "Body" }
                (select(&Field { name: &self.name("body_type"), label: "Sent as", value: &texts.body_type, required: true, error: of_type.as_deref(), ..Field::default() }, &rows::options(&BODIES)))
                (code("body", "Body", &texts.body, of_body.as_deref(), r#"{"name": "{{ input.name }}"}"#))
            }
        }
    }

    fn mapping(&self) -> Markup {
        let of_mapping = self.at("response/mapping");
        area(
            &Field {
                name: &self.name("mapping"),
                label: "Mapping (jq)",
                value: &self.texts.mapping,
                hint: Some("What of the answer the AI is shown. Without one, all of it."),
                placeholder: Some(".data | {id, name, plan: .plan.name}"),
                error: of_mapping.as_deref(),
                ..Field::default()
            },
            2,
            true,
        )
    }

    fn pages(&self) -> Markup {
        let texts = self.texts;
        let (of_items, of_param) = (self.at("pagination/items"), self.at("pagination/param"));
        let of_next = self.at("pagination/next").or_else(|| self.at("pagination/cursor"));
        let (of_most, of_type) = (self.at("pagination/max_pages"), self.at("pagination"));
        let field = |field: &'static str, label: &'static str, value, error, placeholder| {
            Field { name: &self.name(field), label, value, error, placeholder: Some(placeholder), ..Field::default() }
                .draw()
        };
        html! {
            div class="switch" {
                (select(&Field { name: &self.name("pagination"), label: "Lists", value: &texts.pagination, required: true, error: of_type.as_deref(), ..Field::default() }, &rows::options(&PAGES)))
                div class="line" data-when="link cursor page offset" {
                    (field("items", "A page's list (jq)", &texts.items, of_items.as_deref(), ".items"))
                    (field("max_pages", "At most pages", &texts.max_pages, of_most.as_deref(), "5"))
                }
                div class="line" data-when="link cursor" {
                    (field("next", "Link or cursor (jq)", &texts.next, of_next.as_deref(), ".next"))
                }
                div class="line" data-when="cursor page offset" {
                    (field("param", "Query parameter", &texts.param, of_param.as_deref(), "cursor"))
                }
            }
        }
    }
}
