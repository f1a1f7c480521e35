//! Putting tool calls together out of fragments.
//!
//! The API sends the id and the name first, then the arguments in pieces, told apart by `index`. Some servers send
//! whole calls, no index, the same index for all, no ids, new ids with every piece, or the name with every piece.

use resly_core::model::ToolCall;
use serde::{Deserialize, de::IgnoredAny};

use super::chunk::{CallPart, FunctionPart};

/// More calls in one answer than any turn would make.
const MOST_CALLS: usize = 64;
/// More bytes of arguments, over all calls, than any action takes.
const MOST_BYTES: usize = 1 << 20;

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
}

impl Calls {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds a fragment.
    pub fn add(&mut self, part: &CallPart<'_>) -> Result<(), String> {
        self.add_to(part.index.0, part.id.0.trim(), &part.function.0)
    }

    /// Adds a fragment of the older shape, in which there is one call without an id.
    pub fn add_function(&mut self, part: &FunctionPart<'_>) -> Result<(), String> {
        self.add_to(None, "", part)
    }

    fn add_to(&mut self, index: Option<u64>, id: &str, function: &FunctionPart<'_>) -> Result<(), String> {
        let name = function.name.0.trim();
        let arguments = function.arguments();
        if id.is_empty() && name.is_empty() && arguments.is_empty() && !self.calls.is_empty() {
            return Ok(());
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
        if self.bytes > MOST_BYTES {
            return Err(format!("more than {MOST_BYTES} bytes of tool call arguments in one answer"));
        }
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            call.id.push_str(id);
        }
        if call.name.is_empty() || (call.arguments.is_empty() && call.name != name) {
            call.name.push_str(name);
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    /// The call that a fragment continues; none when it starts one.
    fn continued(&self, index: Option<u64>, id: &str, name: &str, arguments: &str) -> Option<usize> {
        let at = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index)?,
            None => {
                let same = self.calls.iter().rposition(|call| !id.is_empty() && call.id == id);
                let last = self.calls.len().checked_sub(1)?;
                let other = !id.is_empty() && !self.calls[last].id.is_empty();
                match same {
                    Some(at) => at,
                    None if other => return None,
                    None => last,
                }
            }
        };
        let call = &self.calls[at];
        // A name where a whole call stands already is the next call, even under the same index or id.
        let again = !name.is_empty()
            && is_whole(&call.arguments)
            && (name != call.name || is_whole(arguments) || (!id.is_empty() && id != call.id));
        (!again).then_some(at)
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
            finished.push(ToolCall { id, name: call.name, arguments });
        }
        Ok(finished)
    }

    /// Whether the last call's arguments are whole: at the token limit they often are not.
    pub fn is_whole(&self) -> bool {
        self.calls.last().is_none_or(|call| call.arguments.trim().is_empty() || is_whole(&call.arguments))
    }
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
            for part in &delta.tool_calls.0 {
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
        let part = CallPart::default();
        calls.add(&part).unwrap();
        let many: Result<Vec<()>, String> = (0..100u64)
            .map(|index| {
                let json =
                    format!(r#"{{"index":{index},"id":"i{index}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
                calls.add(&serde_json::from_str(&json).unwrap())
            })
            .collect();
        assert!(many.unwrap_err().contains("more than 64"));
    }
}
