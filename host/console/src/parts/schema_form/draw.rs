//! Draws the fields of a form.

use maud::{Markup, html};
use resly_service::FieldError;
use serde_json::Value;

use super::{
    Filled,
    shape::{Node, Shape, is_within, text_of},
};
use crate::parts::{
    alert::alert,
    field::{Choice, Field, area, choices, select},
};

/// The fields of a whole form, after the mistakes that belong to none of them.
pub fn form(root: &Node<'_>, filled: &Filled<'_>, mistakes: &[FieldError]) -> Markup {
    let value = match filled {
        Filled::Value(value) => Some(*value),
        Filled::Typed(_) => None,
    };
    let form = Form { filled, mistakes };
    let nobodys = mistakes.iter().filter(|mistake| mistake.path == root.path && !matches!(root.shape, Shape::Json));
    html! {
        @for mistake in nobodys { (alert(&mistake.message)) }
        @match &root.shape {
            Shape::Object(children) => { @for child in children { (form.node(child, member(value, child))) } }
            _ => { (form.node(root, value)) }
        }
    }
}

fn member<'v>(value: Option<&'v Value>, child: &Node<'_>) -> Option<&'v Value> {
    value.and_then(|value| value.get(child.name))
}

struct Form<'f> {
    filled: &'f Filled<'f>,
    mistakes: &'f [FieldError],
}

impl Form<'_> {
    fn node(&self, node: &Node<'_>, value: Option<&Value>) -> Markup {
        if let Shape::Object(children) = &node.shape {
            return self.group(node, children, value);
        }
        let value = value.or_else(|| node.schema.get("default"));
        let text = match self.filled {
            Filled::Typed(fields) => fields.raw(&node.path).to_owned(),
            Filled::Value(_) => value.map(|value| shown(&node.shape, value)).unwrap_or_default(),
        };
        let example = node.schema.get("examples").and_then(|all| all.get(0)).map(|example| shown(&node.shape, example));
        let field = Field {
            name: &node.path,
            label: &node.label,
            value: &text,
            hint: node.hint.as_deref(),
            error: self.mistake(node),
            required: node.required,
            placeholder: example.as_deref(),
            length: node.schema.get("maxLength").and_then(Value::as_u64).and_then(|most| u32::try_from(most).ok()),
            ..Field::default()
        };
        match &node.shape {
            Shape::Flag => self.flag(node, value),
            Shape::OptionalFlag => {
                let said = match text.as_str() {
                    "true" | "yes" => "yes",
                    "false" | "no" => "no",
                    _ => "",
                };
                let options =
                    [("", "Not said"), ("yes", "Yes"), ("no", "No")].map(|(value, label)| choice(value, label));
                select(&Field { value: said, ..field }, &options)
            }
            Shape::Choice(values) => {
                let texts: Vec<String> = values.iter().map(|value| text_of(value)).collect();
                let none = if node.required { "Choose" } else { "Not said" };
                let options: Vec<Choice<'_>> =
                    [choice("", none)].into_iter().chain(texts.iter().map(|text| choice(text, text))).collect();
                select(&field, &options)
            }
            Shape::Choices(values) => self.boxes(node, values, value),
            Shape::Number { whole } => Field { kind: if *whole { "number" } else { "text" }, ..field }.draw(),
            Shape::Text { long: false, kind } => Field { kind, ..field }.draw(),
            Shape::Text { long: true, .. } => area(&field, 6, false),
            Shape::Lines(_) => area(&Field { length: None, ..field }, 3, false),
            Shape::Json | Shape::Object(_) => area(&Field { length: None, ..field }, 6, true),
        }
    }

    fn group(&self, node: &Node<'_>, children: &[Node<'_>], value: Option<&Value>) -> Markup {
        let value = value.or_else(|| node.schema.get("default"));
        let own = self.mistakes.iter().find(|mistake| mistake.path == node.path);
        html! {
            fieldset class="group" {
                legend { (node.label) @if !node.required { span class="optional" { "optional" } } }
                @if let Some(hint) = &node.hint { p class="hint" { (hint) } }
                @if let Some(mistake) = own { p class="mistake" { (mistake.message) } }
                @for child in children { (self.node(child, member(value, child))) }
            }
        }
    }

    fn flag(&self, node: &Node<'_>, value: Option<&Value>) -> Markup {
        let ticked = match self.filled {
            Filled::Typed(fields) => fields.checked(&node.path),
            Filled::Value(_) => value.and_then(Value::as_bool).unwrap_or(false),
        };
        let id = format!("f-{}", node.path);
        html! {
            div class="choice" {
                input type="checkbox" id=(id) name=(node.path) value="on" checked[ticked]
                    aria-describedby=[node.hint.as_ref().map(|_| format!("{id}-hint"))];
                label for=(id) { (node.label) }
                @if let Some(hint) = &node.hint { p class="hint" id={ (id) "-hint" } { (hint) } }
                @if let Some(message) = self.mistake(node) { p class="mistake" { (message) } }
            }
        }
    }

    fn boxes(&self, node: &Node<'_>, values: &[&Value], value: Option<&Value>) -> Markup {
        let texts: Vec<String> = values.iter().map(|value| text_of(value)).collect();
        let stored: Vec<String> = value.and_then(Value::as_array).into_iter().flatten().map(text_of).collect();
        let ticked: Vec<&str> = match self.filled {
            Filled::Typed(fields) => fields.all(&node.path),
            Filled::Value(_) => stored.iter().map(String::as_str).collect(),
        };
        let options: Vec<Choice<'_>> = texts.iter().map(|text| choice(text, text)).collect();
        html! {
            (choices(&node.label, &node.path, true, &ticked, &options))
            @if let Some(message) = self.mistake(node) { p class="mistake" { (message) } }
        }
    }

    /// What is wrong with a field's value, or with a part of it.
    fn mistake(&self, node: &Node<'_>) -> Option<&str> {
        self.mistakes
            .iter()
            .find(|mistake| is_within(&mistake.path, &node.path))
            .map(|mistake| mistake.message.as_str())
    }
}

fn choice<'c>(value: &'c str, label: &'c str) -> Choice<'c> {
    Choice { value, label, hint: None }
}

/// A value as its field shows it.
fn shown(shape: &Shape<'_>, value: &Value) -> String {
    match (shape, value) {
        (Shape::Lines(_), Value::Array(items)) => items.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        (Shape::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        (_, value) => text_of(value),
    }
}
