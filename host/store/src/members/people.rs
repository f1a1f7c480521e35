//! The people who sign in, in whatever organization. Their e-mails are unique on the host.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PersonId, SessionId},
    mail::{MailFacts, MailKind},
    member::Person,
    time::Timestamp,
};

use super::sessions;
use crate::{
    RowScope, Store,
    error::{OperationError, failed},
    mails::{self, NewMail, Recipient},
    sql::{Conn, execute, row},
    types::{Id, Text, Time},
};

#[derive(Clone, Debug)]
pub struct NewPerson {
    pub id: PersonId,
    pub name: String,
    pub email: Option<String>,
    pub password_hash: Option<String>,
}

/// A person with what a sign-in compares.
#[derive(Clone, Debug)]
pub struct StoredPerson {
    pub person: Person,
    pub password_hash: Option<String>,
}

/// A change of a person. Members that are `None` stay as they are.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    pub name: Option<String>,
    pub email: Option<String>,
}

/// Why a person can't be made or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PersonError {
    #[error("there is no such person")]
    Missing,
    #[error("another person has this e-mail")]
    EmailTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct PersonRow {
    id: Id,
    name: String,
    email: Option<String>,
    password_hash: Option<String>,
}

impl From<PersonRow> for StoredPerson {
    fn from(row: PersonRow) -> Self {
        Self {
            person: Person { id: PersonId(row.id.0), name: row.name, email: row.email },
            password_hash: row.password_hash,
        }
    }
}

pub(super) async fn insert(db: &mut Conn<'_>, new: &NewPerson, now: Timestamp) -> Result<Person, sqlx::Error> {
    execute!(
        db,
        "INSERT INTO people (id, name, email, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
        Id(new.id.0),
        Text(&new.name),
        new.email.as_deref().map(Text),
        new.password_hash.as_deref(),
        Time(now)
    )?;
    Ok(Person { id: new.id, name: new.name.clone(), email: new.email.clone() })
}

/// Whether a row was refused because another one has the e-mail.
pub(super) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

pub(super) async fn by_email(db: &mut Conn<'_>, email: &str) -> Result<Option<StoredPerson>, sqlx::Error> {
    let sql = "SELECT id, name, email, password_hash FROM people WHERE email = $1";
    Ok(row!(db, PersonRow, sql, Text(email))?.map(StoredPerson::from))
}

impl Store {
    #[boxed]
    pub async fn person(&self, id: PersonId) -> Result<Option<StoredPerson>, StoreError> {
        let doing = "find a person";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let sql = "SELECT id, name, email, password_hash FROM people WHERE id = $1";
        let found = row!(db, PersonRow, sql, Id(id.0)).map_err(failed(doing))?;
        Ok(found.map(StoredPerson::from))
    }

    /// The person with this e-mail, which is in lower case.
    #[boxed]
    pub async fn person_by_email(&self, email: &str) -> Result<Option<StoredPerson>, StoreError> {
        let doing = "find a person by e-mail";
        let mut db = self.reader(RowScope::Host, doing).await?;
        by_email(&mut db.conn(), email).await.map_err(failed(doing))
    }

    /// Changes a person's name or e-mail.
    #[boxed]
    pub async fn change_person(&self, id: PersonId, change: PersonChange) -> Result<Person, PersonError> {
        self.write(RowScope::Host, "change a person", move |mut db| {
            Box::pin(async move {
                let changed = row!(
                    db,
                    PersonRow,
                    "UPDATE people SET name = COALESCE($2, name), email = COALESCE($3, email) WHERE id = $1
                     RETURNING id, name, email, password_hash",
                    Id(id.0),
                    change.name.as_deref().map(Text),
                    change.email.as_deref().map(Text)
                );
                match changed {
                    Ok(Some(row)) => Ok(StoredPerson::from(row).person),
                    Ok(None) => Err(OperationError::Refused(PersonError::Missing)),
                    Err(error) if is_taken(&error) => Err(OperationError::Refused(PersonError::EmailTaken)),
                    Err(error) => Err(error.into()),
                }
            })
        })
        .await
    }

    /// Sets a person's password, ends the person's other sessions, and tells the person by mail, in the name of the
    /// organization. False when there is no such person, or when the
    /// password is another one than `expected`, the hash that was compared.
    #[boxed]
    pub async fn set_password(
        &self,
        id: PersonId,
        expected: Option<String>,
        hash: String,
        keep: SessionId,
        (organization, now): (OrganizationId, Timestamp),
    ) -> Result<bool, StoreError> {
        let mails_are_sent = self.mails;
        self.write(RowScope::Host, "set a password", move |mut db| {
            Box::pin(async move {
                let sql =
                    "UPDATE people SET password_hash = $2 WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $3";
                if execute!(db, sql, Id(id.0), hash.as_str(), expected.as_deref())? == 0 {
                    return Ok(false);
                }
                sessions::end_others(&mut db, id, keep).await?;
                if mails_are_sent {
                    let (kind, to) = (MailKind::PasswordChanged, Recipient::Person(id));
                    let facts = MailFacts::default();
                    let mail = NewMail { kind, to, facts, secret: None, conversation: None };
                    mails::enqueue(&mut db, organization, &mail, now).await?;
                }
                Ok(true)
            })
        })
        .await
    }
}
