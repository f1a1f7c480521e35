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
    let start = "SELECT id, conversation_id, subject, body, status, created_at FROM tickets WHERE organization_id = ";
    let mut query = Query::new(db, start);
    query
        .bind(Id(organization.0))
        .older(" AND (created_at, id)", before)
        .push(" ORDER BY created_at DESC, id DESC LIMIT ")
        .bind(i64::from(limit));
    query
}

impl Store {
    /// At most `limit` tickets, newest first, that follow `before` in the list.
    #[boxed]
    pub async fn list_tickets(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Ticket>, StoreError> {
        let doing = "list the tickets";
        let mut db = self.reader(organization, doing).await?;
        let page = list(&db.conn(), organization, before, limit);
        let found: Vec<TicketRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let ticket = |row: TicketRow| Ticket {
            id: TicketId(row.id.0),
            conversation: row.conversation_id.map(|conversation| ConversationId(conversation.0)),
            subject: row.subject,
            body: row.body,
            status: row.status,
            created_at: row.created_at.0,
        };
        Ok(found.into_iter().map(ticket).collect())
    }
}
