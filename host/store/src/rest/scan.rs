//! Conditions that SQLite can't compare as PostgreSQL does: regular expressions, text searches, what JSON contains, and
//! `ilike` beyond ASCII; and long patterns, which SQLite can't be ended in. The organization's rows are compared here first,
//! within bounds and on a thread that may block; the condition then is that a row is among those.

use std::{sync::Arc, time::Instant};

use futures::{FutureExt, future::BoxFuture};
use resly_core::id::OrganizationId;
use resly_rest::{
    RestError, limits,
    plan::{Filter, Node, Operand, SetTest, Test},
    registry::{SEARCH, Type},
    value::Value,
};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use super::{
    Halt,
    cell::{self, Cell, CellType},
    condition,
    expression::Expression,
    operand,
    reader::Place,
    statement::Statement,
    timed_out,
};
use crate::sql::Conn;

/// Replaces such conditions of a node, and of those embedded in it. On PostgreSQL there are none.
pub(super) fn resolve<'f>(
    db: &'f mut Conn<'_>,
    place: &'f Place,
    organization: OrganizationId,
    node: &'f mut Node,
) -> BoxFuture<'f, Result<(), Halt>> {
    async move {
        if !matches!(db, Conn::Sqlite(_)) {
            return Ok(());
        }
        for embed in &mut node.embeds {
            resolve(db, place, organization, &mut embed.node).await?;
        }
        if node.filters.iter().any(searches_passages) {
            let what = format!("a condition on {SEARCH}, which PostgreSQL alone has: this host's store is SQLite");
            return Err(RestError::unsupported(what).hint("POST /api/search finds passages on both.").into());
        }
        let long = node.filters.iter().map(pattern_bytes).sum::<usize>() > limits::LIKE_IN_SQLITE;
        // The others narrow what is compared.
        let mut narrowed = node.clone();
        narrowed.filters.retain(|filter| !needs_scan(filter, long));
        let mut filters = std::mem::take(&mut node.filters);
        for filter in &mut filters {
            let mut tests = Vec::new();
            collect(filter, long, &mut tests);
            for (operand, test) in tests {
                let ids = matching(db, place, organization, &narrowed, operand, test).await?;
                *test = Test::Among(ids);
            }
        }
        node.filters = filters;
        Ok(())
    }
    .boxed()
}

/// `long` says that the patterns are too long together for SQLite to compare.
fn is_scanned(operand: &Operand, test: &Test, long: bool) -> bool {
    match test {
        Test::Match(_) | Test::IMatch(_) | Test::Search(_) => true,
        Test::Like(_) => long,
        Test::ILike(like) => long || !like.like().is_ascii(),
        Test::Set(..) => operand.column.kind == Type::Jsonb,
        _ => false,
    }
}

fn pattern_bytes(filter: &Filter) -> usize {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().map(pattern_bytes).sum(),
        Filter::Not(filter) => pattern_bytes(filter),
        Filter::Test(_, Test::Like(like) | Test::ILike(like)) => like.like().len(),
        Filter::Test(..) | Filter::Embedded(_) | Filter::Found(_) => 0,
    }
}

fn searches_passages(filter: &Filter) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(searches_passages),
        Filter::Not(filter) => searches_passages(filter),
        Filter::Found(_) => true,
        Filter::Test(..) | Filter::Embedded(_) => false,
    }
}

fn needs_scan(filter: &Filter, long: bool) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(|filter| needs_scan(filter, long)),
        Filter::Not(filter) => needs_scan(filter, long),
        Filter::Test(operand, test) => is_scanned(operand, test, long),
        Filter::Embedded(_) | Filter::Found(_) => false,
    }
}

fn collect<'f>(filter: &'f mut Filter, long: bool, found: &mut Vec<(&'f Operand, &'f mut Test)>) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter_mut().for_each(|filter| collect(filter, long, found));
        }
        Filter::Not(filter) => collect(filter, long, found),
        Filter::Test(operand, test) => {
            if is_scanned(operand, test, long) {
                found.push((operand, test));
            }
        }
        Filter::Embedded(_) | Filter::Found(_) => {}
    }
}

