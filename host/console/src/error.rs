//! Why a page can't be shown: a status, what happened and what to do next.

use axum::{
    extract::OriginalUri,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::html;
use resly_core::{
    error::StoreError,
    member::{Permission, Role},
};
use resly_http::problem::{Problem, ToldProblem};
use resly_service::members::{
    HashingError,
    company::sign_in::{CompanySignInError, IdentityError},
    invitations::{AcceptError, JoinError},
    profile::ProfileError,
    sign_in::SignInError,
};

use crate::{document, reply};

/// A page in the place of one that can't be shown.
pub struct PageError {
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl PageError {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, title: status.canonical_reason().unwrap_or("This didn't work"), text: text.into() }
    }

    fn titled(self, title: &'static str) -> Self {
        Self { title, ..self }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened and what to do next, as sentences.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn missing(text: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, title: "Nothing is here", text: text.into() }
    }

    pub fn forbidden(needed: Permission, role: Role) -> Self {
        let who = match needed {
            Permission::View => "a member",
            Permission::Converse => "an agent, an admin or an owner",
            Permission::Manage => "an admin or an owner",
            Permission::Own => "an owner",
        };
        let text = format!("This page is for {who}. You are {} here: ask an owner for another role.", role.name());
        Self { status: StatusCode::FORBIDDEN, title: "Not for your role", text }
    }

    /// A form whose token is of another session.
    pub fn stale_form() -> Self {
        let text =
            "You signed in again since this page was loaded. Go back, load the page again, and send it once more.";
        Self { status: StatusCode::FORBIDDEN, title: "This page is out of date", text: text.to_owned() }
    }

    /// A form whose sender isn't what they were when it began to arrive.
    pub fn changed_session() -> Self {
        let text = "While the form was being sent, your session ended or your role changed, so nothing was done. Load the \
                    page again to see what you may do now.";
        Self { status: StatusCode::FORBIDDEN, title: "This page is out of date", text: text.to_owned() }
    }

    pub fn other_origin() -> Self {
        let text = "The form was sent by another site, or by a browser that doesn't say who sent it. Open the console at \
                    its own address and try again there.";
        Self { status: StatusCode::FORBIDDEN, title: "Not from the console", text: text.to_owned() }
    }

    pub fn too_long() -> Self {
        let text = "The form is longer than it may be (1 MiB), or its connection ended. Send less at once.";
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, title: "Too long", text: text.to_owned() }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self { status, title, text } = self;
        let body = html! {
            p { (text) }
            p { a href="/console" class="button" { "To the console" } }
        };
        document::alone(status, title, &body)
    }
}

impl From<PageError> for Response {
    fn from(error: PageError) -> Self {
        error.into_response()
    }
}

/// The API's words for an error are the console's: one place maps the errors of use cases.
impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        let kind = problem.kind();
        Self { status: kind.status, title: kind.title, text: sentence(problem.detail()) }
    }
}

impl From<ToldProblem> for PageError {
    fn from(ToldProblem { kind, detail }: ToldProblem) -> Self {
        Self { status: kind.status, title: kind.title, text: sentence(&detail) }
    }
}

/// Signing in is the console's alone: the API has keys.
impl From<SignInError> for PageError {
    fn from(error: SignInError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            SignInError::LinkEnded => Self::new(StatusCode::GONE, text).titled("This link has ended"),
            SignInError::WrongPassword => Self::new(StatusCode::UNAUTHORIZED, text),
            SignInError::TooManyAttempts { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, text),
            SignInError::NoOrganization | SignInError::CompanyOnly => Self::new(StatusCode::FORBIDDEN, text),
            SignInError::Hashing(error) => error.into(),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<CompanySignInError> for PageError {
    fn from(error: CompanySignInError) -> Self {
        let text = sentence(&error.to_string());
        let status = match error {
            CompanySignInError::Missing => StatusCode::NOT_FOUND,
            CompanySignInError::Stale | CompanySignInError::Cancelled => StatusCode::BAD_REQUEST,
            CompanySignInError::Provider(_) => StatusCode::BAD_GATEWAY,
            CompanySignInError::Unverified | CompanySignInError::Domain => StatusCode::FORBIDDEN,
            CompanySignInError::Refused(IdentityError::Store(error)) | CompanySignInError::Store(error) => {
                return error.into();
            }
            CompanySignInError::Refused(_) => StatusCode::FORBIDDEN,
            CompanySignInError::SignIn(error) => return error.into(),
            CompanySignInError::Vault(error) => return Problem::from(error).into(),
        };
        Self::new(status, text).titled("You aren't signed in")
    }
}

impl From<ProfileError> for PageError {
    fn from(error: ProfileError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            ProfileError::Invalid(mistakes) => Problem::invalid(mistakes).into(),
            ProfileError::EmailTaken | ProfileError::WrongPassword => Self::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            ProfileError::TooManyAttempts { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, text),
            ProfileError::Bound => Self::new(StatusCode::FORBIDDEN, text),
            ProfileError::Ended => Self::new(StatusCode::UNAUTHORIZED, text),
            ProfileError::Hashing(error) => error.into(),
            ProfileError::Store(error) => error.into(),
        }
    }
}

impl From<JoinError> for PageError {
    fn from(error: JoinError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            JoinError::Invalid(mistakes) => Problem::invalid(mistakes).into(),
            JoinError::SignInFirst => Self::new(StatusCode::CONFLICT, text),
            JoinError::Bound => Self::new(StatusCode::FORBIDDEN, text),
            JoinError::Refused(AcceptError::Store(error)) | JoinError::Store(error) => error.into(),
            JoinError::Refused(AcceptError::Ended) => Self::new(StatusCode::GONE, text),
            JoinError::Refused(AcceptError::OtherPerson | AcceptError::CompanyOnly) => {
                Self::new(StatusCode::FORBIDDEN, text)
            }
            JoinError::Hashing(error) => error.into(),
        }
    }
}

impl From<HashingError> for PageError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
            HashingError::Failed => Problem::internal(&error).into(),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// A problem's detail as a sentence: it begins with a capital letter and ends with a full stop.
pub fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let mut text: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// Nothing of the console is at this path. One that ends in a slash leads to the page without it.
pub async fn not_found(OriginalUri(address): OriginalUri) -> Response {
    let path = address.path();
    if path.ends_with('/') {
        return reply::redirect(path.trim_end_matches('/'));
    }
    let text = "The console has no page at this address. It may have been deleted, or the address is mistyped.";
    PageError::missing(text).into_response()
}
