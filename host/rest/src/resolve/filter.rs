//! Resolves conditions: each operator with the type of its column.

use super::{count_condition, embedded, find_embed, operand};
use crate::{
    error::{RestError, short},
    pattern::{Like, Regex},
    plan::{Comparison, Filter, IsValue, Node, Operand, Search, SetTest, Test},
    registry::{SEARCH, Type},
    search::{self, Config, Form, TextQuery},
    syntax::filter::{RawFilter, RawTest, RawValue},
    value::{self, Value},
};

pub fn resolve(node: &Node, raw: &RawFilter, conditions: &mut usize) -> Result<Filter, RestError> {
    let mut all = |raws: &[RawFilter]| -> Result<Vec<Filter>, RestError> {
        raws.iter().map(|raw| resolve(node, raw, conditions)).collect()
    };
    Ok(match raw {
        RawFilter::And(raws) => Filter::And(all(raws)?),
        RawFilter::Or(raws) => Filter::Or(all(raws)?),
        RawFilter::Not(raw) => Filter::Not(Box::new(resolve(node, raw, conditions)?)),
        RawFilter::Test(field, test) => {
            if node.table.column(&field.column).is_none()
                && field.path.is_empty()
                && let Some(at) = find_embed(&node.embeds, &field.column)
            {
                count_condition(conditions, 1)?;
                return match (test.operator.as_str(), &test.value) {
                    ("is", RawValue::One(value)) if value.eq_ignore_ascii_case("null") => Ok(embedded(at, false)),
                    ("is", RawValue::One(value)) if value.eq_ignore_ascii_case("not_null") => Ok(embedded(at, true)),
                    _ => Err(RestError::new(
                        400,
                        "PGRST120",
                        "Bad operator on the embedded resource: only is null or not is null filters are allowed",
                    )),
                };
            }
            if node.table.is_searched() && field.column == SEARCH && field.path.is_empty() {
                count_condition(conditions, 1)?;
                return found(test).map(Filter::Found);
            }
            let operand = operand(node.table, field)?;
            match test.modifier.as_deref() {
                Some(quantifier @ ("any" | "all")) => quantified(&operand, test, quantifier == "any", conditions)?,
                _ => {
                    count_condition(conditions, 1)?;
                    Filter::Test(operand.clone(), resolve_test(&operand, test)?)
                }
            }
        }
    })
}

/// `eq(any).{a,b}`: one condition for each value.
fn quantified(operand: &Operand, test: &RawTest, any: bool, conditions: &mut usize) -> Result<Filter, RestError> {
    let may = ["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"];
    let RawValue::One(literal) = &test.value else { return Err(no_modifier(test)) };
    if !may.contains(&test.operator.as_str()) {
        return Err(no_modifier(test));
    }
    let values = value::texts(literal)
        .ok_or_else(|| RestError::new(400, "22P02", format!("malformed array literal: \"{}\"", short(literal))))?;
    count_condition(conditions, values.len())?;
    let mut tests = Vec::with_capacity(values.len());
    for value in values {
        let one = RawTest { operator: test.operator.clone(), modifier: None, value: RawValue::One(value) };
        tests.push(Filter::Test(operand.clone(), resolve_test(operand, &one)?));
    }
    Ok(if any { Filter::Or(tests) } else { Filter::And(tests) })
}

fn no_modifier(test: &RawTest) -> RestError {
    let modifier = short(test.modifier.as_deref().unwrap_or_default());
    RestError::syntax("filter", format!("the operator {} takes no modifier ({modifier})", test.operator))
}

/// The type that a condition compares.
fn compared(operand: &Operand) -> Type {
    if operand.as_text { Type::Text } else { operand.column.kind }
}

