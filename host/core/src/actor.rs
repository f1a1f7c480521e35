//! Who changes something, for the audit log. Whoever takes a request in sets the actor for its task by [`within`], and the store
//! reads it by [`current`] when it writes. A spawned task begins without one.

use std::{future::Future, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use crate::{
    id::{KeyId, OrganizationId},
    member::Person,
    time::Timestamp,
};

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person at the console.
    Member,
    /// An API key of the organization.
    Key,
    /// Whoever runs the host: by its command line, or by a key of another organization.
    Operator,
    /// The host, or the biller.
    System,
}

impl ActorKind {
    /// As it is stored and sent.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Key => "key",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

/// Who changes something, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    /// The organization of a member or a key.
    pub organization: Option<OrganizationId>,
    /// The person or the key.
    pub id: Option<Uuid>,
    pub name: String,
    /// When the request came.
    pub at: Timestamp,
}

impl Actor {
    pub fn member(organization: OrganizationId, person: &Person, at: Timestamp) -> Self {
        let (id, name) = (Some(person.id.0), person.name.clone());
        Self { kind: ActorKind::Member, organization: Some(organization), id, name, at }
    }

    pub fn key(organization: OrganizationId, key: KeyId, name: String, at: Timestamp) -> Self {
        Self { kind: ActorKind::Key, organization: Some(organization), id: Some(key.0), name, at }
    }

    pub fn operator(at: Timestamp) -> Self {
        Self { kind: ActorKind::Operator, organization: None, id: None, name: "operator".to_owned(), at }
    }

    /// A part of the host, such as `billing`.
    pub fn system(name: &str, at: Timestamp) -> Self {
        Self { kind: ActorKind::System, organization: None, id: None, name: name.to_owned(), at }
    }

    /// As an organization may know it: whoever comes from another one is an operator there.
    pub fn seen_by(&self, organization: OrganizationId) -> Self {
        match self.organization {
            Some(own) if own != organization => Self::operator(self.at),
            _ => self.clone(),
        }
    }
}

tokio::task_local! {
    static CURRENT: Arc<Actor>;
}

/// The actor of the work in progress. `None` when nobody asked for it.
pub fn current() -> Option<Arc<Actor>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs a future on behalf of an actor.
pub fn within<F: Future>(actor: Actor, future: F) -> TaskLocalFuture<Arc<Actor>, F> {
    CURRENT.scope(Arc::new(actor), future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_actor_is_a_task_s_and_foreign_ones_are_operators() {
        let (own, other) = (OrganizationId(Uuid::from_u128(1)), OrganizationId(Uuid::from_u128(2)));
        let at = Timestamp::from_micros(7);
        let key = Actor::key(own, KeyId(Uuid::from_u128(3)), "web".to_owned(), at);
        assert_eq!(current(), None);
        let seen = within(key.clone(), async { current() }).await;
        assert_eq!(seen.as_deref(), Some(&key));
        assert_eq!((key.seen_by(own), key.seen_by(other)), (key.clone(), Actor::operator(at)));
        let billing = Actor::system("billing", at);
        assert_eq!(billing.seen_by(own), billing);
    }
}
