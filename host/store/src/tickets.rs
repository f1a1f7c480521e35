//! Tickets and the comments on them.

mod news;

use resly_core::{
    alert::{Event, payload, ticket_data},
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId, RowId, TicketId},
    ticket::{TicketFields, TicketWrite},
    time::Timestamp,
    turn::store::NewTicket,
};
use uuid::Uuid;

use self::news::TicketNews;
use crate::{
    Store, conversations,
    error::failed,
    page::Cursor,
    query::Query,
    sql::{Conn, execute, row, rows},
    types::{Id, Json, Text, Time},
    webhooks,
};

#[derive(Clone, Debug)]
pub struct Ticket {
    pub id: TicketId,
    pub conversation: Option<ConversationId>,
    pub fields: TicketFields,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A ticket with the comments on it, oldest first.
#[derive(Clone, Debug)]
pub struct TicketRecord {
    pub ticket: Ticket,
    pub comments: Vec<TicketComment>,
}

#[derive(Clone, Debug)]
pub struct TicketComment {
    pub id: RowId,
    /// The member who wrote it, when it is known.
    pub author: Option<Uuid>,
    pub body: String,
    pub created_at: Timestamp,
}

/// Which tickets to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct TicketQuery {
    pub status: Option<String>,
    pub priority: Option<String>,
    pub assignee: Option<Uuid>,
    pub conversation: Option<ConversationId>,
    pub before: Option<Cursor>,
    pub limit: u32,
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
    priority: String,
    assignee_id: Option<Id>,
    requester: Option<String>,
    due_at: Option<Time>,
    tags: Json<Vec<String>>,
    created_at: Time,
    updated_at: Time,
}

impl From<TicketRow> for Ticket {
    fn from(row: TicketRow) -> Self {
        Self {
            id: TicketId(row.id.0),
            conversation: row.conversation_id.map(|conversation| ConversationId(conversation.0)),
            fields: TicketFields {
                subject: row.subject,
                body: row.body,
                status: row.status,
                priority: row.priority,
                assignee: row.assignee_id.map(|assignee| assignee.0),
                requester: row.requester,
                due_at: row.due_at.map(|due| due.0),
                tags: row.tags.0,
            },
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        }
    }
}

/// The columns of a ticket. PostgreSQL has the tags as a list, SQLite as JSON.
macro_rules! columns {
    ($tags:literal, $rest:literal) => {
        concat!(
            "SELECT id, conversation_id, subject, body, status, priority, assignee_id, requester, due_at, ",
            $tags,
            " AS tags, created_at, updated_at FROM tickets ",
            $rest
        )
    };
}

