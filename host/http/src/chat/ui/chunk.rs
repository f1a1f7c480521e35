//! The chunks of the AI SDK's UI message stream, version 1. They have exactly the fields of the protocol's schema,
//! because its clients refuse others.

use resly_core::{
    conversation::MessageStatus,
    id::{ApprovalId, ConversationId, MessageId},
    model::FinishReason,
};
use serde::Serialize;
use serde_json::Value;

use crate::chat::{approvals::RequestedApproval, citations::Citation, json::TokenUsage};

/// A chunk of the stream, as the protocol names it. `text-delta` is written by hand.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Chunk<'c> {
    Start {
        message_id: &'c str,
        message_metadata: StartMetadata,
    },
    StartStep,
    FinishStep,
    TextStart {
        id: String,
    },
    TextEnd {
        id: String,
    },
    ToolInputAvailable {
        tool_call_id: &'c str,
        tool_name: &'c str,
        input: &'c Value,
        dynamic: bool,
    },
    ToolOutputAvailable {
        tool_call_id: &'c str,
        output: &'c Value,
        dynamic: bool,
    },
    ToolOutputError {
        tool_call_id: &'c str,
        error_text: &'c str,
        dynamic: bool,
    },
    ToolOutputDenied {
        tool_call_id: &'c str,
    },
    ToolApprovalRequest {
        approval_id: ApprovalId,
        tool_call_id: &'c str,
    },
    DataApproval {
        id: ApprovalId,
        data: RequestedApproval,
    },
    SourceUrl {
        source_id: String,
        url: &'c str,
        title: &'c str,
        provider_metadata: ProviderMetadata<'c>,
    },
    SourceDocument {
        source_id: String,
        media_type: &'static str,
        title: &'c str,
        provider_metadata: ProviderMetadata<'c>,
    },
    Error {
        error_text: String,
    },
    Finish {
        #[serde(skip_serializing_if = "Option::is_none")]
        finish_reason: Option<FinishReason>,
        message_metadata: FinishMetadata,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartMetadata {
    pub(super) conversation_id: ConversationId,
    pub(super) message_id: MessageId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FinishMetadata {
    pub(super) usage: Option<TokenUsage>,
    pub(super) conversation_id: ConversationId,
    pub(super) message_id: MessageId,
    pub(super) status: MessageStatus,
    pub(super) citations: Vec<Citation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<FinishReason>,
}

#[derive(Serialize)]
pub(super) struct ProviderMetadata<'c> {
    pub(super) resly: CitationMetadata<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CitationMetadata<'c> {
    pub(super) n: u32,
    pub(super) source_id: &'c str,
    pub(super) snippet: &'c str,
}
