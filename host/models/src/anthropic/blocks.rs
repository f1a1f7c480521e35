//! Putting a message together out of its content blocks: calls, and what goes back to the server with them.

use std::mem;

use resly_core::model::{ProviderData, ToolCall};
use serde_json::{Map, Value};

use super::event::Delta;
use crate::answer::{MOST_ARGUMENT_BYTES, MOST_CALLS, MOST_DATA};

/// Where the blocks are kept that stand before a message's text, or before a call. The API returns them in their places,
/// which thinking needs: a block that was changed or moved is refused.
pub const BEFORE: &str = "blocks_before";
/// The members of a call's block that have places of their own.
const OWN: [&str; 4] = ["type", "id", "name", "input"];

#[derive(Debug, Default)]
pub struct Blocks {
    open: Vec<(u64, Block)>,
    bytes: usize,
}

#[derive(Debug)]
enum Block {
    Text,
    Call {
        block: Map<String, Value>,
        arguments: String,
    },
    /// Thinking, and whatever comes next.
    Kept(Map<String, Value>),
}

/// What a finished message consists of beside its text.
#[derive(Debug, Default, PartialEq)]
pub struct Parts {
    pub data: ProviderData,
    pub calls: Vec<ToolCall>,
    /// Whether the last call's arguments are whole: at the token limit they often are not.
    pub whole: bool,
}

impl Blocks {
    /// Starts a block. Gives back the text that it begins with.
    pub fn start(&mut self, index: u64, block: Map<String, Value>) -> Result<String, String> {
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut begins_with = String::new();
        let started = match text("type").as_str() {
            "text" => {
                begins_with = text("text");
                Block::Text
            }
            "tool_use" => {
                // Servers that don't stream send the input whole; in a stream it is empty here.
                let input = block.get("input").filter(|input| input.as_object().is_some_and(|input| !input.is_empty()));
                let arguments = input.map(Value::to_string).unwrap_or_default();
                self.count(arguments.len())?;
                Block::Call { block, arguments }
            }
            _ => Block::Kept(block),
        };
        let calls = self.open.iter().filter(|(_, block)| matches!(block, Block::Call { .. })).count();
        if calls >= MOST_CALLS && matches!(started, Block::Call { .. }) {
            return Err(format!("more than {MOST_CALLS} tool calls in one answer"));
        }
        self.open.push((index, started));
        Ok(begins_with)
    }

    /// Adds to a block. Kinds that aren't known add nothing.
    pub fn add(&mut self, index: u64, delta: &Delta<'_>) -> Result<(), String> {
        self.count(delta.partial_json.len())?;
        let Some((_, block)) = self.open.iter_mut().rfind(|(at, _)| *at == index) else { return Ok(()) };
        match block {
            Block::Text => {}
            Block::Call { arguments, .. } => arguments.push_str(&delta.partial_json),
            Block::Kept(block) => match delta.kind.as_ref() {
                "thinking_delta" => push(block, "thinking", &delta.thinking),
                "signature_delta" => push(block, "signature", &delta.signature),
                _ => {}
            },
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > MOST_ARGUMENT_BYTES {
            return Err(format!("more than {MOST_ARGUMENT_BYTES} bytes of tool call arguments in one answer"));
        }
        Ok(())
    }

    pub fn has_calls(&self) -> bool {
        self.open.iter().any(|(_, block)| matches!(block, Block::Call { .. }))
    }

    /// The calls in their order, each with the blocks before it.
    pub fn finish(&mut self) -> Result<Parts, String> {
        let mut parts = Parts { whole: true, ..Parts::default() };
        let (mut before, mut kept, mut said) = (Vec::new(), 0, false);
        for (_, block) in mem::take(&mut self.open) {
            match block {
                Block::Text => {
                    if !said && parts.calls.is_empty() {
                        parts.data = ProviderData(take_before(&mut before));
                    }
                    said = true;
                }
                Block::Kept(block) => {
                    kept += ProviderData(block.clone()).bytes();
                    before.push(Value::Object(block));
                }
                Block::Call { block, arguments } => {
                    let text =
                        |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
                    let (id, name) = (text("id"), text("name"));
                    if name.is_empty() || id.is_empty() {
                        return Err("a tool call without a name or an id".to_owned());
                    }
                    parts.whole = arguments.trim().is_empty() || serde_json::from_str::<Value>(&arguments).is_ok();
                    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
                    let mut data = take_before(&mut before);
                    data.extend(block.into_iter().filter(|(name, _)| !OWN.contains(&name.as_str())));
                    parts.calls.push(ToolCall { id, name, arguments, data: ProviderData(data) });
                }
            }
        }
        if kept > MOST_DATA {
            tracing::warn!(bytes = kept, "the model's answer has too much data beside its text to be returned");
            parts.data = ProviderData::default();
            parts.calls.iter_mut().for_each(|call| call.data = ProviderData::default());
        }
        Ok(parts)
    }
}

fn take_before(before: &mut Vec<Value>) -> Map<String, Value> {
    let blocks = mem::take(before);
    if blocks.is_empty() { Map::new() } else { Map::from_iter([(BEFORE.to_owned(), Value::Array(blocks))]) }
}

fn push(block: &mut Map<String, Value>, name: &str, more: &str) {
    match block.get_mut(name) {
        Some(Value::String(text)) => text.push_str(more),
        _ => {
            block.insert(name.to_owned(), more.into());
        }
    }
}
