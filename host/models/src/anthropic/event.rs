//! The shapes of the Messages API (Anthropic's API documentation, "Streaming Messages" and "Create a Message"): the events
//! of a stream, and the message of a server that doesn't stream.

use std::borrow::Cow;

use resly_core::model::ReportedUsage;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// An event, or a whole message. `kind` tells which members it has. New kinds may come and are skipped.
#[derive(Debug, Deserialize)]
pub struct StreamEvent<'a> {
    #[serde(borrow, rename = "type", default)]
    pub kind: Cow<'a, str>,
    /// The content block that it is about.
    #[serde(default)]
    pub index: u64,
    /// Of `message_start`.
    #[serde(borrow, default)]
    pub message: Option<Message<'a>>,
    /// Of `content_block_start`.
    #[serde(default)]
    pub content_block: Option<Map<String, Value>>,
    /// Of `content_block_delta` and `message_delta`.
    #[serde(borrow, default)]
    pub delta: Option<Delta<'a>>,
    /// Of `message_delta`.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Present, whatever it holds, when the provider failed.
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

/// A message: without content in `message_start`, with all of it from a server that doesn't stream.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(default)]
    pub content: Vec<Map<String, Value>>,
    /// The model that writes the answer.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    pub usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    #[serde(borrow, rename = "type", default)]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub partial_json: Cow<'a, str>,
    #[serde(borrow, default)]
    pub thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    pub signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
}

/// Running counts. What is cached isn't a part of `input_tokens` here.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl Usage {
    /// Takes over what a later event says.
    pub fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.filter(|tokens| *tokens > 0).or(self.input_tokens);
        self.cache_creation_input_tokens = later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
    }

    /// The same as other providers count it: cached input is a part of the input.
    pub fn reported(self) -> ReportedUsage {
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens];
        let beside = cached.into_iter().flatten().fold(0, u64::saturating_add);
        ReportedUsage {
            input: self.input_tokens.map(|input| input.saturating_add(beside)),
            cached_input: self.cache_read_input_tokens,
            output: self.output_tokens,
        }
    }
}
