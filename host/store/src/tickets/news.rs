//! What people are told by mail of a ticket: an assignee of the assignment and of comments, whoever asked of another status.
//! Comments are the team's own, so nobody else gets them.

use resly_core::{
    actor,
    id::{ConversationId, OrganizationId, PersonId, TicketId},
    mail::{MailFacts, MailKind},
    ticket::TicketWrite,
    time::Timestamp,
};
use uuid::Uuid;

use super::TicketComment;
use crate::{
    mails::{self, NewMail, Recipient, excerpt},
    sql::{Conn, row},
    types::Id,
};

/// The longest address (RFC 5321, section 4.5.3.1.3).
const ADDRESS: usize = 254;

/// A ticket as it was.
#[derive(sqlx_macros::FromRow)]
pub(super) struct Before {
    conversation_id: Option<Id>,
    subject: String,
    status: String,
    assignee_id: Option<Id>,
}

/// Writes mails about one organization's tickets, on behalf of whoever changes them.
pub(super) struct TicketNews {
    /// Whether mails are sent at all.
    sent: bool,
    organization: OrganizationId,
    /// Who changes it, and needs no mail.
    by: Option<Uuid>,
    name: Option<String>,
}

impl TicketNews {
    pub fn of(sent: bool, organization: OrganizationId) -> Self {
        let actor = actor::current().map(|actor| actor.seen_by(organization));
        let (by, name) = actor.map_or((None, None), |actor| (actor.id, Some(actor.name)));
        Self { sent, organization, by, name }
    }

    /// The ticket before a change.
    pub(super) async fn before(&self, db: &mut Conn<'_>, id: TicketId) -> Result<Option<Before>, sqlx::Error> {
        if !self.sent {
            return Ok(None);
        }
        let sql =
            "SELECT conversation_id, subject, status, assignee_id FROM tickets WHERE id = $1 AND organization_id = $2";
        row!(db, Before, sql, Id(id.0), Id(self.organization.0))
    }

    /// Tells of what a change made different. Without `before`, the ticket is new.
    pub(super) async fn changed(
        &self,
        db: &mut Conn<'_>,
        before: Option<Before>,
        ticket: &TicketWrite,
    ) -> Result<(), sqlx::Error> {
        if !self.sent {
            return Ok(());
        }
        let TicketWrite { id, fields, now, .. } = ticket;
        let was = before.as_ref().and_then(|before| before.assignee_id).map(|id| id.0);
        let conversation = match &before {
            Some(before) => before.conversation_id.map(|id| ConversationId(id.0)),
            None => ticket.conversation,
        };
        let facts = MailFacts { title: Some(excerpt(&fields.subject)), by: self.name.clone(), ..path(*id) };
        if let Some(assignee) = fields.assignee.filter(|_| fields.assignee != was) {
            self.tell(db, MailKind::TicketAssigned, assignee, facts.clone(), conversation, *now).await?;
        }
        let changed = before.is_some_and(|before| before.status != fields.status);
        if let Some(address) = fields.requester.as_deref().and_then(address).filter(|_| changed) {
            let mail = NewMail {
                kind: MailKind::TicketStatus,
                to: Recipient::Address(address.to_owned()),
                // Whoever asked has no console.
                facts: MailFacts { text: Some(fields.status.clone()), path: None, by: None, ..facts },
                secret: None,
                conversation,
            };
            mails::enqueue(db, self.organization, &mail, *now).await?;
        }
        Ok(())
    }

    /// Tells the assignee of a comment.
    pub async fn commented(&self, db: &mut Conn<'_>, id: TicketId, comment: &TicketComment) -> Result<(), sqlx::Error> {
        let Some(ticket) = self.before(db, id).await? else { return Ok(()) };
        let Some(assignee) = ticket.assignee_id.map(|id| id.0).filter(|id| comment.author != Some(*id)) else {
            return Ok(());
        };
        let facts = MailFacts {
            title: Some(excerpt(&ticket.subject)),
            by: self.name.clone(),
            text: Some(excerpt(&comment.body)),
            ..path(id)
        };
        let conversation = ticket.conversation_id.map(|id| ConversationId(id.0));
        self.tell(db, MailKind::TicketCommented, assignee, facts, conversation, comment.created_at).await
    }

    /// Stores a mail to a member who isn't the one who changes the ticket.
    async fn tell(
        &self,
        db: &mut Conn<'_>,
        kind: MailKind,
        person: Uuid,
        facts: MailFacts,
        conversation: Option<ConversationId>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        if self.by == Some(person) || !mails::is_member(db, self.organization, person).await? {
            return Ok(());
        }
        let to = Recipient::Person(PersonId(person));
        let mail = NewMail { kind, to, facts, secret: None, conversation };
        mails::enqueue(db, self.organization, &mail, now).await.map(drop)
    }
}

fn path(id: TicketId) -> MailFacts {
    MailFacts { path: Some(format!("/console/tickets/{id}")), ..MailFacts::default() }
}

/// What somebody wrote as the requester, when it is one e-mail address and nothing else.
fn address(text: &str) -> Option<&str> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c))
    };
    (text.len() <= ADDRESS && plain(local) && plain(domain) && domain.contains('.')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requester_is_mailed_when_it_is_an_address_alone() {
        assert_eq!(address(" ana+shop@example.com "), Some("ana+shop@example.com"));
        for other in
            ["Ana", "Ana <ana@example.com>", "ana@example.com, bo@example.com", "a@b", "@b.de", "a@b.de\r\nBcc: x@y.de"]
        {
            assert_eq!(address(other), None, "{other:?}");
        }
    }
}
