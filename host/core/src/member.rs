//! People who sign in at the console, and what the role of a member lets them do there.

use serde::{Deserialize, Serialize};

use crate::id::PersonId;

/// Who signs in. A person may be a member of several organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    /// In lower case. Without one, the person signs in by link only.
    pub email: Option<String>,
}

/// What a member is in one organization. Each role may do what the next one may, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Admin,
    Agent,
    Viewer,
}

/// What a page or a route asks of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read everything of the organization.
    View,
    /// Answer conversations and tickets.
    Converse,
    /// Keys, connectors, knowledge, workflows, the webhook, and members who aren't owners.
    Manage,
    /// Owners, the plan and billing.
    Own,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Agent, Self::Viewer];

    /// As it is stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Viewer => "viewer",
        }
    }

    /// The role of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::View => true,
            Permission::Converse => self != Self::Viewer,
            Permission::Manage => matches!(self, Self::Owner | Self::Admin),
            Permission::Own => self == Self::Owner,
        }
    }

    /// Whether a member of this role may make somebody a member of the other role, or change such a member.
    pub fn may_grant(self, other: Self) -> bool {
        self.may(if other == Self::Owner { Permission::Own } else { Permission::Manage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_next_one_may() {
        let permissions = [Permission::View, Permission::Converse, Permission::Manage, Permission::Own];
        let counts = Role::ALL.map(|role| permissions.into_iter().filter(|permission| role.may(*permission)).count());
        assert_eq!(counts, [4, 3, 2, 1]);
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert_eq!(Role::parse("Owner"), None);
    }

    #[test]
    fn owners_alone_make_owners() {
        let granted = |by: Role| Role::ALL.into_iter().filter(|role| by.may_grant(*role)).count();
        assert_eq!(Role::ALL.map(granted), [4, 3, 0, 0]);
    }
}
