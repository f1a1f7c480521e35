//! Templates: minijinja expressions in double braces. Undefined values are mistakes, and values are written as in JSON.

use std::{cell::OnceCell, fmt::Write as _};

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, filters,
    value::{Kwargs, Rest, Value as Value_},
};
use resly_sdk::{Fault, Result};
use serde_json::{Map, Value};

use crate::{
    expression::{SPELL, is_too_deep, spelled},
    value::{self, from_json, to_json},
};

/// The deepest nesting of a body.
const DEEPEST: usize = 64;
const LONGEST: usize = 64 << 10;
const TOO_DEEP: &str = "a template's expression has more than 500 operators and brackets";

/// A part of a template: literal text or an expression.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    Literal(&'t str),
    Expression(&'t str),
}

/// Checks that an expression can be parsed. The error says what is wrong.
pub fn parse(expression: &str) -> core::result::Result<(), String> {
    if is_too_deep(expression) {
        return Err(format!("{TOO_DEEP}: give a part of it its own member"));
    }
    let read = Environment::new().compile_expression_owned(spelled(expression)).map(|_| ());
    read.map_err(|error| {
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        format!("the template `{{{{{expression}}}}}` can't be read: {what}")
    })
}

/// Evaluates templates in one scope.
pub struct Templates<'s> {
    scope: &'s Value,
    /// Created for the first expression that is more than a path.
    engine: OnceCell<(Environment<'static>, Value_)>,
}

/// minijinja, with filters that write values as JSON does.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(50);
    environment.add_filter(SPELL, value::spell);
    environment.add_filter("string", value::spell);
    environment.add_filter("tojson", json);
    environment.add_filter("join", join);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("format", format);
    environment
}

/// JSON text in which numbers keep their digits.
fn json(value: Value_) -> core::result::Result<String, Error> {
    let json = to_json(&value).map_err(|fault| Error::new(ErrorKind::InvalidOperation, fault.message))?;
    Ok(json.unwrap_or_default().to_string())
}

fn join(
    value: Value_,
    joiner: Option<String>,
    attribute: Option<String>,
    options: Kwargs,
) -> core::result::Result<String, Error> {
    let joiner = match joiner {
        Some(joiner) => joiner,
        None => options.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => options.get::<Option<String>>("attribute")?,
    };
    options.assert_all_used()?;
    if value.is_undefined() || value.is_none() {
        return Err(Error::new(ErrorKind::UndefinedError, "there is nothing to join"));
    }
    let mut joined = String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(&joiner);
        }
        let item = match &attribute {
            Some(attribute) => attribute.split('.').try_fold(item, |item, name| item.get_attr(name))?,
            None => item,
        };
        joined.push_str(&value::spelled(&item)?);
    }
    Ok(joined)
}

/// The filter `default`, which treats null like an absent value.
fn default(value: Value_, arguments: Rest<Value_>) -> core::result::Result<Value_, Error> {
    if arguments.len() > 2 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let falsy_too = arguments.get(1).is_some_and(Value_::is_true);
    let absent = value.is_undefined() || value.is_none() || (falsy_too && !value.is_true());
    Ok(if absent { arguments.first().cloned().unwrap_or_else(|| Value_::from("")) } else { value })
}

/// The filter `format`, whose `%s` writes booleans as JSON does.
fn format(state: &mut State, template: Value_, arguments: Rest<Value_>) -> core::result::Result<Value_, Error> {
    let spelled = |argument: Value_| match argument.kind() {
        minijinja::value::ValueKind::Bool | minijinja::value::ValueKind::None => value::spell(&argument),
        _ => Ok(argument),
    };
    let mut all = vec![template];
    for argument in arguments.0 {
        all.push(spelled(argument)?);
    }
    Value_::from_function(filters::format).call(state, &all)
}

/// The value that an expression names, if it does nothing else. `Err` for any other expression.
fn named<'s>(scope: &'s Value, expression: &str) -> core::result::Result<Option<&'s Value>, ()> {
    let mut parts = expression.trim().split('.');
    let is_name = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && part.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    // A name outside the scope may be a function or a keyword.
    let root = parts.next().filter(|root| is_name(root)).and_then(|root| scope.get(root)).ok_or(())?;
    let mut found = Some(root);
    for part in parts {
        if !is_name(part) {
            return Err(());
        }
        found = found.and_then(|found| found.as_object()?.get(part));
    }
    Ok(found)
}

impl<'s> Templates<'s> {
    pub fn new(scope: &'s Value) -> Self {
        Self { scope, engine: OnceCell::new() }
    }

    /// The value of an expression. `None` when it is undefined.
    pub fn evaluate(&self, expression: &str) -> Result<Option<Value>> {
        // Most expressions are a path, whose value is passed on unchanged.
        if let Ok(found) = named(self.scope, expression) {
            return Ok(found.cloned());
        }
        if is_too_deep(expression) {
            return Err(Fault::internal(TOO_DEEP));
        }
        let failed = |error: Error| Fault::internal(format!("the template `{{{{{expression}}}}}` failed: {error}"));
        let (environment, scope) = self.engine.get_or_init(|| (environment(), from_json(self.scope)));
        let compiled = environment.compile_expression_owned(spelled(expression)).map_err(failed)?;
        match compiled.eval(scope.clone()) {
            Ok(value) => to_json(&value),
            Err(error) if error.kind() == ErrorKind::UndefinedError => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The text of a template. An undefined value in it is the caller's mistake.
    pub fn text(&self, template: &str) -> Result<String> {
        let mut text = String::new();
        for piece in pieces(template)? {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expression(expression) => match self.evaluate(expression)? {
                    None | Some(Value::Null) => return Err(missing(expression)),
                    Some(Value::String(value)) => text.push_str(&value),
                    // Writing to a string can't fail.
                    Some(value) => drop(write!(text, "{value}")),
                },
            }
        }
        if text.len() > LONGEST {
            return Err(Fault::invalid_input(format!("a value is longer than {LONGEST} bytes")));
        }
        Ok(text)
    }

    /// The text of a scalar expression, for a URL.
    pub fn required(&self, expression: &str) -> Result<String> {
        required(expression, self.evaluate(expression)?)
    }

    /// A value of a body. A string that is one expression keeps the value's type, and is left out (`None`) when
    /// undefined.
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

/// The text of an expression's value. Undefined, null, lists and objects are mistakes.
pub fn required(expression: &str, value: Option<Value>) -> Result<String> {
    match value {
        None | Some(Value::Null) => Err(missing(expression)),
        Some(value) => plain(&value).ok_or_else(|| {
            let message = format!("`{}` has to be a text, a number or a truth value here", expression.trim());
            Fault::invalid_input(message)
        }),
    }
}

fn missing(expression: &str) -> Fault {
    Fault::invalid_input(format!("`{}` is needed here and has no value", expression.trim()))
}

/// A scalar as text. `None` for null, lists and objects.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Splits a template at its double braces.
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

/// The end of an expression: the first closing double brace outside its strings.
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
