//! Maps the errors of the inbox to their problems.

use resly_service::inbox::{conversations::InboxError, tickets::TicketError};
use resly_store::HandoverError;

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

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Missing => Self::not_found("there is no such ticket"),
            TicketError::Invalid(mistakes) => Self::invalid(mistakes),
            TicketError::Store(error) => error.into(),
        }
    }
}