/// The ids of the rows for which the test holds.
async fn matching(
    db: &mut Conn<'_>,
    place: &Place,
    organization: OrganizationId,
    node: &Node,
    operand: &Operand,
    test: &Test,
) -> Result<Vec<Uuid>, Halt> {
    let mut holds = matcher(test)?;
    let mut statement = Statement::new(db, organization, "SELECT t0.id AS c0, ");
    operand::push(&mut statement, 0, operand);
    statement.push(" AS c1");
    condition::push_from(&mut statement, 0, node);
    let (mut texts, mut seen, mut bytes, mut longest) = (Vec::new(), 0_usize, 0_usize, 0_usize);
    statement
        .visit(db, &mut |row| -> Result<bool, Halt> {
            seen += 1;
            let id = cell::uuid_at(&row, 0)?;
            if let (Some(id), Cell::Text(text)) = (id, Cell::read(&row, 1, CellType::Column(Type::Text))?) {
                bytes += text.len();
                longest = longest.max(text.len());
                texts.push((id, text));
            }
            Ok(seen <= limits::SCANNED && bytes <= limits::SCANNED_BYTES && longest <= limits::SCANNED_TEXT)
        })
        .await?;
    let name = node.table.name;
    let too_much = if seen > limits::SCANNED {
        Some(format!("this condition can compare {} rows of {name} at most", limits::SCANNED))
    } else if longest > limits::SCANNED_TEXT {
        Some(format!("this condition can't compare a text of {name} that has more than {} bytes", limits::SCANNED_TEXT))
    } else if bytes > limits::SCANNED_BYTES {
        Some(format!("this condition can compare {} bytes of {name} at most", limits::SCANNED_BYTES))
    } else {
        None
    };
    if let Some(message) = too_much {
        let hint = "Narrow it by another condition, such as one on created_at.";
        return Err(RestError::too_much(message).hint(hint).into());
    }
    let deadline = Instant::now() + limits::TIME;
    // The request may end before, when its client leaves. Its place is free when the work ends.
    let place = Arc::clone(place);
    let compared = tokio::task::spawn_blocking(move || {
        let found = compare(texts, &mut holds, deadline);
        drop(place);
        found
    });
    let panicked = |error: tokio::task::JoinError| Halt::Database(sqlx::Error::Decode(error.to_string().into()));
    Ok(compared.await.map_err(panicked)??)
}

fn compare(texts: Vec<(Uuid, String)>, holds: &mut Matcher, deadline: Instant) -> Result<Vec<Uuid>, RestError> {
    let mut ids = Vec::new();
    for (id, text) in texts {
        // Who asked has had no answer by then.
        if Instant::now() >= deadline {
            return Err(timed_out());
        }
        if holds(&text)? {
            ids.push(id);
        }
    }
    Ok(ids)
}

type Matcher = Box<dyn FnMut(&str) -> Result<bool, RestError> + Send>;

fn matcher(test: &Test) -> Result<Matcher, RestError> {
    let expression = |pattern: &str, ignore_case: bool| -> Result<Matcher, RestError> {
        let mut expression = Expression::new(pattern, ignore_case)?;
        Ok(Box::new(move |text| expression.is_match(text)))
    };
    match test {
        Test::Match(pattern) => expression(pattern.as_str(), false),
        Test::IMatch(pattern) => expression(pattern.as_str(), true),
        Test::Like(like) => expression(&like.regex(), false),
        Test::ILike(like) => expression(&like.regex(), true),
        Test::Search(search) => {
            let search = search.clone();
            Ok(Box::new(move |text| Ok(search.matches(text))))
        }
        Test::Set(test, Value::Json(wanted)) => {
            let (test, wanted) = (*test, wanted.clone());
            Ok(Box::new(move |text| {
                Ok(match serde_json::from_str::<Json>(text) {
                    Ok(own) if test == SetTest::ContainedIn => contains(&wanted, &own, true),
                    Ok(own) => contains(&own, &wanted, true),
                    Err(_) => false,
                })
            }))
        }
        _ => Err(RestError::unsupported("this condition on SQLite")),
    }
}

/// Whether `one` contains `other` as `jsonb`'s `@>` has it: an array may contain a bare value at the top.
fn contains(one: &Json, other: &Json, top: bool) -> bool {
    match (one, other) {
        (Json::Object(own), Json::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| own.get(name).is_some_and(|own| contains(own, wanted, false)))
        }
        (Json::Array(own), Json::Array(wanted)) => {
            wanted.iter().all(|wanted| own.iter().any(|own| contains(own, wanted, false)))
        }
        (Json::Array(own), wanted) if top && !wanted.is_object() => {
            own.iter().any(|own| resly_core::json::same(own, wanted))
        }
        (own, wanted) => resly_core::json::same(own, wanted),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_contains_what_jsonb_contains() {
        let yes = [
            (json!({"a": 1, "b": [1, 2, {"c": 3}]}), json!({"b": [{"c": 3}, 1]})),
            (json!([1, 2]), json!(1)),
            (json!({"a": {"b": 1}}), json!({"a": {}})),
            (json!([[1, 2]]), json!([[1]])),
        ];
        let no = [
            (json!({"a": 1}), json!({"a": "1"})),
            (json!({"a": [1]}), json!({"a": 1})),
            (json!([{"a": 1}]), json!({"a": 1})),
            (json!(1), json!([1])),
        ];
        for (own, wanted) in yes {
            assert!(contains(&own, &wanted, true), "{own} @> {wanted}");
        }
        for (own, wanted) in no {
            assert!(!contains(&own, &wanted, true), "{own} @> {wanted}");
        }
    }
}
