//! Why something can't be done with an account.

use resly_core::{connector::call::CallError, conversation::CLIENT_NAME_BYTES, error::StoreError};
use resly_egress::OAuthError;
use resly_vault::VaultError;

use crate::{FieldError, NoPublicUrl, connections::ConnectionError};

/// Why something can't be done with an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("each visitor connects an account of their own: use …/visitors/{{visitor}}/oauth/start")]
    VisitorsBringTheirs,
    #[error("this connection has one account, the organization's own")]
    OneAccount,
    #[error("1 to {CLIENT_NAME_BYTES} bytes without control characters, as a chat's `visitorId`")]
    BadVisitor,
    #[error("this connection doesn't authenticate by `oauth2`; set its `credentials`")]
    NotOauth,
    #[error("this connection authenticates by `oauth2`: use …/oauth/start")]
    OnlyOauth,
    /// By the client's own credentials (RFC 6749, section 4.4).
    #[error("this connector needs nobody's consent: set its `credentials`, then run …/test")]
    NobodyAgrees,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("the connection was changed at the same moment; try again")]
    ChangedMeanwhile,
    #[error("this visitor has no account here")]
    NoAccount,
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    #[error(transparent)]
    NoPublicUrl(#[from] NoPublicUrl),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
