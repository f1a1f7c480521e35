//! The query of a request: its parameters, decoded and told apart by their names.

use percent_encoding::percent_decode_str;

use crate::{
    cursor::Cursor,
    error::RestError,
    limits,
    syntax::{
        filter::{self, RawFilter},
        order::{self, RawTerm},
        path,
        select::{self, RawItem},
    },
};

/// A query that was read, without regard to tables.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub select: Option<Vec<RawItem>>,
    /// The columns that a body writes.
    pub columns: Option<Vec<String>>,
    pub on_conflict: Option<Vec<String>>,
    pub parameters: Vec<Parameter>,
}

/// A parameter of the table or of an embedded relation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The names of the embedded relations that lead to it.
    pub path: Vec<String>,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Filter(RawFilter),
    Order(Vec<RawTerm>),
    Limit(u64),
    Offset(u64),
}

impl Query {
    /// Reads the part of a URL after the question mark.
    pub fn parse(text: &str) -> Result<Self, RestError> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.read(&decoded(name)?, &decoded(value)?)?;
            if query.parameters.len() > limits::CONDITIONS {
                return Err(RestError::too_much(format!("there are more than {} conditions", limits::CONDITIONS)));
            }
        }
        Ok(query)
    }

    /// Whether there is a condition on the table itself.
    pub fn has_filter(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.path.is_empty() && matches!(parameter.kind, Kind::Filter(_)))
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), RestError> {
        match name {
            "select" => once(&mut self.select, name, select::parse(value)?),
            "columns" => once(&mut self.columns, name, names(value)?),
            "on_conflict" => once(&mut self.on_conflict, name, names(value)?),
            _ => {
                let parameter = parameter(name, value)?;
                let again = self.parameters.iter().any(|other| {
                    let same = std::mem::discriminant(&other.kind) == std::mem::discriminant(&parameter.kind);
                    same && other.path == parameter.path && !matches!(parameter.kind, Kind::Filter(_))
                });
                if again {
                    return Err(twice(name));
                }
                self.parameters.push(parameter);
                Ok(())
            }
        }
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), RestError> {
    if place.replace(value).is_some() { Err(twice(name)) } else { Ok(()) }
}

fn twice(name: &str) -> RestError {
    RestError::syntax("query parameters", format!("\"{}\" is there more than once", crate::error::short(name)))
}

fn decoded(text: &str) -> Result<String, RestError> {
    let spaced = text.replace('+', " ");
    let text = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| RestError::new(400, "22021", "invalid byte sequence for encoding \"UTF8\""))?;
    if text.contains('\0') {
        return Err(RestError::new(400, "22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text.into_owned())
}

fn names(text: &str) -> Result<Vec<String>, RestError> {
    let mut cursor = Cursor::new("columns parameter", text);
    let mut found = Vec::new();
    loop {
        found.push(cursor.name()?);
        if !cursor.take(",") {
            cursor.end()?;
            return Ok(found);
        }
    }
}

/// `[relation.]…name=value`
fn parameter(name: &str, value: &str) -> Result<Parameter, RestError> {
    let mut cursor = Cursor::new("query parameter", name);
    let mut path = Vec::new();
    let field = loop {
        let field = path::field(&mut cursor)?;
        if !cursor.take(".") {
            break field;
        }
        if !field.path.is_empty() {
            return Err(cursor.error("end of input"));
        }
        path.push(field.column);
    };
    cursor.end()?;
    let negated = path.last().is_some_and(|last| last == "not") && matches!(field.column.as_str(), "and" | "or");
    if negated {
        path.pop();
    }
    let plain = field.path.is_empty();
    let kind = match field.column.as_str() {
        "order" if plain => Kind::Order(order::parse(value)?),
        "limit" if plain => Kind::Limit(number(name, value)?),
        "offset" if plain => Kind::Offset(number(name, value)?),
        logic @ ("and" | "or") if plain => Kind::Filter(filter::logic(logic, negated, value)?),
        _ => Kind::Filter(filter::test(field, value)?),
    };
    Ok(Parameter { path, kind })
}

fn number(name: &str, value: &str) -> Result<u64, RestError> {
    match value.trim().parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| {
            RestError::new(416, "PGRST103", "Requested range not satisfiable")
                .details(format!("{} should be greater than or equal to zero.", crate::error::short(name)))
        }),
        Err(_) => {
            Err(RestError::syntax("query parameter", format!("{} has to be a number", crate::error::short(name))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> String {
        Query::parse(query).unwrap_err().code.into_owned()
    }

    #[test]
    fn parameters_are_told_apart_by_their_names() {
        let query = Query::parse(
            "select=id,messages(*)&status=eq.open&messages.order=id.desc&messages.visitors.limit=5&messages.not.or=(a.eq.1)\
             &settings-%3Ea-%3E%3Eb=eq.x&offset=3&columns=a,%22b%22",
        )
        .unwrap();
        let paths: Vec<String> = query.parameters.iter().map(|parameter| parameter.path.join("/")).collect();
        assert_eq!(paths, ["", "messages", "messages/visitors", "messages", "", ""]);
        assert!(matches!(query.parameters[3].kind, Kind::Filter(RawFilter::Not(_))));
        assert_eq!(query.columns.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
        assert!(query.has_filter() && !Query::parse("messages.a=eq.1&limit=1").unwrap().has_filter());
    }

    #[test]
    fn what_is_hostile_is_refused() {
        assert_eq!(code("a=eq.%ff"), "22021");
        assert_eq!(code("a=eq.x%00"), "22021");
        assert_eq!(code("%ff=eq.x"), "22021");
        assert_eq!(code("a;drop=eq.x"), "PGRST100");
        assert_eq!(code("limit=-1"), "PGRST103");
        assert_eq!(code("limit=all"), "PGRST100");
        assert_eq!(code("limit=1&limit=2"), "PGRST100");
        assert_eq!(code("select=a&select=b"), "PGRST100");
        assert_eq!(code(&"a=eq.1&".repeat(300)), "54000");
        assert_eq!(code("a"), "PGRST100");
    }
}
