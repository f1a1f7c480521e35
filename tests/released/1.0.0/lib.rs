//! The SDK's template with an action for each interface that a connector imports, and one for each fault.

use resly_sdk::{
    Call, Connector, Fault, FaultKind, Result,
    http::Request,
    log::{self, Level},
    mapping,
    serde_json::{self, Value, json},
    state,
};

/// The connector.
pub struct Released;

impl Connector for Released {
    fn invoke(call: &Call) -> Result<Value> {
        let input: Value = call.input()?;
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        match call.action() {
            "get_account" => {
                let request = Request::get(format!("https://api.example.com/accounts/{}", text("id")));
                // Not `json()`: it brings the tables of every charset along.
                let found: Value = serde_json::from_slice(&request.send()?.body)?;
                Ok(json!({"name": found["name"], "plan": found["plan"]["name"]}))
            }
            // The failure's offset is part of the interface.
            "map" => Ok(match mapping::apply_text(text("filter"), text("json")) {
                Ok(output) => json!({"output": output}),
                Err(failure) => json!({"offset": failure.offset}),
            }),
            "log" => {
                for (level, line) in
                    [(Level::Debug, "one"), (Level::Info, "two"), (Level::Warn, "three"), (Level::Error, "four")]
                {
                    log::emit(level, line);
                }
                Ok(json!({}))
            }
            "remember" => {
                let before: Option<Value> = state::get_json("value");
                Ok(json!({"before": before, "kept": state::set_json("value", &input["value"], 60)}))
            }
            "fail" => Err(Fault::new(kind(text("kind")), "it was asked to fail")),
            _ => Err(call.unknown_action()),
        }
    }
}

resly_sdk::export!(Released);

fn kind(name: &str) -> FaultKind {
    match name {
        "invalid-input" => FaultKind::InvalidInput,
        "not-found" => FaultKind::NotFound,
        "upstream" => FaultKind::Upstream,
        "needs-auth" => FaultKind::NeedsAuth,
        "rate-limited" => FaultKind::RateLimited,
        _ => FaultKind::Internal,
    }
}
