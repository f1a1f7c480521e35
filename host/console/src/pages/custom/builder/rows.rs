//! Rows of the builder: parameters, rules of errors, answers of the sandbox. Each list ends with a blank row.

use maud::{Markup, html};

use super::form::{Answer, Parameter, Rule};
use crate::{
    pages::custom::mistakes::Mistakes,
    parts::{Choice, Field, area, check, select},
};

const KINDS: [(&str, &str); 5] = [
    ("string", "Text"),
    ("integer", "Whole number"),
    ("number", "Number"),
    ("boolean", "Yes or no"),
    ("list", "List of texts"),
];
const FAULTS: [(&str, &str); 6] = [
    ("not-found", "Not found"),
    ("invalid-input", "Invalid input"),
    ("needs-auth", "Needs authentication"),
    ("rate-limited", "Rate limited"),
    ("upstream", "Service failed"),
    ("internal", "Connector failed"),
];

/// The choices of a list that opens.
pub fn options<'o>(values: &'o [(&'o str, &'o str)]) -> Vec<Choice<'o>> {
    values.iter().map(|(value, label)| Choice { value, label, hint: None }).collect()
}

/// The rows, and a blank one.
fn with_blank<T: Default + Clone>(rows: &[T]) -> Vec<T> {
    rows.iter().cloned().chain([T::default()]).collect()
}

/// A button that draws the page again, so that its last rows are blank.
pub fn more(path: &str, anchor: &str, what: &str) -> Markup {
    html! { button class="link" name="do" value="rows" formaction={ (path) "#" (anchor) } { (what) } }
}

/// Parameters, or settings. `place` is their schema's in the definition.
pub fn parameters(prefix: &str, rows: &[Parameter], place: &str, mistakes: &Mistakes) -> Markup {
    html! {
        @for (at, row) in with_blank(rows).iter().enumerate() {
            @let prefix = format!("{prefix}{at}-");
            @let name = row.name.trim().replace('~', "~0").replace('/', "~1");
            @let error = (at < rows.len()).then(|| mistakes.at(&format!("{place}/properties/{name}"))).flatten();
            @let error = error.as_deref();
            @let text = |field: &'static str| format!("{prefix}{field}");
            div class="line" role="group" aria-label={ "Row " (at + 1) } {
                (Field { name: &text("name"), label: "Name", value: &row.name, error, length: Some(100), ..Field::default() }.draw())
                (select(&Field { name: &text("kind"), label: "Kind", value: &row.kind, required: true, ..Field::default() }, &options(&KINDS)))
                (Field { name: &text("about"), label: "What it is", value: &row.about, ..Field::default() }.draw())
                (Field { name: &text("default"), label: "Default", value: &row.default, ..Field::default() }.draw())
                (check(&text("required"), "Required", !row.required.is_empty()))
            }
        }
    }
}

pub fn rules(prefix: &str, rows: &[Rule], place: &str, mistakes: &Mistakes) -> Markup {
    html! {
        @for (at, row) in with_blank(rows).iter().enumerate() {
            @let prefix = format!("{prefix}{at}-");
            @let error = mistakes.at(&format!("{place}/{at}"));
            @let text = |field: &'static str| format!("{prefix}{field}");
            div class="line" role="group" aria-label={ "Row " (at + 1) } {
                (Field { name: &text("status"), label: "Status", value: &row.status, error: error.as_deref(), placeholder: Some("404 or 5xx"), ..Field::default() }.draw())
                (select(&Field { name: &text("fault"), label: "Means", value: &row.fault, required: true, ..Field::default() }, &options(&FAULTS)))
                (Field { name: &text("message"), label: "Message", value: &row.message, placeholder: Some("there is no such account"), ..Field::default() }.draw())
            }
        }
    }
}

pub fn answers(rows: &[Answer], mistakes: &Mistakes) -> Markup {
    html! {
        @for (at, row) in with_blank(rows).iter().enumerate() {
            @let text = |field: &'static str| format!("f{at}-{field}");
            @let of_path = mistakes.at(&format!("/fixtures/{at}/match"));
            @let of_status = mistakes.at(&format!("/fixtures/{at}/response/status"));
            @let of_body = mistakes.at(&format!("/fixtures/{at}"));
            div class="line" role="group" aria-label={ "Answer " (at + 1) } {
                (Field { name: &text("method"), label: "Method", value: &row.method, placeholder: Some("any"), ..Field::default() }.draw())
                (Field { name: &text("path"), label: "Path", value: &row.path, error: of_path.as_deref(), placeholder: Some("/accounts/*"), ..Field::default() }.draw())
                (Field { name: &text("status"), label: "Status", value: &row.status, error: of_status.as_deref(), placeholder: Some("200"), ..Field::default() }.draw())
                div class="wide" {
                    (area(&Field { name: &text("body"), label: "Answer", value: &row.body, error: of_body.as_deref(), placeholder: Some(r#"{"id": "1"}"#), ..Field::default() }, 3, true))
                }
            }
        }
    }
}