async fn insert(db: &mut Conn<'_>, ticket: &NewTicket) -> Result<(), sqlx::Error> {
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

/// Opens a ticket as the assistant does, and tells the webhook.
pub(crate) async fn open(db: &mut Conn<'_>, ticket: &NewTicket) -> Result<(), sqlx::Error> {
    insert(db, ticket).await?;
    let fields = TicketFields { status: "open".to_owned(), priority: "normal".to_owned(), ..TicketFields::default() };
    let NewTicket { id, organization, conversation, now, .. } = *ticket;
    let write = TicketWrite { organization, id, conversation, fields, now };
    tell(db, Event::TicketCreated, &write).await
}

async fn tell(db: &mut Conn<'_>, event: Event, ticket: &TicketWrite) -> Result<(), sqlx::Error> {
    let data = ticket_data(ticket.id, ticket.conversation, &ticket.fields);
    webhooks::enqueue(db, ticket.organization, event, None, payload(event, ticket.now, data), ticket.now).await
}

/// The query for a page of the organization's tickets.
pub(crate) fn list(db: &Conn<'_>, organization: OrganizationId, wanted: &TicketQuery) -> Query {
    let columns =
        db.pick(columns!("tags", "WHERE organization_id = "), columns!("to_jsonb(tags)", "WHERE organization_id = "));
    page(Query::new(db, columns), organization, wanted)
}

/// The query for how many bytes the texts of such a page have, ticket by ticket.
fn sizes(db: &Conn<'_>, organization: OrganizationId, wanted: &TicketQuery) -> Query {
    let bytes =
        "SELECT CAST(OCTET_LENGTH(subject) + OCTET_LENGTH(body) AS BIGINT) FROM tickets WHERE organization_id = ";
    page(Query::new(db, bytes), organization, wanted)
}

fn page(mut query: Query, organization: OrganizationId, wanted: &TicketQuery) -> Query {
    let TicketQuery { status, priority, assignee, conversation, before, limit } = wanted;
    query
        .bind(Id(organization.0))
        .filter(" AND status = ", status.clone())
        .filter(" AND priority = ", priority.clone())
        .filter(" AND assignee_id = ", assignee.map(Id))
        .filter(" AND conversation_id = ", conversation.map(|conversation| Id(conversation.0)))
        .older(" AND (created_at, id)", *before)
        .push(" ORDER BY created_at DESC, id DESC LIMIT ")
        .bind(i64::from(*limit));
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
        self.find_tickets(organization, TicketQuery { before, limit, ..TicketQuery::default() }).await
    }

    /// The tickets that match a query, newest first. A page of long texts has fewer than its limit.
    #[boxed]
    pub async fn find_tickets(
        &self,
        organization: OrganizationId,
        wanted: TicketQuery,
    ) -> Result<TicketPage, StoreError> {
        let doing = "list the tickets";
        let mut db = self.reader(organization, doing).await?;
        let one_more = TicketQuery { limit: wanted.limit.saturating_add(1), ..wanted.clone() };
        let sizes = sizes(&db.conn(), organization, &one_more);
        let sizes: Vec<(i64,)> = sizes.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let most = fitting(&sizes).min(wanted.limit as usize);
        let fitting = TicketQuery { limit: u32::try_from(most).unwrap_or(wanted.limit), ..wanted };
        let page = list(&db.conn(), organization, &fitting);
        let found: Vec<TicketRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        Ok(TicketPage { tickets: found.into_iter().map(Ticket::from).collect(), more: sizes.len() > most })
    }

    /// A ticket with the comments on it.
    #[boxed]
    pub async fn ticket(&self, organization: OrganizationId, id: TicketId) -> Result<Option<TicketRecord>, StoreError> {
        let doing = "read a ticket";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.conn().pick(
            columns!("tags", "WHERE id = $1 AND organization_id = $2"),
            columns!("to_jsonb(tags)", "WHERE id = $1 AND organization_id = $2"),
        );
        let found = row!(db, TicketRow, sql, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        let Some(ticket) = found.map(Ticket::from) else { return Ok(None) };
        let sql = "SELECT id, author_id, body, created_at FROM ticket_comments
                   WHERE ticket_id = $1 AND organization_id = $2 ORDER BY created_at, id";
        let comments = rows!(db, (Id, Option<Id>, String, Time), sql, Id(id.0), Id(organization.0));
        let comment = |(id, author, body, created_at): (Id, Option<Id>, String, Time)| TicketComment {
            id: RowId(id.0),
            author: author.map(|author| author.0),
            body,
            created_at: created_at.0,
        };
        Ok(Some(TicketRecord { ticket, comments: comments.map_err(failed(doing))?.into_iter().map(comment).collect() }))
    }

    /// Stores a new ticket. Returns false when the organization doesn't have its conversation.
    #[boxed]
    pub async fn open_ticket(&self, ticket: TicketWrite) -> Result<bool, StoreError> {
        let news = TicketNews::of(self.mails, ticket.organization);
        self.write(ticket.organization, "open a ticket", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                if let Some(conversation) = ticket.conversation
                    && !conversations::exists(db, ticket.organization, conversation).await?
                {
                    return Ok(false);
                }
                let TicketWrite { organization, id, conversation, ref fields, now } = ticket;
                let (subject, body) = (fields.subject.clone(), fields.body.clone());
                insert(db, &NewTicket { id, organization, conversation, subject, body, now }).await?;
                set(db, &ticket).await?;
                news.changed(db, None, &ticket).await?;
                tell(db, Event::TicketCreated, &ticket).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Changes what people set of a ticket. Returns false when the organization has no such ticket.
    #[boxed]
    pub async fn change_ticket(&self, ticket: TicketWrite) -> Result<bool, StoreError> {
        let news = TicketNews::of(self.mails, ticket.organization);
        self.write(ticket.organization, "change a ticket", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "SELECT conversation_id FROM tickets WHERE id = $1 AND organization_id = $2";
                let Some((conversation,)) = row!(db, (Option<Id>,), sql, Id(ticket.id.0), Id(ticket.organization.0))?
                else {
                    return Ok(false);
                };
                let conversation = conversation.map(|id| ConversationId(id.0));
                let ticket = TicketWrite { conversation, ..ticket };
                let before = news.before(db, ticket.id).await?;
                if !set(db, &ticket).await? {
                    return Ok(false);
                }
                news.changed(db, before, &ticket).await?;
                tell(db, Event::TicketUpdated, &ticket).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Adds a comment to a ticket. Returns false when the organization has no such ticket.
    #[boxed]
    pub async fn comment_on_ticket(
        &self,
        organization: OrganizationId,
        ticket: TicketId,
        comment: TicketComment,
    ) -> Result<bool, StoreError> {
        let news = TicketNews::of(self.mails, organization);
        self.write(organization, "comment on a ticket", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "UPDATE tickets SET updated_at = $3 WHERE id = $1 AND organization_id = $2";
                if execute!(db, sql, Id(ticket.0), Id(organization.0), Time(comment.created_at))? == 0 {
                    return Ok(false);
                }
                execute!(
                    db,
                    "INSERT INTO ticket_comments (id, organization_id, ticket_id, author_id, body, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $6)",
                    Id(comment.id.0),
                    Id(organization.0),
                    Id(ticket.0),
                    comment.author.map(Id),
                    Text(&comment.body),
                    Time(comment.created_at)
                )?;
                news.commented(db, ticket, &comment).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn set(db: &mut Conn<'_>, ticket: &TicketWrite) -> Result<bool, sqlx::Error> {
    let TicketWrite { organization, id, fields, now, .. } = ticket;
    let sql = db.pick(
        "UPDATE tickets SET subject = $3, body = $4, status = $5, priority = $6, assignee_id = $7, requester = $8,
             due_at = $9, tags = $10, updated_at = $11
         WHERE id = $1 AND organization_id = $2",
        "UPDATE tickets SET subject = $3, body = $4, status = $5, priority = $6, assignee_id = $7, requester = $8,
             due_at = $9, tags = ARRAY(SELECT jsonb_array_elements_text($10)), updated_at = $11
         WHERE id = $1 AND organization_id = $2",
    );
    let changed = execute!(
        db,
        sql,
        Id(id.0),
        Id(organization.0),
        Text(&fields.subject),
        Text(&fields.body),
        fields.status.as_str(),
        fields.priority.as_str(),
        fields.assignee.map(Id),
        fields.requester.as_deref().map(Text),
        fields.due_at.map(Time),
        Json(&fields.tags),
        Time(*now)
    )?;
    Ok(changed > 0)
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
