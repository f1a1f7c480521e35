//! The round of calls in which a model asked for a write. When the turn continues, the model is shown the whole round,
//! each call once.
//!
//! It is stored with the first approval of an answer, within bounds, until a person has decided.

use serde::{Deserialize, Serialize};

use crate::{
    knowledge::Citation,
    model::{ModelMessage, ProviderData, ToolCall},
};

/// The most bytes of a round that are stored, without provider data.
const KEPT_BYTES: usize = 128 << 10;
/// The most bytes of provider data that are stored with a round.
const KEPT_DATA: usize = 256 << 10;
/// Stands for the result of a call that was too long to be stored.
const NOT_KEPT: &str = "(this call was made, but what it gave was too long to be kept until now)";

/// The calls that a model made in one message, in its order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredRound")]
pub struct Round {
    pub calls: Vec<RoundCall>,
    /// Opaque data that the provider wants back with that message.
    #[serde(skip_serializing_if = "ProviderData::is_empty")]
    pub data: ProviderData,
}

impl Round {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

/// A round as it is stored. Earlier versions stored a list of calls without provider data.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredRound {
    Calls(Vec<RoundCall>),
    Round {
        calls: Vec<RoundCall>,
        #[serde(default)]
        data: ProviderData,
    },
}

impl From<StoredRound> for Round {
    fn from(stored: StoredRound) -> Self {
        match stored {
            StoredRound::Calls(calls) => Self { calls, data: ProviderData::default() },
            StoredRound::Round { calls, data } => Self { calls, data },
        }
    }
}

/// One call of a round, with its result for the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundCall {
    /// The host's id of the call. It is unique, unlike the model's id.
    pub id: String,
    /// The model's id of the call. Empty means that it is the same as `id`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model_id: String,
    pub name: String,
    pub arguments: String,
    /// Opaque data that the provider wants back with this call.
    #[serde(default, skip_serializing_if = "ProviderData::is_empty")]
    pub data: ProviderData,
    /// The result as the model reads it. `None` while the call waits for a person.
    pub result: Option<String>,
    /// The sources that the result names by number.
    pub citations: Vec<Citation>,
}

impl RoundCall {
    /// `id` is the host's id of the call.
    pub fn new(id: String, call: ToolCall, result: Option<String>, citations: Vec<Citation>) -> Self {
        let ToolCall { id: model_id, name, arguments, data } = call;
        Self { id, model_id, name, arguments, data, result, citations }
    }

    fn bytes(&self) -> usize {
        let cited: usize = self.citations.iter().map(|citation| citation.title.len() + citation.snippet.len()).sum();
        self.arguments.len() + self.result.as_ref().map_or(0, String::len) + cited
    }
}

/// The round to store. A call beyond the bound keeps only its name, or is dropped when even that doesn't fit. A call
/// that waits for a person is always kept.
pub fn bounded(round: Round) -> Round {
    let Round { calls, mut data } = round;
    let data_bytes = data.bytes() + calls.iter().map(|call| call.data.bytes()).sum::<usize>();
    // A provider can't use part of its data, so too much of it is dropped as a whole.
    let keeps_data = data_bytes <= KEPT_DATA;
    if !keeps_data {
        tracing::warn!(bytes = data_bytes, "the provider's data of a round is too long to be kept with its approvals");
        data = ProviderData::default();
    }
    let mut left = KEPT_BYTES;
    let mut kept = Vec::with_capacity(calls.len());
    for mut call in calls {
        if !keeps_data {
            call.data = ProviderData::default();
        }
        if let Some(rest) = left.checked_sub(call.bytes()) {
            left = rest;
            kept.push(call);
        } else if call.result.is_none() {
            // The approval has its input.
            kept.push(RoundCall { arguments: "{}".to_owned(), ..call });
        } else if let Some(rest) = left.checked_sub(NOT_KEPT.len()) {
            left = rest;
            let (arguments, result) = ("{}".to_owned(), Some(NOT_KEPT.to_owned()));
            kept.push(RoundCall { arguments, result, citations: Vec::new(), ..call });
        }
    }
    Round { calls: kept, data }
}

