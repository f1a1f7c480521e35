//! The members by their ids, as conversations and tickets name them.

use resly_core::{error::StoreError, id::OrganizationId};
use resly_http::Api;
use resly_service::members;
use uuid::Uuid;

use crate::{member::Member, parts::Choice};

/// The members of an organization.
pub struct People {
    /// Who looks.
    own: Uuid,
    own_name: String,
    /// Whether who looks answers visitors now.
    pub is_available: bool,
    names: Vec<(Uuid, String)>,
}

impl People {
    pub async fn of(api: &Api, member: &Member) -> Result<Self, StoreError> {
        let organization: OrganizationId = member.session.organization;
        let listed = members::list(&api.app, organization).await?;
        let own = member.session.person.id.0;
        let is_available = listed.iter().any(|listed| listed.person.id.0 == own && listed.available);
        let names = listed.into_iter().map(|listed| (listed.person.id.0, listed.person.name)).collect();
        Ok(Self { own, own_name: member.session.person.name.clone(), is_available, names })
    }

    pub fn is_own(&self, id: Uuid) -> bool {
        self.own == id
    }

    /// Who looks, as visitors may know them.
    pub fn own_name(&self) -> &str {
        &self.own_name
    }

    /// What to call somebody. Who isn't a member any more has no name here.
    pub fn name(&self, id: Uuid) -> &str {
        if id == self.own {
            return "You";
        }
        self.names.iter().find(|(known, _)| *known == id).map_or("A former member", |(_, name)| name.as_str())
    }

    /// The members as choices of a list, by the texts of their ids.
    pub fn ids(&self) -> Vec<(String, &str)> {
        self.names.iter().map(|(id, name)| (id.to_string(), name.as_str())).collect()
    }
}

/// The choices of a list of members, with nobody first.
pub fn choices<'p>(ids: &'p [(String, &'p str)]) -> Vec<Choice<'p>> {
    let nobody = Choice { value: "", label: "Nobody", hint: None };
    let members = ids.iter().map(|(id, name)| Choice { value: id, label: name, hint: None });
    std::iter::once(nobody).chain(members).collect()
}
