//! Fields of forms: a label, what it is for, and what is wrong with what was typed.

use maud::{Markup, html};

use super::prose::prose;

/// A field of one line. `kind` is HTML's: `text`, `email`, `password`, `url`, `number`, `search`, `datetime-local`.
#[derive(Default)]
pub struct Field<'f> {
    pub kind: &'f str,
    pub name: &'f str,
    pub label: &'f str,
    pub value: &'f str,
    pub hint: Option<&'f str>,
    pub error: Option<&'f str>,
    pub required: bool,
    /// HTML's `autocomplete`, such as `username` or `new-password`.
    pub autocomplete: Option<&'f str>,
    pub placeholder: Option<&'f str>,
    /// The most characters that can be typed.
    pub length: Option<u32>,
    /// The element's id, when the page has several fields of this name.
    pub id: Option<&'f str>,
}

impl Field<'_> {
    fn id(&self) -> String {
        self.id.map_or_else(|| format!("f-{}", self.name), str::to_owned)
    }

    pub fn draw(&self) -> Markup {
        let Self { kind, name, label, value, hint, error, required, autocomplete, placeholder, length, .. } = self;
        let kind = if kind.is_empty() { "text" } else { kind };
        let id = self.id();
        let control = html! {
            input type=(kind) id=(id) name=(name) value=(value) required[*required] autocomplete=[autocomplete]
                placeholder=[placeholder] maxlength=[length] aria-invalid=[error.map(|_| "true")]
                aria-describedby=[describing(&id, *hint, *error)];
        };
        labelled(&id, label, *required, *hint, *error, &control)
    }
}

/// A field of several lines.
pub fn area(field: &Field<'_>, rows: u32, code: bool) -> Markup {
    let Field { name, label, value, hint, error, required, placeholder, .. } = field;
    let id = field.id();
    let control = html! {
        // A first line break belongs to HTML, not to the value.
        textarea id=(id) name=(name) rows=(rows) required[*required] placeholder=[placeholder] class=[code.then_some("code")]
            spellcheck=[code.then_some("false")] aria-invalid=[error.map(|_| "true")]
            aria-describedby=[describing(&id, *hint, *error)] { "\n" (value) }
    };
    labelled(&id, label, *required, *hint, *error, &control)
}

/// One of several values.
pub struct Choice<'f> {
    pub value: &'f str,
    pub label: &'f str,
    pub hint: Option<&'f str>,
}

/// A list that opens.
pub fn select(field: &Field<'_>, options: &[Choice<'_>]) -> Markup {
    let Field { name, label, value, hint, error, required, .. } = field;
    let id = field.id();
    let control = html! {
        select id=(id) name=(name) aria-describedby=[describing(&id, *hint, *error)] {
            @for option in options { option value=(option.value) selected[option.value == *value] { (option.label) } }
        }
    };
    labelled(&id, label, *required, *hint, *error, &control)
}

/// Boxes to tick (`several`) or one to choose, each with what it means.
pub fn choices(legend: &str, name: &str, several: bool, chosen: &[&str], options: &[Choice<'_>]) -> Markup {
    let kind = if several { "checkbox" } else { "radio" };
    html! {
        fieldset class="choices" {
            legend { (legend) }
            @for option in options {
                @let id = format!("f-{name}-{}", option.value);
                div class="choice" {
                    input type=(kind) id=(id) name=(name) value=(option.value) checked[chosen.contains(&option.value)]
                        aria-describedby=[option.hint.map(|_| format!("{id}-hint"))];
                    label for=(id) { (option.label) }
                    @if let Some(hint) = option.hint { p class="hint" id={ (id) "-hint" } { (hint) } }
                }
            }
        }
    }
}

/// A single box to tick.
pub fn check(name: &str, label: &str, ticked: bool) -> Markup {
    let id = format!("f-{name}");
    html! {
        div class="choice" {
            input type="checkbox" id=(id) name=(name) value="on" checked[ticked];
            label for=(id) { (label) }
        }
    }
}

fn describing(id: &str, hint: Option<&str>, error: Option<&str>) -> Option<String> {
    match (hint, error) {
        (None, None) => None,
        (Some(_), None) => Some(format!("{id}-hint")),
        (None, Some(_)) => Some(format!("{id}-error")),
        (Some(_), Some(_)) => Some(format!("{id}-error {id}-hint")),
    }
}

fn labelled(
    id: &str,
    label: &str,
    required: bool,
    hint: Option<&str>,
    error: Option<&str>,
    control: &Markup,
) -> Markup {
    html! {
        div class="field" {
            label for=(id) { (label) @if !required { span class="optional" { "optional" } } }
            (control)
            @if let Some(error) = error { p class="mistake" id={ (id) "-error" } { (error) } }
            @if let Some(hint) = hint { p class="hint" id={ (id) "-hint" } { (prose(hint)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_text() {
        let value = r#""><script>alert(1)</script>"#;
        let drawn =
            Field { name: "name", label: "Name", value, error: Some("too <b>long</b>"), ..Field::default() }.draw();
        let drawn = drawn.into_string();
        assert!(!drawn.contains("<script") && !drawn.contains("<b>"), "{drawn}");
        assert!(drawn.contains(r#"aria-describedby="f-name-error""#));
        let text =
            area(&Field { name: "text", label: "Text", value: "</textarea><script>", ..Field::default() }, 3, true);
        assert!(!text.into_string().contains("</textarea><script>"));
    }
}
