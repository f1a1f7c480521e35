//! Builds a query whose conditions depend on what is asked for. Only these stand in its text, so that PostgreSQL plans it
//! with the indexes that they allow.

use futures::future::BoxFuture;
use sqlx::{Encode, Postgres, QueryBuilder, Sqlite, Type};

use crate::{
    page::Cursor,
    sql::{Conn, Row, Rows},
    types::{Id, Time},
};

/// A query under construction, for one of the databases.
pub(crate) enum Query {
    Sqlite(QueryBuilder<Sqlite>),
    Postgres(QueryBuilder<Postgres>),
}

impl Query {
    /// Begins a query of the organization's rows: `start` ends with the column to compare.
    pub fn new(db: &Conn<'_>, start: &str) -> Self {
        match db {
            Conn::Sqlite(_) => Self::Sqlite(QueryBuilder::new(start)),
            Conn::Postgres { .. } => Self::Postgres(QueryBuilder::new(start)),
        }
    }

    pub fn push(&mut self, text: &'static str) -> &mut Self {
        match self {
            Self::Sqlite(query) => drop(query.push(text)),
            Self::Postgres(query) => drop(query.push(text)),
        }
        self
    }

    pub fn bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(query) => drop(query.push_bind(value)),
            Self::Postgres(query) => drop(query.push_bind(value)),
        }
        self
    }

    /// Adds a condition when there is a value for it: `text` ends where the value belongs.
    pub fn filter<'t, T>(&mut self, text: &'static str, value: Option<T>) -> &mut Self
    where
        T: Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>,
    {
        match value {
            Some(value) => self.push(text).bind(value),
            None => self,
        }
    }

    /// Adds the condition that a row is older than the cursor's. `text` ends with the columns to compare.
    pub fn older(&mut self, text: &'static str, cursor: Option<Cursor>) -> &mut Self {
        match cursor {
            Some(cursor) => self.push(text).push(" < (").bind(Time(cursor.at)).push(", ").bind(Id(cursor.id)).push(")"),
            None => self,
        }
    }

    /// Adds the condition that a row is newer than the cursor's. `text` ends with the columns to compare.
    pub fn newer(&mut self, text: &'static str, cursor: Option<Cursor>) -> &mut Self {
        match cursor {
            Some(cursor) => self.push(text).push(" > (").bind(Time(cursor.at)).push(", ").bind(Id(cursor.id)).push(")"),
            None => self,
        }
    }

    /// The query's text.
    #[cfg(test)]
    pub fn text(&self) -> String {
        match self {
            Self::Sqlite(query) => query.sql().as_str().to_owned(),
            Self::Postgres(query) => query.sql().as_str().to_owned(),
        }
    }

    /// Runs the query for all its rows.
    pub async fn fetch_all<R: Row>(self, db: &mut Conn<'_>) -> Result<Vec<R>, sqlx::Error> {
        self.fetch(db.conn()).await?.all()
    }

    fn fetch(self, db: Conn<'_>) -> BoxFuture<'_, Result<Rows, sqlx::Error>> {
        Box::pin(async move {
            match (self, db) {
                (Self::Sqlite(mut query), Conn::Sqlite(conn)) => Ok(Rows::Sqlite(query.build().fetch_all(conn).await?)),
                (Self::Postgres(mut query), Conn::Postgres { conn, named }) => {
                    Ok(Rows::Postgres(query.build().persistent(named).fetch_all(conn).await?))
                }
                _ => Err(sqlx::Error::InvalidArgument("a query was built for the other database".to_owned())),
            }
        })
    }
}
