//! Maps the errors of the inbox, and of the audit log, to their problems.

use resly_service::{
    audit::RetentionError,
    inbox::{
        canned_replies::CannedReplyError, conversations::InboxError, handling::HandlingError, tickets::TicketError,
    },
};
use resly_store::{CannedReplyError as StoredError, HandoverError, MergeError, NoteError};

use super::{Problem, kinds};

impl From<HandoverError> for Problem {
    fn from(error: HandoverError) -> Self {
        match error {
            HandoverError::Missing => Self::not_found("there is no such conversation"),
            HandoverError::Taken { by } => {
                Self::new(&kinds::CONVERSATION_TAKEN, format!("the member {by} has this conversation"))
            }
            HandoverError::NotTaken { state } => {
                let state = state.name();
                Self::new(&kinds::CONVERSATION_NOT_TAKEN, format!("the conversation is in the state `{state}`"))
            }
            error @ HandoverError::Merged => Self::new(&kinds::CONVERSATION_MERGED, error.to_string()),
            HandoverError::Store(error) => error.into(),
        }
    }
}

impl From<InboxError> for Problem {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Invalid(mistakes) => Self::invalid(mistakes),
            InboxError::Handover(error) => error.into(),
        }
    }
}

impl From<HandlingError> for Problem {
    fn from(error: HandlingError) -> Self {
        match error {
            HandlingError::Invalid(mistakes) => Self::invalid(mistakes),
            HandlingError::Handover(error) => error.into(),
            HandlingError::Note(NoteError::Missing) | HandlingError::Merge(MergeError::Missing) => {
                Self::not_found("there is no such conversation")
            }
            HandlingError::Note(error @ NoteError::TooMany) => Self::invalid_at("note", error.to_string()),
            HandlingError::Note(error @ NoteError::TooManyTags { .. }) => Self::invalid_at("add", error.to_string()),
            HandlingError::Merge(error @ (MergeError::Same | MergeError::OtherVisitor)) => {
                Self::invalid_at("into", error.to_string())
            }
            HandlingError::Merge(error @ MergeError::Merged) => {
                Self::new(&kinds::CONVERSATION_MERGED, error.to_string())
            }
            HandlingError::Note(NoteError::Store(error)) | HandlingError::Merge(MergeError::Store(error)) => {
                error.into()
            }
        }
    }
}

impl From<CannedReplyError> for Problem {
    fn from(error: CannedReplyError) -> Self {
        match error {
            CannedReplyError::Invalid(mistakes) => Self::invalid(mistakes),
            CannedReplyError::Stored(StoredError::Missing) => Self::not_found("there is no such canned reply"),
            CannedReplyError::Stored(error @ (StoredError::NameTaken | StoredError::TooMany)) => {
                Self::invalid_at("name", error.to_string())
            }
            CannedReplyError::Stored(StoredError::Store(error)) => error.into(),
        }
    }
}

impl From<RetentionError> for Problem {
    fn from(error: RetentionError) -> Self {
        match error {
            RetentionError::Invalid(mistakes) => Self::invalid(mistakes),
            RetentionError::Store(error) => error.into(),
        }
    }
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Missing => Self::not_found("there is no such ticket"),
            TicketError::Invalid(mistakes) => Self::invalid(mistakes),
            TicketError::Store(error) => error.into(),
        }
    }
}
