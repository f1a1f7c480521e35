//! The runner of declarative connectors: it is handed an action's definition, makes the request from it, and makes the
//! output from the response. `README.md` beside this crate is the definition's grammar.

mod definition;
mod pages;
mod request;
mod response;
mod template;

use definition::Definition;
use resly_sdk::{
    Call, Connector, Fault, Result,
    http::{Failure, Request, Response},
    mapping,
};
use serde_json::{Value, json};

/// The runner.
pub struct Runner;

impl Connector for Runner {
    fn invoke(call: &Call) -> Result<Value> {
        run(call, &Outside { send: &Request::send, map: &mapping::apply })
    }
}

resly_sdk::export!(Runner);

/// What the runner asks of the host; tests put doubles here.
struct Outside<'a> {
    send: &'a dyn Fn(Request) -> core::result::Result<Response, Failure>,
    map: &'a dyn Fn(&str, &Value) -> Result<Value>,
}

fn run(call: &Call, outside: &Outside) -> Result<Value> {
    let definition: Definition = serde_json::from_value(call.definition().clone())
        .map_err(|error| Fault::internal(format!("the definition is not one: {error}")))?;
    let scope = json!({
        "input": call.input::<Value>()?,
        "settings": call.settings::<Value>()?,
        "connection": {"id": call.connection().id, "name": call.connection().name},
        "now": call.now(),
    });
    let request = request::build(&definition.request, &scope)?;
    let body = match &definition.pagination {
        Some(pagination) => pages::collect(pagination, request, &definition.response, outside)?,
        None => response::read(&(outside.send)(request)?, &definition.response, outside)?,
    };
    match &definition.response.mapping {
        Some(filter) => (outside.map)(filter, &body),
        None => Ok(body),
    }
}

#[cfg(test)]
mod tests;
