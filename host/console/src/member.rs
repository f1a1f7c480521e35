//! The person who asks for a page: their session, and what a page needs of their cookies.

use resly_core::member::{Permission, Role};
use resly_service::members::Session;

use crate::csrf::FormToken;

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
}
