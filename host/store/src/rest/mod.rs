//! REST over the tables: plans of `resly-rest` as SQL, on both databases.
//!
//! Every statement has the organization in its condition, for embedded tables too. The text of a statement is made of
//! fixed parts and names of the registry; every value is bound. What SQLite can't compare as PostgreSQL does ([`scan`]) is
//! compared here, row by row and within bounds. Rows become JSON here, so that both databases give the same text.
//!
//! Reads have connections of their own, so that a long one holds up no chat, and a deadline in the database.

mod budget;
mod cell;
mod change;
mod condition;
mod embed;
mod expression;
mod insert;
mod operand;
mod order;
mod read;
mod reader;
mod render;
mod scan;
mod select;
mod statement;

use resly_core::error::StoreError;
use resly_rest::RestError;

pub use self::{
    change::{FoundRows, RestChange},
    insert::RestInsert,
    read::RestRead,
    render::{RestRow, RestRows},
};
pub(crate) use self::{condition::hidden, reader::RestPool};
use crate::error::OperationError;

/// Why a request on the tables failed.
#[derive(Debug, thiserror::Error)]
pub enum RestStoreError {
    #[error("{}", .0.message)]
    Refused(RestError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RestError> for RestStoreError {
    fn from(error: RestError) -> Self {
        Self::Refused(error)
    }
}

/// For the `?` of operations: either a refusal, or an error of the database, which may be one that the request caused.
pub(crate) enum Halt {
    Refused(RestError),
    Database(sqlx::Error),
}

impl From<RestError> for Halt {
    fn from(error: RestError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        match refusal(&error) {
            Some(refused) => Self::Refused(refused),
            None => Self::Database(error),
        }
    }
}

impl From<Halt> for OperationError<RestStoreError> {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Refused(error) => Self::Refused(RestStoreError::Refused(error)),
            Halt::Database(error) => Self::Database(error),
        }
    }
}

/// Errors of the database that a request causes, and not the host. The database's own words may name other rows, so they
/// aren't repeated.
fn refusal(error: &sqlx::Error) -> Option<RestError> {
    let database = error.as_database_error()?;
    let code = database.code()?;
    if let Some(number) = code.parse::<u32>().ok().filter(|_| code.len() != 5) {
        return match number {
            // INTERRUPT: the deadline's handler.
            9 => Some(timed_out()),
            // CONSTRAINT_UNIQUE and CONSTRAINT_PRIMARYKEY, CONSTRAINT_FOREIGNKEY.
            2067 | 1555 => Some(duplicate()),
            787 => Some(referenced()),
            // TOOBIG
            18 => Some(RestError::too_much("a value is too large for the database")),
            _ if database.message().contains("integer overflow") => {
                Some(RestError::new(400, "22003", "bigint out of range"))
            }
            _ => None,
        };
    }
    match code.as_ref() {
        "57014" => Some(timed_out()),
        "23505" => Some(duplicate()),
        "23503" => Some(referenced()),
        "22003" => Some(RestError::new(400, "22003", "bigint out of range")),
        "2201B" => Some(RestError::new(400, "2201B", "invalid regular expression")),
        // No other text in a statement has a grammar that the database reads.
        "42601" => Some(RestError::new(400, "42601", "syntax error in tsquery")),
        "54000" | "54001" | "54011" => Some(RestError::too_much("the request is too complex for the database")),
        _ => None,
    }
}

fn timed_out() -> RestError {
    RestError::new(500, "57014", "canceling statement due to statement timeout")
        .hint("Ask for less: narrow it by a condition on created_at, or set a limit.")
}

fn duplicate() -> RestError {
    RestError::new(409, "23505", "duplicate key value violates unique constraint")
}

fn referenced() -> RestError {
    RestError::new(409, "23503", "update or delete violates foreign key constraint: rows of another table refer to it")
}
