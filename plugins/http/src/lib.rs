//! The runner of declarative connectors. The host gives it an action's definition; it builds the request from that, and
//! the output from the response. `README.md` beside this crate has the grammar of definitions.

mod body;
mod check;
mod definition;
mod expression;
mod link;
mod list;
mod next;
mod pages;
mod request;
mod response;
mod template;
mod value;

use definition::{Definition, Expected};
use resly_sdk::{
    Call, Connector, Fault, Result,
    http::{Failure, Request, Response},
    log, mapping,
    serde::Deserialize as _,
};
use serde_json::{Value, json};

/// The runner.
pub struct Runner;

impl Connector for Runner {
    fn invoke(call: &Call) -> Result<Value> {
        Ok(serde_json::from_str(&Self::invoke_text(call)?)?)
    }

    fn invoke_text(call: &Call) -> Result<String> {
        run(call, &Outside { send: &Request::send, map: &mapping::apply_text, warn: &log::warn })
    }
}

resly_sdk::export!(Runner);

/// What the runner needs from the host. Tests use doubles.
struct Outside<'a> {
    send: &'a dyn Fn(Request) -> core::result::Result<Response, Failure>,
    map: &'a dyn Fn(&str, &str) -> core::result::Result<String, mapping::Failure>,
    warn: &'a dyn Fn(&str),
}

/// The names that templates can use.
struct Scope(Value);

impl Scope {
    fn of(call: &Call) -> Result<Self> {
        let connection = call.connection();
        Ok(Self(json!({
            "input": call.input::<Value>()?,
            "settings": call.settings::<Value>()?,
            "connection": {"id": connection.id, "name": connection.name, "environment": connection.environment},
            "call": {"id": call.id()},
            "now": call.now(),
        })))
    }
}

/// The definition and the scope of an action.
fn parts(call: &Call) -> Result<(Definition, Scope)> {
    let definition = Definition::deserialize(call.definition())
        .map_err(|error| Fault::internal(format!("the action's definition can't be used: {error}")))?;
    Ok((definition, Scope::of(call)?))
}

/// The first request of an action, unsent.
pub fn first_request(call: &Call) -> Result<Request> {
    let (definition, scope) = parts(call)?;
    request::build(&definition.request, &scope)
}

/// Runs an action. The output is JSON text, so that numbers keep their digits.
fn run(call: &Call, outside: &Outside) -> Result<String> {
    if check::is_asked(call.definition()) {
        return Ok(check::mistakes(call.definition()));
    }
    let (definition, scope) = parts(call)?;
    let request = request::build(&definition.request, &scope)?;
    let reader = response::Reader {
        rule: &definition.response,
        pagination: definition.pagination.as_ref(),
        asks_for_pages: response::asks_for_pages(&request),
        scope: &scope,
        outside,
    };
    let body = match &definition.pagination {
        Some(pagination) => pages::collect(pagination, request, &reader)?,
        None => reader.read(&(outside.send)(request)?)?,
    };
    let Some(filter) = &definition.response.mapping else { return Ok(body) };
    let output = (outside.map)(filter, &body)?;
    if definition.response.expect != Expected::Any && !definition.nullable {
        body::check_output(&output, &body, filter)?;
    }
    Ok(output)
}

#[cfg(test)]
mod tests;
