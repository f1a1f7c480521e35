//! The person who asks for a page: their session, and what a page needs of their cookies.

use resly_core::member::{Permission, Role};
use resly_http::Api;
use resly_service::members::{Session, sessions};

use crate::{csrf::FormToken, error::PageError};

/// A signed-in person in the organization that their session shows.
#[derive(Clone)]
pub struct Member {
    pub session: Session,
    /// What the cookie holds.
    pub session_token: String,
    /// What every form of this session carries.
    pub form_token: FormToken,
    /// What the last form did, shown once.
    pub notice: Option<String>,
    /// The path of the page.
    pub path: String,
}

impl Member {
    pub fn role(&self) -> Role {
        self.session.role
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.session.role.may(permission)
    }

    /// Fails unless the session is still what it was when the request began. A form may take minutes to arrive, in which
    /// the member is removed.
    pub async fn check_session(&self, api: &Api) -> Result<(), PageError> {
        let now = sessions::find(&api.app, &self.session_token).await?;
        let same = |now: Session| now.organization == self.session.organization && now.role == self.session.role;
        if now.is_some_and(same) { Ok(()) } else { Err(PageError::changed_session()) }
    }
}
