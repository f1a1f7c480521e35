//! Putting tool calls together out of fragments.
//!
//! The API sends the id and the name first, then the arguments in pieces, told apart by `index`. Some servers send
//! whole calls, no index, the same index for all, a new index with every piece, no ids, new ids with every piece, or the
//! name with every piece.

use resly_core::model::{ProviderData, ToolCall};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    chunk::{CallPart, FunctionPart},
    data::{self, Members},
};
use crate::answer::{MOST_ARGUMENT_BYTES, MOST_CALLS};

/// Where what stands beside a function's name and arguments is kept in the data of its call. The API has that name for a
/// member of its own, so no server's member can have it.
pub const FUNCTION: &str = "function";

#[derive(Debug, Default)]
pub struct Calls {
    calls: Vec<Partial>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Partial {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    data: Members,
    function_data: Members,
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds a fragment.
    pub fn add(&mut self, part: CallPart<'_>) -> Result<(), String> {
        let CallPart { index, id, function, data, .. } = part;
        if let Some(at) = self.add_to(index.0, id.0.trim(), &function.0)? {
            let call = &mut self.calls[at];
            data::merge(&mut call.data, data);
            data::merge(&mut call.function_data, function.0.data);
        }
        Ok(())
    }

    /// Adds a fragment of the older shape, in which there is one call without an id.
    pub fn add_function(&mut self, part: &FunctionPart<'_>) -> Result<(), String> {
        self.add_to(None, "", part).map(drop)
    }

    /// Which call a fragment was added to.
    fn add_to(&mut self, index: Option<u64>, id: &str, function: &FunctionPart<'_>) -> Result<Option<usize>, String> {
        let name = function.name.0.trim();
        let arguments = function.arguments();
        if id.is_empty() && name.is_empty() && arguments.is_empty() && !self.calls.is_empty() {
            // It may still bring data for the call that it belongs to.
            return Ok(self.place(index, id).or(self.calls.len().checked_sub(1)));
        }
        let at = match self.continued(index, id, name, &arguments) {
            Some(at) => at,
            None if self.calls.len() >= MOST_CALLS => {
                return Err(format!("more than {MOST_CALLS} tool calls in one answer"));
            }
            None => {
                self.calls.push(Partial { index, id: id.to_owned(), ..Partial::default() });
                self.calls.len() - 1
            }
        };
        self.bytes += arguments.len();
        if self.bytes > MOST_ARGUMENT_BYTES {
            return Err(format!("more than {MOST_ARGUMENT_BYTES} bytes of tool call arguments in one answer"));
        }
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            call.id.push_str(id);
        }
        if call.name.is_empty() || (call.arguments.is_empty() && call.name != name) {
            call.name.push_str(name);
        }
        call.arguments.push_str(&arguments);
        Ok(Some(at))
    }

    /// The call that a fragment names, by its id or else by its index.
    fn place(&self, index: Option<u64>, id: &str) -> Option<usize> {
        let by_id = self.calls.iter().rposition(|call| !id.is_empty() && call.id == id);
        by_id.or_else(|| self.calls.iter().rposition(|call| index.is_some() && call.index == index))
    }

    /// The call that a fragment continues; none when it starts one.
    fn continued(&self, index: Option<u64>, id: &str, name: &str, arguments: &str) -> Option<usize> {
        let last = self.calls.len().checked_sub(1)?;
        let Some(at) = self.place(index, id) else {
            return match index {
                Some(_) => self.continued_elsewhere(id, name, arguments),
                None => (id.is_empty() || self.calls[last].id.is_empty())
                    .then_some(last)
                    .filter(|at| !starts_anew(&self.calls[*at], None, id, name, arguments)),
            };
        };
        (!starts_anew(&self.calls[at], index, id, name, arguments)).then_some(at)
    }

    /// The call that a fragment continues although its index is new: one that still needs arguments gets a piece that can't
    /// be the beginning of a call.
    fn continued_elsewhere(&self, id: &str, name: &str, arguments: &str) -> Option<usize> {
        let at = self.calls.iter().rposition(|call| !is_whole(&call.arguments));
        let begun = |at: usize| !self.calls[at].arguments.trim().is_empty();
        match (id.is_empty(), name.is_empty()) {
            (true, true) => at.or(self.calls.len().checked_sub(1)),
            // Some servers send the id before the name.
            (false, true) => at.filter(|at| begun(*at) && !arguments.is_empty()),
            (_, false) => at.filter(|at| {
                let piece = !arguments.is_empty() && !arguments.trim_start().starts_with('{');
                begun(*at) && piece && self.calls[*at].name == name
            }),
        }
    }