fn resolve_test(operand: &Operand, test: &RawTest) -> Result<Test, RestError> {
    let kind = compared(operand);
    let operator = test.operator.as_str();
    let searches = matches!(operator, "fts" | "plfts" | "phfts" | "wfts");
    if test.modifier.is_some() && !searches {
        return Err(no_modifier(test));
    }
    let text = match &test.value {
        RawValue::List(values) => {
            comparable(operand, operator)?;
            return Ok(Test::In(values.iter().map(|text| Value::parse(kind, text)).collect::<Result<_, _>>()?));
        }
        RawValue::One(text) => text,
    };
    let textual = || {
        if kind == Type::Text { Ok(()) } else { Err(RestError::no_operator(sign(operator), kind.name())) }
    };
    let compare = |comparison| {
        comparable(operand, operator)?;
        if kind == Type::Texts && !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            return Err(RestError::unsupported(format!("the operator {operator} on {}", kind.name())));
        }
        Ok(Test::Compare(comparison, Value::parse(kind, text)?))
    };
    match operator {
        "eq" => compare(Comparison::Equal),
        "neq" => compare(Comparison::NotEqual),
        "gt" => compare(Comparison::Greater),
        "gte" => compare(Comparison::GreaterOrEqual),
        "lt" => compare(Comparison::Less),
        "lte" => compare(Comparison::LessOrEqual),
        "isdistinct" => {
            comparable(operand, operator)?;
            Ok(Test::Distinct(Value::parse(kind, text)?))
        }
        "is" => is(kind, text).map(Test::Is),
        "like" => textual().and_then(|()| Like::parse(text).map(Test::Like)),
        "ilike" => textual().and_then(|()| Like::parse(text).map(Test::ILike)),
        "match" => textual().and_then(|()| Regex::parse(text).map(Test::Match)),
        "imatch" => textual().and_then(|()| Regex::parse(text).map(Test::IMatch)),
        "cs" => set(operand, SetTest::Contains, text),
        "cd" => set(operand, SetTest::ContainedIn, text),
        "ov" => set(operand, SetTest::Overlaps, text),
        "fts" | "plfts" | "phfts" | "wfts" => {
            textual()?;
            let form = form(operator).unwrap_or(Form::Web);
            TextQuery::parse(form, Config::parse(test.modifier.as_deref())?, text).map(Test::Search)
        }
        "sl" | "sr" | "nxr" | "nxl" | "adj" => {
            Err(RestError::unsupported(format!("the operator {operator}: no column is of a range type")))
        }
        other => Err(RestError::syntax("filter", format!("there is no operator {}", short(other)))),
    }
}

/// How a search by this operator is written.
fn form(operator: &str) -> Option<Form> {
    Some(match operator {
        "fts" => Form::Query,
        "plfts" => Form::Plain,
        "phfts" => Form::Phrase,
        "wfts" => Form::Web,
        _ => return None,
    })
}

/// A search in what belongs to a row.
fn found(test: &RawTest) -> Result<Search, RestError> {
    let (Some(form), RawValue::One(text)) = (form(&test.operator), &test.value) else {
        let operator = &test.operator;
        return Err(RestError::unsupported(format!(
            "the operator {operator} on {SEARCH}, which takes text searches alone"
        )));
    };
    let config = search::config(test.modifier.as_deref())?;
    // The bounds and the mistakes are those of other searches.
    TextQuery::parse(form, Config::Simple, text)?;
    Ok(Search { form, config, text: text.clone() })
}

fn sign(operator: &str) -> &'static str {
    match operator {
        "like" => "~~ unknown",
        "ilike" => "~~* unknown",
        "match" => "~ unknown",
        "imatch" => "~* unknown",
        _ => "@@ tsquery",
    }
}

/// JSON is compared by its texts, which both databases write alike.
fn comparable(operand: &Operand, operator: &str) -> Result<(), RestError> {
    if operand.column.kind == Type::Jsonb && !operand.as_text {
        let what = format!("the operator {operator} on a value of jsonb");
        return Err(RestError::unsupported(what).hint("Compare a text in it: `column->>member`."));
    }
    Ok(())
}

fn is(kind: Type, text: &str) -> Result<IsValue, RestError> {
    let value = match text.to_ascii_lowercase().as_str() {
        "null" => return Ok(IsValue::Null),
        "not_null" => return Ok(IsValue::NotNull),
        "true" => IsValue::True,
        "false" => IsValue::False,
        "unknown" => IsValue::Unknown,
        _ => return Err(RestError::syntax("filter", "is takes null, not_null, true, false or unknown")),
    };
    if kind == Type::Boolean {
        return Ok(value);
    }
    let name = text.to_ascii_uppercase();
    Err(RestError::new(400, "42804", format!("argument of IS {name} must be type boolean, not type {}", kind.name())))
}

fn set(operand: &Operand, test: SetTest, text: &str) -> Result<Test, RestError> {
    let sign = match test {
        SetTest::Contains => "@> unknown",
        SetTest::ContainedIn => "<@ unknown",
        SetTest::Overlaps => "&& unknown",
    };
    match operand.column.kind {
        Type::Texts => Ok(Test::Set(test, Value::parse(Type::Texts, text)?)),
        Type::Jsonb if test != SetTest::Overlaps => {
            if operand.path.is_empty() {
                Ok(Test::Set(test, Value::parse(Type::Jsonb, text)?))
            } else {
                Err(RestError::unsupported("cs and cd on a part of JSON"))
            }
        }
        kind => Err(RestError::no_operator(sign, kind.name())),
    }
}
