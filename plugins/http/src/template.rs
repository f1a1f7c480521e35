//! Templates: minijinja expressions in double braces, strict about what is undefined.

use minijinja::{Environment, UndefinedBehavior};
use resly_sdk::{Fault, Result};
use serde_json::{Map, Value};

/// How deep a body may nest.
const DEEPEST: usize = 64;
const LONGEST: usize = 64 << 10;

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    Literal(&'t str),
    Expression(&'t str),
}

/// Whether an expression can be read; what is wrong with it otherwise.
pub fn parse(expression: &str) -> core::result::Result<(), String> {
    let read = Environment::new().compile_expression_owned(expression.to_owned()).map(|_| ());
    read.map_err(|error| {
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        format!("the template `{{{{{expression}}}}}` can't be read: {what}")
    })
}

/// Evaluates templates in one scope.
pub struct Templates<'s> {
    environment: Environment<'s>,
    scope: minijinja::Value,
}

impl Templates<'_> {
    pub fn new(scope: &Value) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_recursion_limit(50);
        Self { environment, scope: minijinja::Value::from(minijinja::value::Serde(scope)) }
    }

    /// An expression's value; `None` when it is undefined.
    pub fn evaluate(&self, expression: &str) -> Result<Option<Value>> {
        let failed =
            |error: minijinja::Error| Fault::internal(format!("the template `{{{{{expression}}}}}` failed: {error}"));
        let compiled = self.environment.compile_expression_owned(expression.to_owned()).map_err(failed)?;
        match compiled.eval(&self.scope) {
            Ok(value) if value.is_undefined() => Ok(None),
            Ok(value) => Ok(Some(serde_json::to_value(&value)?)),
            Err(error) if error.kind() == minijinja::ErrorKind::UndefinedError => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// A template's text. What is undefined within it is the caller's mistake.
    pub fn text(&self, template: &str) -> Result<String> {
        let mut text = String::new();
        for piece in pieces(template)? {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expression(expression) => text.push_str(&self.required(expression)?),
            }
        }
        if text.len() > LONGEST {
            return Err(Fault::invalid_input(format!("a value is longer than {LONGEST} bytes")));
        }
        Ok(text)
    }

    /// An expression's text; undefined and null are mistakes.
    pub fn required(&self, expression: &str) -> Result<String> {
        let missing = || Fault::invalid_input(format!("`{}` is needed here and has no value", expression.trim()));
        self.evaluate(expression)?.as_ref().and_then(plain).ok_or_else(missing)
    }

    /// A value of a tree: a whole-value expression keeps its native type, and is left out (`None`) when undefined.
    pub fn value(&self, tree: &Value) -> Result<Option<Value>> {
        self.value_at(tree, 0)
    }

    fn value_at(&self, tree: &Value, depth: usize) -> Result<Option<Value>> {
        if depth > DEEPEST {
            return Err(Fault::internal(format!("the definition's body nests deeper than {DEEPEST}")));
        }
        Ok(Some(match tree {
            Value::String(template) => {
                let pieces = pieces(template)?;
                if let [Piece::Expression(expression)] = pieces.as_slice() {
                    return self.evaluate(expression);
                }
                Value::String(self.text(template)?)
            }
            Value::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                for item in items {
                    made.extend(self.value_at(item, depth + 1)?);
                }
                Value::Array(made)
            }
            Value::Object(members) => {
                let mut made = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.value_at(member, depth + 1)? {
                        made.insert(name.clone(), member);
                    }
                }
                Value::Object(made)
            }
            other => other.clone(),
        }))
    }
}

/// A scalar as plain text; nothing for null, lists and objects.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Cuts a template at its double braces.
pub fn pieces(template: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once("{{") {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let end = end_of_expression(after)
            .ok_or_else(|| Fault::internal(format!("the template `{template}` has no `}}}}` for its `{{{{`")))?;
        pieces.push(Piece::Expression(&after[..end]));
        rest = &after[end + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

/// Where an expression ends: at the first double brace outside its texts.
fn end_of_expression(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if byte == b'}' && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            None => {}
        }
    }
    None
}