    /// The calls in the order in which they were started, with ids that are there and differ.
    pub fn finish(self) -> Result<Vec<ToolCall>, String> {
        let mut finished: Vec<ToolCall> = Vec::with_capacity(self.calls.len());
        for (n, call) in self.calls.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err("a tool call without a name".to_owned());
            }
            let is_free = |id: &String| !id.is_empty() && finished.iter().all(|have| have.id != *id);
            let made_up = (n..).map(|n| format!("call_{n}"));
            let id = std::iter::once(call.id).chain(made_up).find(is_free).unwrap_or_default();
            let arguments = if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments };
            let mut data = call.data;
            if !call.function_data.is_empty() {
                data.insert(FUNCTION.to_owned(), Value::Object(call.function_data));
            }
            finished.push(ToolCall { id, name: call.name, arguments, data: ProviderData(data) });
        }
        Ok(finished)
    }

    /// Whether the last call's arguments are whole: at the token limit they often are not.
    pub fn is_whole(&self) -> bool {
        self.calls.last().is_none_or(|call| call.arguments.trim().is_empty() || is_whole(&call.arguments))
    }
}

/// Whether a fragment that names a call is the beginning of another one.
fn starts_anew(call: &Partial, index: Option<u64>, id: &str, name: &str, arguments: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let other_id = !id.is_empty() && !call.id.is_empty() && id != call.id;
    let other_index = index.is_some() && call.index.is_some() && index != call.index;
    if is_whole(&call.arguments) {
        return name != call.name || is_whole(arguments) || other_id;
    }
    // Calls without arguments: the second has an id of its own, and is as whole as the first.
    let second = call.arguments.trim().is_empty() && other_id && (arguments.trim().is_empty() || is_whole(arguments));
    second || (other_index && name != call.name)
}