/// The messages that show a round to a model: the calls, after the text before them, then their results. A call without
/// a result is left out.
pub fn exchange(text: String, round: Round) -> impl Iterator<Item = ModelMessage> {
    let Round { calls: round, data } = round;
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for RoundCall { id, model_id, name, arguments, data, result, .. } in round {
        let Some(content) = result else { continue };
        let id = if model_id.is_empty() { id } else { model_id };
        results.push(ModelMessage::ToolResult { call_id: id.clone(), name: name.clone(), content });
        calls.push(ToolCall { id, name, arguments, data });
    }
    std::iter::once(ModelMessage::ToolCalls { text, calls, data }).chain(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, result: Option<usize>) -> RoundCall {
        let call = ToolCall {
            id: format!("m-{id}"),
            name: "call_connector".to_owned(),
            arguments: "{\"a\":1}".to_owned(),
            data: data(1),
        };
        RoundCall::new(id.to_owned(), call, result.map(|bytes| "x".repeat(bytes)), vec![])
    }

    fn data(bytes: usize) -> ProviderData {
        ProviderData([("signature".to_owned(), "s".repeat(bytes).into())].into_iter().collect())
    }

    fn round(calls: Vec<RoundCall>) -> Round {
        Round { calls, data: data(2) }
    }

    #[test]
    fn what_is_too_much_is_said_to_have_been_called() {
        let calls = [call("a", Some(100 << 10)), call("b", Some(100 << 10)), call("c", None), call("d", Some(10))];
        let Round { calls: round, data: kept } = bounded(round(calls.to_vec()));
        assert_eq!(kept, data(2));
        assert!(round.iter().all(|call| call.data == data(1)));
        let results: Vec<_> = round.iter().map(|call| call.result.as_deref()).collect();
        assert_eq!(results[1..], [Some(NOT_KEPT), None, Some("xxxxxxxxxx")]);
        assert_eq!(round[0], call("a", Some(100 << 10)));
        let many = bounded(self::round((0..10_000).map(|n| call(&n.to_string(), Some(1000))).collect()));
        assert!(many.calls.iter().map(RoundCall::bytes).sum::<usize>() <= KEPT_BYTES);
    }

    #[test]
    fn each_call_that_has_a_result_is_answered_once() {
        let told: Vec<_> =
            exchange("Look.".to_owned(), round(vec![call("a", Some(1)), call("b", None), call("c", Some(2))]))
                .collect();
        let [ModelMessage::ToolCalls { text, calls, data: returned }, results @ ..] = &*told else {
            panic!("{told:?}")
        };
        assert_eq!(text, "Look.");
        assert_eq!(*returned, data(2));
        assert!(calls.iter().all(|call| call.data == data(1)));
        assert_eq!(calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["m-a", "m-c"]);
        let ids = results.iter().map(|told| match told {
            ModelMessage::ToolResult { call_id, .. } => call_id.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["m-a", "m-c"]);
    }

    #[test]
    fn a_round_is_stored_whole_and_the_older_form_is_read() {
        let whole = round(vec![call("a", Some(1)), call("b", None)]);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Round>(&text).unwrap(), whole);
        let older = r#"[{"id":"call_0","name":"find","arguments":"{}","result":"x","citations":[]}]"#;
        let older: Round = serde_json::from_str(older).unwrap();
        assert!(older.data.is_empty() && older.calls[0].data.is_empty());
        let Some(ModelMessage::ToolCalls { calls, .. }) = exchange(String::new(), older).next() else { panic!() };
        assert_eq!(calls[0].id, "call_0");
    }

    #[test]
    fn provider_data_is_kept_whole_or_not_at_all() {
        let long = Round { calls: vec![call("a", Some(1))], data: data(300 << 10) };
        let kept = bounded(long);
        assert!(kept.data.is_empty() && kept.calls[0].data.is_empty());
        assert_eq!(kept.calls[0].result.as_deref(), Some("x"));
    }
}
