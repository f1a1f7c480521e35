//! Looks up accounts. `cargo test` runs the logic; `resly connector build`, then `resly connector run`, the component.

use resly_sdk::{
    Call, Connector, Result,
    http::Request,
    serde_json::{Value, json},
};

/// The connector.
pub struct Accounts;

impl Connector for Accounts {
    fn invoke(call: &Call) -> Result<Value> {
        match call.action() {
            "get_account" => {
                // The host has checked the input against its schema.
                let input: Value = call.input()?;
                let id = input["id"].as_str().unwrap_or_default();
                let url = format!("https://api.example.com/accounts/{id}");
                Ok(account(&Request::get(url).send()?.require_success()?.json()?))
            }
            _ => Err(call.unknown_action()),
        }
    }
}

resly_sdk::export!(Accounts);

/// What a model needs of an account.
fn account(found: &Value) -> Value {
    json!({"name": found["name"], "plan": found["plan"]["name"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_its_name_and_plan() {
        let found = json!({"name": "Acme", "plan": {"name": "Pro", "price": 99}, "internal": "x"});
        assert_eq!(account(&found), json!({"name": "Acme", "plan": "Pro"}));
    }
}
