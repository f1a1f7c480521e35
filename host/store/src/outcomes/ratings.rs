//! What visitors say of answers.

use resly_core::{
    boxed,
    error::StoreError,
    id::{MessageId, OrganizationId},
    outcome::Rating,
    time::Timestamp,
};

use crate::{
    Store,
    sql::{execute, row},
    types::{Id, Time},
};

impl Store {
    /// Sets or takes back what a visitor says of an answer. Returns false when the organization has no such answer, or it
    /// isn't whole yet. The conversation counts as changed, so that its outcome is computed again.
    #[boxed]
    pub async fn rate_answer(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        rating: Option<Rating>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(organization, "store what a visitor says of an answer", move |mut db| {
            Box::pin(async move {
                let (own, id) = (Id(organization.0), Id(answer.0));
                let changed = row!(
                    db,
                    (Id,),
                    "UPDATE conversations SET updated_at = $3
                     WHERE organization_id = $2 AND id = (
                         SELECT conversation_id FROM messages WHERE id = $1 AND organization_id = $2
                             AND role IN ('assistant', 'agent') AND status NOT IN ('streaming', 'handed_over'))
                     RETURNING id",
                    id,
                    own,
                    Time(now)
                )?;
                let Some((conversation,)) = changed else { return Ok(false) };
                match rating {
                    Some(rating) => {
                        execute!(
                            db,
                            "INSERT INTO answer_ratings
                                 (message_id, organization_id, conversation_id, rating, created_at, updated_at)
                             VALUES ($1, $2, $3, $4, $5, $5)
                             ON CONFLICT (message_id) DO UPDATE
                             SET rating = excluded.rating, updated_at = excluded.updated_at
                             WHERE answer_ratings.organization_id = excluded.organization_id",
                            id,
                            own,
                            conversation,
                            rating.name(),
                            Time(now)
                        )?;
                    }
                    None => {
                        let sql = "DELETE FROM answer_ratings WHERE message_id = $1 AND organization_id = $2";
                        execute!(db, sql, id, own)?;
                    }
                }
                Ok(true)
            })
        })
        .await
    }
}