/// Whether a text is one JSON object to its end.
fn is_whole(arguments: &str) -> bool {
    arguments.trim_start().starts_with('{')
        && arguments.trim_end().ends_with('}')
        && IgnoredAny::deserialize(&mut serde_json::Deserializer::from_str(arguments)).is_ok()
        && serde_json::from_str::<IgnoredAny>(arguments).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{super::chunk::Delta, *};

    fn assemble(deltas: &[&str]) -> Result<Vec<ToolCall>, String> {
        let mut calls = Calls::default();
        for delta in deltas {
            let delta: Delta<'_> = serde_json::from_str(delta).unwrap();
            for part in delta.tool_calls.0 {
                calls.add(part)?;
            }
            if let Some(part) = &delta.function_call {
                calls.add_function(part)?;
            }
        }
        calls.finish()
    }

    fn shown(deltas: &[&str]) -> Vec<String> {
        let calls = assemble(deltas).unwrap();
        calls.iter().map(|call| format!("{} {} {}", call.id, call.name, call.arguments)).collect()
    }

    #[test]
    fn parallel_calls_come_in_fragments_by_index() {
        let calls = shown(&[
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":"}},{"index":0,"function":{"arguments":"{\"x\""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":"2}"}}]}"#,
        ]);
        assert_eq!(calls, [r#"a f {"x":1}"#, r#"b g {"y":2}"#]);
    }

    #[test]
    fn whole_calls_may_share_an_index_or_have_none() {
        let same = shown(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}]}"#,
        ]);
        assert_eq!(same, [r#"a f {"x":1}"#, r#"b f {"x":2}"#]);
        let none = shown(&[
            r#"{"tool_calls":[{"id":"","function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"f","arguments":{"x":2}}}]}"#,
        ]);
        assert_eq!(none, [r#"call_0 f {"x":1}"#, r#"call_1 f {"x":2}"#]);
        let used = shown(&[
            r#"{"tool_calls":[{"id":"call_1","function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"f","arguments":{"x":2}}}]}"#,
        ]);
        assert_eq!(used, [r#"call_1 f {"x":1}"#, r#"call_2 f {"x":2}"#]);
    }

    #[test]
    fn pieces_without_an_index_continue_the_last_call() {
        let calls = shown(&[
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"arguments":"}"}}]}"#,
        ]);
        assert_eq!(calls, ["a f {}", "b g {}"]);
    }

    #[test]
    fn the_name_and_a_new_id_may_come_with_every_piece() {
        let calls = shown(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"1"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"}"}}]}"#,
        ]);
        assert_eq!(calls, [r#"a f {"x":1}"#]);
    }

    #[test]
    fn parts_of_one_call_may_come_under_different_indexes() {
        let cases: [&[&str]; 5] = [
            // Arguments alone.
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}"#,
                r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"x\":"}}]}"#,
                r#"{"tool_calls":[{"index":2,"function":{"arguments":"1}"}}]}"#,
            ],
            // With the same id.
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}"#,
                r#"{"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":"1}"}}]}"#,
            ],
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}"#,
                r#"{"tool_calls":[{"index":1,"id":"a","function":{"arguments":"{\"x\":1}"}}]}"#,
            ],
            // With a new id, and no name.
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}"#,
                r#"{"tool_calls":[{"index":1,"id":"b","function":{"arguments":":1}"}}]}"#,
            ],
            // With the name, and no id.
            &[
                r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}"#,
                r#"{"tool_calls":[{"index":3,"function":{"name":"f","arguments":":1}"}}]}"#,
            ],
        ];
        for deltas in cases {
            assert_eq!(shown(deltas), [r#"a f {"x":1}"#], "{deltas:?}");
        }
        // Two calls, the second in parts.
        let two = shown(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":2,"function":{"arguments":"1}"}}]}"#,
        ]);
        assert_eq!(two, ["a f {}", r#"b f {"x":1}"#]);
    }

    #[test]
    fn calls_without_arguments_are_told_apart_at_one_index() {
        let part = |id: &str, name: &str, arguments: &str| {
            format!(
                r#"{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"{name}","arguments":"{arguments}"}}}}]}}"#
            )
        };
        for empty in ["", " ", "{}"] {
            for name in ["f", "g"] {
                let calls = shown(&[&part("a", "f", empty), &part("b", name, empty)]);
                assert_eq!(calls, ["a f {}".to_owned(), format!("b {name} {{}}")], "{empty:?} {name}");
            }
        }
        let null = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":null}},{"index":0,"id":"b","function":{"name":"f"}}]}"#;
        assert_eq!(shown(&[null]), ["a f {}", "b f {}"]);
        let one = shown(&[&part("a", "f", ""), &part("a", "f", ""), &part("a", "f", "{}")]);
        assert_eq!(one, ["a f {}"], "a repeated head is no second call");
    }

    #[test]
    fn what_stands_beside_a_call_s_members_is_kept_with_it() {
        let calls = assemble(&[
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}","note":"n"},"extra_content":{"google":{"thought_signature":"s"}}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}}]}"#,
        ]);
        let calls = calls.unwrap();
        let expected =
            serde_json::json!({"extra_content": {"google": {"thought_signature": "s"}}, "function": {"note": "n"}});
        assert_eq!(Value::Object(calls[0].data.0.clone()), expected);
        assert!(calls[1].data.is_empty());
    }

    #[test]
    fn the_older_single_call_counts_too() {
        let calls = shown(&[
            r#"{"function_call":{"name":"f","arguments":"{\"x\""}}"#,
            r#"{"function_call":{"arguments":":1}"}}"#,
        ]);
        assert_eq!(calls, [r#"call_0 f {"x":1}"#]);
    }

    #[test]
    fn twice_the_same_id_is_made_two() {
        let calls = shown(&[r#"{"tool_calls":[
            {"index":0,"id":"a","function":{"name":"f","arguments":""}},
            {"index":1,"id":"a","function":{"name":"g","arguments":"{}"}}]}"#]);
        assert_eq!(calls, ["a f {}", "call_1 g {}"]);
    }

    #[test]
    fn arguments_that_are_not_json_are_passed_on() {
        let calls = shown(&[r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}"#]);
        assert_eq!(calls, [r#"a f {"x":"#]);
    }

    #[test]
    fn a_call_needs_a_name_and_there_are_caps() {
        assert!(assemble(&[r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}"#]).is_err());
        let mut calls = Calls::default();
        calls.add(CallPart::default()).unwrap();
        let many: Result<Vec<()>, String> = (0..100u64)
            .map(|index| {
                let json =
                    format!(r#"{{"index":{index},"id":"i{index}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
                calls.add(serde_json::from_str(&json).unwrap())
            })
            .collect();
        assert!(many.unwrap_err().contains("more than 64"));
    }
}
