//! Tickets.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId, TicketId},
    time::Timestamp,
    turn::store::NewTicket,
};

use crate::{
    Store,
    error::failed,
    page::Cursor,
    query::Query,
    sql::{Conn, execute},
    types::{Id, Text, Time},
};

#[derive(Clone, Debug)]
pub struct Ticket {
    pub id: TicketId,
    pub conversation: Option<ConversationId>,
    pub subject: String,
    pub body: String,
    /// `open`, until it is changed in the table: see `resly_rest::registry`.
    pub status: String,
    pub created_at: Timestamp,
}

/// A page of tickets.
#[derive(Clone, Debug)]
pub struct TicketPage {
    pub tickets: Vec<Ticket>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Bytes of the texts of a page. A ticket that has more is a page by itself.
const PAGE_BYTES: i64 = 4 << 20;

#[derive(sqlx_macros::FromRow)]
struct TicketRow {
    id: Id,
    conversation_id: Option<Id>,
    subject: String,
    body: String,
    status: String,
    created_at: Time,
}

pub(crate) async fn insert(db: &mut Conn<'_>, ticket: &NewTicket) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO tickets (id, organization_id, conversation_id, subject, body, status, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 'open', $6, $6)",
        Id(ticket.id.0),
        Id(ticket.organization.0),
        ticket.conversation.map(|conversation| Id(conversation.0)),
        Text(&ticket.subject),
        Text(&ticket.body),
        Time(ticket.now)
    )
    .map(drop)
}

/// The query for a page of the organization's tickets.
pub(crate) fn list(db: &Conn<'_>, organization: OrganizationId, before: Option<Cursor>, limit: u32) -> Query {
    let columns = "SELECT id, conversation_id, subject, body, status, created_at FROM tickets WHERE organization_id = ";
    page(Query::new(db, columns), organization, before, limit)
}

/// The query for how many bytes the texts of such a page have, ticket by ticket.
fn sizes(db: &Conn<'_>, organization: OrganizationId, before: Option<Cursor>, limit: u32) -> Query {
    let bytes =
        "SELECT CAST(OCTET_LENGTH(subject) + OCTET_LENGTH(body) AS BIGINT) FROM tickets WHERE organization_id = ";
    page(Query::new(db, bytes), organization, before, limit)
}

fn page(mut query: Query, organization: OrganizationId, before: Option<Cursor>, limit: u32) -> Query {
    query
        .bind(Id(organization.0))
        .older(" AND (created_at, id)", before)
        .push(" ORDER BY created_at DESC, id DESC LIMIT ")
        .bind(i64::from(limit));
    query
}

/// How many of the first tickets a page has.
fn fitting(sizes: &[(i64,)]) -> usize {
    let mut bytes = 0_i64;
    let fits = |(size,): &&(i64,)| {
        bytes = bytes.saturating_add(*size);
        bytes <= PAGE_BYTES
    };
    sizes.iter().take_while(fits).count().max(1).min(sizes.len())
}

impl Store {
    /// At most `limit` tickets, newest first, that follow `before` in the list. A page of long texts has fewer.
    #[boxed]
    pub async fn list_tickets(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<TicketPage, StoreError> {
        let doing = "list the tickets";
        let mut db = self.reader(organization, doing).await?;
        let sizes = sizes(&db.conn(), organization, before, limit.saturating_add(1));
        let sizes: Vec<(i64,)> = sizes.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let most = fitting(&sizes).min(limit as usize);
        let page = list(&db.conn(), organization, before, u32::try_from(most).unwrap_or(limit));
        let found: Vec<TicketRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let ticket = |row: TicketRow| Ticket {
            id: TicketId(row.id.0),
            conversation: row.conversation_id.map(|conversation| ConversationId(conversation.0)),
            subject: row.subject,
            body: row.body,
            status: row.status,
            created_at: row.created_at.0,
        };
        Ok(TicketPage { tickets: found.into_iter().map(ticket).collect(), more: sizes.len() > most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_its_texts_are_too_long() {
        let half = PAGE_BYTES / 2;
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[(1,), (2,)]), 2);
        assert_eq!(fitting(&[(half,), (half,), (1,)]), 2);
        assert_eq!(fitting(&[(PAGE_BYTES + 1,), (1,)]), 1, "each page has one");
    }
}
