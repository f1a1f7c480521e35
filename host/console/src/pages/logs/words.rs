//! The log's names in words.

use maud::Markup;
use resly_core::connector::{
    call::{CallRecord, CallStatus},
    connection::CallerKind,
    failure_reason::FailureReason,
};

use crate::parts::{Tone, badge};

/// Why a call failed, in a few words.
pub fn reason(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::RequestConfiguration => "Request doesn't fit",
        FailureReason::NeedsAuth => "Needs authentication",
        FailureReason::Upstream => "Service failed",
        FailureReason::RateLimited => "Rate limited",
        FailureReason::Mapping => "Unexpected answer",
        FailureReason::Denied => "Not allowed",
        FailureReason::Limit => "Limit reached",
        FailureReason::Internal => "Connector failed",
    }
}

/// Who made a call.
pub fn caller(caller: CallerKind) -> &'static str {
    match caller {
        CallerKind::Admin => "Admin",
        CallerKind::Chat => "Chat",
        CallerKind::Crawl => "Crawl of a list",
        CallerKind::Health => "Health check",
    }
}

/// How a call ended.
pub fn result(call: &CallRecord) -> Markup {
    match (call.status, call.reason) {
        (CallStatus::Ok, _) if call.cached => badge(Tone::Quiet, "From memory"),
        (CallStatus::Ok, _) => badge(Tone::Good, "Answered"),
        (CallStatus::Failed(_), Some(why)) => badge(Tone::Bad, reason(why)),
        (CallStatus::Failed(kind), None) => badge(Tone::Bad, kind.name()),
    }
}
