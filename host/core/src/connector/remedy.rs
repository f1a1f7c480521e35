//! What repairs a fault, in words for each reader.

use serde::{Deserialize, Serialize};

use super::account::AccountKey;

/// What has to be done before a repeat can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// An admin authorizes the connection with OAuth.
    Authorize,
    /// An admin enters the connection's credentials.
    SetCredentials,
    /// An admin enters the client of the connection's OAuth app.
    SetClient,
    /// The visitor authorizes an account of their own.
    AuthorizeVisitor,
    /// The company's app hands in the visitor's credentials.
    SetVisitorCredentials,
    /// An admin who calls the action names the visitor whose account to use.
    NameVisitor,
    /// The company's app sends the visitor's id with the chat.
    SendVisitorId,
    /// An admin corrects the connection's mapping for the action.
    MendMapping,
    /// The customer is asked again, because the connection has changed.
    AskAgain,
    /// The connector's author allows redirects, or corrects the address.
    AllowRedirects,
}

impl Remedy {
    pub(super) const COMPANY_CONNECTS: &str =
        "the account isn't connected; only the company can connect it, the customer can't";

    /// The remedy that connects this account.
    pub fn connect(key: &AccountKey, oauth: bool) -> Self {
        match (&key.visitor, oauth) {
            (None, true) => Self::Authorize,
            (None, false) => Self::SetCredentials,
            (Some(_), true) => Self::AuthorizeVisitor,
            (Some(_), false) => Self::SetVisitorCredentials,
        }
    }

    /// What an admin does, with the API route.
    pub fn for_admin(self) -> &'static str {
        match self {
            Self::Authorize => {
                "authorize it: POST /api/admin/connections/{id}/oauth/start, and open the link that comes back"
            }
            Self::SetCredentials => "set its `credentials` with PATCH /api/admin/connections/{id}",
            Self::SetClient => {
                "set its `client_id` and `client_secret` as `credentials` with PATCH /api/admin/connections/{id}"
            }
            Self::AuthorizeVisitor => {
                "the visitor has to authorize one: POST /api/admin/connections/{id}/visitors/{visitor}/oauth/start, and \
                 have them open the link that comes back"
            }
            Self::SetVisitorCredentials => {
                "hand in the visitor's own: PUT /api/admin/connections/{id}/visitors/{visitor}/credentials"
            }
            Self::NameVisitor => "say whose with the query parameter `visitor`, as in `?visitor=anna`",
            Self::SendVisitorId => "the chat's app has to send `visitorId`",
            Self::MendMapping => {
                "an admin has to mend it, and can try it first with POST \
                 /api/admin/connections/{id}/actions/{action}/mapping/preview"
            }
            Self::AskAgain => "it has to be asked anew",
            Self::AllowRedirects => {
                "redirects aren't followed, because the connector's manifest doesn't set `redirects`; a login page means \
                 that the service wants another credential or address"
            }
        }
    }

    /// How to connect a missing account, as a sentence. `None` for the other remedies.
    pub(super) fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Authorize => {
                "Authorize the connection: POST /api/admin/connections/{id}/oauth/start, and open the link that comes \
                 back. Then test it."
            }
            Self::SetCredentials => {
                "Set the connection's `credentials` with PATCH /api/admin/connections/{id}. Then test it."
            }
            Self::SetClient => {
                "Set the `client_id` and `client_secret` of the connection's OAuth app as its `credentials` with PATCH \
                 /api/admin/connections/{id}. Then authorize it."
            }
            Self::AuthorizeVisitor => {
                "Have the visitor authorize an account: POST \
                 /api/admin/connections/{id}/visitors/{visitor}/oauth/start, and have them open the link that comes back."
            }
            Self::SetVisitorCredentials => {
                "Hand in the visitor's credentials: PUT /api/admin/connections/{id}/visitors/{visitor}/credentials."
            }
            Self::NameVisitor => {
                "Say whose account is meant with the query parameter `visitor`, as in `?visitor=anna`."
            }
            Self::SendVisitorId => "Have the chat's app send `visitorId`.",
            Self::MendMapping | Self::AskAgain | Self::AllowRedirects => return None,
        })
    }

    /// What a chat can do. `None` where the fault's kind has a sufficient text.
    pub(super) fn for_chat(self) -> Option<&'static str> {
        match self {
            Self::Authorize | Self::SetCredentials | Self::SetClient => Some(Self::COMPANY_CONNECTS),
            Self::AuthorizeVisitor | Self::SetVisitorCredentials => {
                Some("the customer has to connect their account first")
            }
            Self::NameVisitor | Self::SendVisitorId => {
                Some("it isn't known whose account is meant; the customer can't mend that")
            }
            Self::AskAgain => Some("the connection or its account changed after this was asked; ask the customer anew"),
            Self::MendMapping | Self::AllowRedirects => None,
        }
    }
}
