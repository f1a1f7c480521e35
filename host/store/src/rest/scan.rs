//! Conditions that SQLite can't compare as PostgreSQL does: regular expressions, text searches, what JSON contains, and
//! `ilike` beyond ASCII. The organization's rows are compared here first, within bounds; the condition then is that a row
//! is among those.

use futures::{FutureExt, future::BoxFuture};
use regex::RegexBuilder;
use resly_core::id::OrganizationId;
use resly_rest::{
    RestError, limits,
    plan::{Filter, Node, Operand, SetTest, Test},
    registry::Type,
    value::Value,
};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use super::{
    Halt,
    cell::{Cell, CellType},
    condition, operand,
    statement::Statement,
};
use crate::sql::Conn;

/// Bytes of a compiled expression.
const REGEX_SIZE: usize = 1 << 20;

/// Replaces such conditions of a node, and of those embedded in it. On PostgreSQL there are none.
pub(super) fn resolve<'f>(
    db: &'f mut Conn<'_>,
    organization: OrganizationId,
    node: &'f mut Node,
) -> BoxFuture<'f, Result<(), Halt>> {
    async move {
        if !matches!(db, Conn::Sqlite(_)) {
            return Ok(());
        }
        for embed in &mut node.embeds {
            resolve(db, organization, &mut embed.node).await?;
        }
        // The others narrow what is compared.
        let mut narrowed = node.clone();
        narrowed.filters.retain(|filter| !needs_scan(filter));
        let mut filters = std::mem::take(&mut node.filters);
        for filter in &mut filters {
            let mut tests = Vec::new();
            collect(filter, &mut tests);
            for (operand, test) in tests {
                let ids = matching(db, organization, &narrowed, operand, test).await?;
                *test = Test::Among(ids);
            }
        }
        node.filters = filters;
        Ok(())
    }
    .boxed()
}

fn is_scanned(operand: &Operand, test: &Test) -> bool {
    match test {
        Test::Match(_) | Test::IMatch(_) | Test::Search(_) => true,
        Test::ILike(like) => !like.like().is_ascii(),
        Test::Set(..) => operand.column.kind == Type::Jsonb,
        _ => false,
    }
}

fn needs_scan(filter: &Filter) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(needs_scan),
        Filter::Not(filter) => needs_scan(filter),
        Filter::Test(operand, test) => is_scanned(operand, test),
        Filter::Embedded(_) => false,
    }
}

fn collect<'f>(filter: &'f mut Filter, found: &mut Vec<(&'f Operand, &'f mut Test)>) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter_mut().for_each(|filter| collect(filter, found)),
        Filter::Not(filter) => collect(filter, found),
        Filter::Test(operand, test) => {
            if is_scanned(operand, test) {
                found.push((operand, test));
            }
        }
        Filter::Embedded(_) => {}
    }
}

/// The ids of the rows for which the test holds.
async fn matching(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    node: &Node,
    operand: &Operand,
    test: &Test,
) -> Result<Vec<Uuid>, Halt> {
    let holds = matcher(test)?;
    let mut statement = Statement::new(db, organization, "SELECT t0.id AS c0, ");
    operand::push(&mut statement, 0, operand);
    statement.push(" AS c1");
    condition::push_from(&mut statement, 0, node);
    let (mut ids, mut seen) = (Vec::new(), 0_usize);
    statement
        .visit(db, &mut |row| {
            seen += 1;
            let id = Cell::read(&row, 0, CellType::Column(Type::Uuid))?.uuid();
            if let Cell::Text(text) = Cell::read(&row, 1, CellType::Column(Type::Text))?
                && holds(&text)
            {
                ids.extend(id);
            }
            Ok(seen <= limits::SCANNED)
        })
        .await?;
    if seen > limits::SCANNED {
        let most = limits::SCANNED;
        let message = format!("this condition can compare {most} rows of {} at most", node.table.name);
        return Err(RestError::too_much(message)
            .hint("Narrow it by another condition, such as one on created_at.")
            .into());
    }
    Ok(ids)
}

type Matcher = Box<dyn Fn(&str) -> bool + Send + Sync>;

fn matcher(test: &Test) -> Result<Matcher, RestError> {
    let regex = |pattern: &str, ignore_case: bool| {
        let built = RegexBuilder::new(pattern)
            .case_insensitive(ignore_case)
            .dot_matches_new_line(true)
            .size_limit(REGEX_SIZE)
            .dfa_size_limit(REGEX_SIZE)
            .build();
        built.map_err(|_| RestError::new(400, "2201B", "invalid regular expression: it is too large"))
    };
    Ok(match test {
        Test::Match(pattern) => {
            let regex = regex(pattern.as_str(), false)?;
            Box::new(move |text| regex.is_match(text))
        }
        Test::IMatch(pattern) => {
            let regex = regex(pattern.as_str(), true)?;
            Box::new(move |text| regex.is_match(text))
        }
        Test::ILike(like) => {
            let regex = regex(&like.regex(), true)?;
            Box::new(move |text| regex.is_match(text))
        }
        Test::Search(search) => {
            let search = search.clone();
            Box::new(move |text| search.matches(text))
        }
        Test::Set(test, Value::Json(wanted)) => {
            let (test, wanted) = (*test, wanted.clone());
            Box::new(move |text| match serde_json::from_str::<Json>(text) {
                Ok(own) if test == SetTest::ContainedIn => contains(&wanted, &own, true),
                Ok(own) => contains(&own, &wanted, true),
                Err(_) => false,
            })
        }
        _ => return Err(RestError::unsupported("this condition on SQLite")),
    })
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
