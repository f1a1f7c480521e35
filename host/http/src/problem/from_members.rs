//! Maps the errors about members to their problems.

use resly_service::members::{
    MemberError,
    company::CompanyError,
    invitations::{InvitationError, InviteError},
};

use super::{Problem, kinds};

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        let detail = error.to_string();
        match error {
            MemberError::Missing => Self::not_found("there is no such member"),
            MemberError::OwnersOnly | MemberError::NotAllowed => Self::new(&kinds::INSUFFICIENT_SCOPE, detail),
            MemberError::LastOwner => Self::new(&kinds::LAST_OWNER, detail),
            MemberError::Store(error) => error.into(),
        }
    }
}

impl From<InvitationError> for Problem {
    fn from(error: InvitationError) -> Self {
        let detail = error.to_string();
        match error {
            InvitationError::Invalid(mistakes) => Self::invalid(mistakes),
            InvitationError::Refused(InviteError::Member | InviteError::TooMany) => Self::new(&kinds::CONFLICT, detail),
            InvitationError::Refused(InviteError::OwnersOnly | InviteError::NotAllowed) => {
                Self::new(&kinds::INSUFFICIENT_SCOPE, detail)
            }
            InvitationError::Refused(InviteError::Store(error)) => error.into(),
        }
    }
}

impl From<CompanyError> for Problem {
    fn from(error: CompanyError) -> Self {
        match error {
            CompanyError::Invalid(mistakes) => Self::invalid(mistakes),
            CompanyError::Vault(error) => error.into(),
            CompanyError::Store(error) => error.into(),
        }
    }
}
