//! The round of calls that asks: what the model is told of it when the turn goes on, all of it and each call once.
//!
//! It is kept with the first approval of an answer until a person has decided, within bounds.

use serde::{Deserialize, Serialize};

use crate::{
    knowledge::Citation,
    model::{ModelMessage, ToolCall},
};

/// The most bytes of a round that are kept.
const KEPT_BYTES: usize = 128 << 10;
/// What the model is told of a call whose result was too much to keep.
const NOT_KEPT: &str = "(this call was made, but what it gave was too long to be kept until now)";

/// A call as the model made it, with what it is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
    /// The result as the model reads it; nothing while it waits for a person.
    pub result: Option<String>,
    /// What the result may be cited by, under the numbers that it names.
    pub citations: Vec<Citation>,
}

impl RoundCall {
    pub fn new(call: ToolCall, result: Option<String>, citations: Vec<Citation>) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, name, arguments, result, citations }
    }

    fn bytes(&self) -> usize {
        let cited: usize = self.citations.iter().map(|citation| citation.title.len() + citation.snippet.len()).sum();
        self.arguments.len() + self.result.as_ref().map_or(0, String::len) + cited
    }
}

/// A round as it is kept: of what is over the bound, only that it was called. What waits is always there.
pub fn bounded(calls: Vec<RoundCall>) -> Vec<RoundCall> {
    let mut left = KEPT_BYTES;
    let mut kept = Vec::with_capacity(calls.len());
    for call in calls {
        if let Some(rest) = left.checked_sub(call.bytes()) {
            left = rest;
            kept.push(call);
        } else if call.result.is_none() {
            // Its input is in the approval.
            kept.push(RoundCall { arguments: "{}".to_owned(), ..call });
        } else if let Some(rest) = left.checked_sub(NOT_KEPT.len()) {
            left = rest;
            let (arguments, result) = ("{}".to_owned(), Some(NOT_KEPT.to_owned()));
            kept.push(RoundCall { arguments, result, citations: Vec::new(), ..call });
        }
    }
    kept
}

/// A round in the dialogue: the calls, after the text that the model said before them, then their results. A call without a
/// result isn't told of.
pub fn exchange(text: String, round: Vec<RoundCall>) -> impl Iterator<Item = ModelMessage> {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for RoundCall { id, name, arguments, result, .. } in round {
        let Some(content) = result else { continue };
        results.push(ModelMessage::ToolResult { call_id: id.clone(), name: name.clone(), content });
        calls.push(ToolCall { id, name, arguments });
    }
    std::iter::once(ModelMessage::ToolCalls { text, calls }).chain(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, result: Option<usize>) -> RoundCall {
        let call = ToolCall { id: id.to_owned(), name: "call_connector".to_owned(), arguments: "{\"a\":1}".to_owned() };
        RoundCall::new(call, result.map(|bytes| "x".repeat(bytes)), vec![])
    }

    #[test]
    fn what_is_too_much_is_said_to_have_been_called() {
        let round =
            bounded(vec![call("a", Some(100 << 10)), call("b", Some(100 << 10)), call("c", None), call("d", Some(10))]);
        let results: Vec<_> = round.iter().map(|call| call.result.as_deref()).collect();
        assert_eq!(results[1..], [Some(NOT_KEPT), None, Some("xxxxxxxxxx")]);
        assert_eq!(round[0], call("a", Some(100 << 10)));
        let many = bounded((0..10_000).map(|n| call(&n.to_string(), Some(1000))).collect());
        assert!(many.iter().map(RoundCall::bytes).sum::<usize>() <= KEPT_BYTES);
    }

    #[test]
    fn each_call_that_has_a_result_is_answered_once() {
        let told: Vec<_> =
            exchange("Look.".to_owned(), vec![call("a", Some(1)), call("b", None), call("c", Some(2))]).collect();
        let [ModelMessage::ToolCalls { text, calls }, results @ ..] = &*told else { panic!("{told:?}") };
        assert_eq!(text, "Look.");
        assert_eq!(calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        let ids = results.iter().map(|told| match told {
            ModelMessage::ToolResult { call_id, .. } => call_id.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["a", "c"]);
    }
}
