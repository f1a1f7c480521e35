//! Values that the two databases store differently: ids, instants, counts, texts from strangers, and JSON.
//!
//! In PostgreSQL they are `uuid`, `timestamptz`, `bigint`, `text`, `jsonb` and `json`. In SQLite they are text, or
//! integers. There, instants are RFC 3339 of one width, so that they sort by time.

use std::borrow::Cow;

use resly_core::time::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef, types::Oid},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use uuid::Uuid;

/// The text type in SQLite, the type named in PostgreSQL.
macro_rules! text_in_sqlite {
    ($name:ident $(<$lifetime:lifetime>)?, $postgres:expr) => {
        impl $(<$lifetime>)? Type<Sqlite> for $name $(<$lifetime>)? {
            fn type_info() -> SqliteTypeInfo {
                <str as Type<Sqlite>>::type_info()
            }

            fn compatible(given: &SqliteTypeInfo) -> bool {
                <str as Type<Sqlite>>::compatible(given)
            }
        }

        impl $(<$lifetime>)? Type<Postgres> for $name $(<$lifetime>)? {
            fn type_info() -> PgTypeInfo {
                $postgres
            }
        }
    };
}

/// An id of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub Uuid);

text_in_sqlite!(Id, <Uuid as Type<Postgres>>::type_info());

impl Encode<'_, Sqlite> for Id {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.to_string(), buffer)
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Id {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Uuid::parse_str(<&str as Decode<Sqlite>>::decode(value)?)?))
    }
}

impl<'r> Decode<'r, Postgres> for Id {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Uuid as Decode<Postgres>>::decode(value).map(Self)
    }
}

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub Timestamp);

/// `timestamptz` by its number in PostgreSQL's catalogue (`pg_type.dat`), which never changes.
const TIMESTAMPTZ: Oid = Oid(1184);
/// PostgreSQL counts microseconds from 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

text_in_sqlite!(Time, PgTypeInfo::with_oid(TIMESTAMPTZ));

impl Encode<'_, Sqlite> for Time {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.to_string(), buffer)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0.micros() - POSTGRES_EPOCH, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Time {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.parse()?))
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(Timestamp::from_micros(micros.saturating_add(POSTGRES_EPOCH))))
    }
}

/// A number that isn't negative. Numbers over `i64::MAX` are stored as `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub u64);

impl Count {
    fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    fn from_signed(stored: i64) -> Self {
        Self(u64::try_from(stored).unwrap_or(0))
    }
}

macro_rules! count {
    ($database:ty, $buffer:ty, $value:ident) => {
        impl Type<$database> for Count {
            fn type_info() -> <$database as sqlx::Database>::TypeInfo {
                <i64 as Type<$database>>::type_info()
            }

            fn compatible(given: &<$database as sqlx::Database>::TypeInfo) -> bool {
                <i64 as Type<$database>>::compatible(given)
            }
        }

        impl Encode<'_, $database> for Count {
            fn encode_by_ref(&self, buffer: &mut $buffer) -> Result<IsNull, BoxDynError> {
                Encode::<$database>::encode(self.signed(), buffer)
            }
        }

        impl<'r> Decode<'r, $database> for Count {
            fn decode(value: $value<'r>) -> Result<Self, BoxDynError> {
                <i64 as Decode<$database>>::decode(value).map(Self::from_signed)
            }
        }
    };
}

count!(Sqlite, SqliteArgumentsBuffer, SqliteValueRef);
count!(Postgres, PgArgumentBuffer, PgValueRef);

/// A text that a stranger may have written. PostgreSQL can't hold U+0000, so neither database does: it is stored as
/// U+FFFD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'t>(pub &'t str);

text_in_sqlite!(Text<'t>, <str as Type<Postgres>>::type_info());

impl Encode<'_, Sqlite> for Text<'_> {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(without_nul(self.0).into_owned(), buffer)
    }
}

impl Encode<'_, Postgres> for Text<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&without_nul(self.0), buffer)
    }
}

pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A value as JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub T);

impl<T> Type<Sqlite> for Json<T> {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }

    fn compatible(given: &SqliteTypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(given)
    }
}

impl<T> Type<Postgres> for Json<T> {
    fn type_info() -> PgTypeInfo {
        <sqlx::types::Json<T> as Type<Postgres>>::type_info()
    }

    fn compatible(given: &PgTypeInfo) -> bool {
        <sqlx::types::Json<T> as Type<Postgres>>::compatible(given)
    }
}

impl<T: Serialize> Encode<'_, Sqlite> for Json<T> {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.text()?, buffer)
    }
}

impl<T: Serialize> Encode<'_, Postgres> for Json<T> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // The binary form of `jsonb`: its version, then the text.
        buffer.push(1);
        buffer.extend_from_slice(self.text()?.as_bytes());
        Ok(IsNull::No)
    }
}

impl<'r, T: DeserializeOwned> Decode<'r, Sqlite> for Json<T> {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(serde_json::from_str(<&str as Decode<Sqlite>>::decode(value)?)?))
    }
}

impl<'r, T: DeserializeOwned + 'r> Decode<'r, Postgres> for Json<T> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <sqlx::types::Json<T> as Decode<Postgres>>::decode(value).map(|json| Self(json.0))
    }
}

/// A value as JSON that keeps its members' order and its numbers' spelling, which `jsonb` doesn't.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderedJson<T>(pub T);

/// `json` by its number in PostgreSQL's catalogue (`pg_type.dat`).
const JSON: Oid = Oid(114);

impl<T> Type<Sqlite> for OrderedJson<T> {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }

    fn compatible(given: &SqliteTypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(given)
    }
}

impl<T> Type<Postgres> for OrderedJson<T> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON)
    }

    fn compatible(given: &PgTypeInfo) -> bool {
        <sqlx::types::Json<T> as Type<Postgres>>::compatible(given)
    }
}

impl<T: Serialize> Encode<'_, Sqlite> for OrderedJson<T> {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(Json(&self.0).text()?, buffer)
    }
}

impl<T: Serialize> Encode<'_, Postgres> for OrderedJson<T> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(Json(&self.0).text()?.as_bytes());
        Ok(IsNull::No)
    }
}

impl<'r, T: DeserializeOwned> Decode<'r, Sqlite> for OrderedJson<T> {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <Json<T> as Decode<Sqlite>>::decode(value).map(|json| Self(json.0))
    }
}

impl<'r, T: DeserializeOwned + 'r> Decode<'r, Postgres> for OrderedJson<T> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Json<T> as Decode<Postgres>>::decode(value).map(|json| Self(json.0))
    }
}

impl<T: Serialize> Json<T> {
    fn text(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&self.0)?;
        // `jsonb` can't hold U+0000 either. The escape may be a backslash and a word, so only a parse tells.
        if !text.contains("\\u0000") {
            return Ok(text);
        }
        serde_json::to_string(&clean(serde_json::from_str(&text)?))
    }
}

fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (without_nul(&name).into_owned(), clean(value))).collect()
        }
        other => other,
    }
}

/// Reads a value that is stored under its serde name, such as a status. A name that this version doesn't know is an
/// error.
pub(crate) fn named<T: DeserializeOwned>(name: String) -> Result<T, sqlx::Error> {
    serde_json::from_value(Value::String(name)).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The name under which [`named`] finds the value again.
pub(crate) fn name_of<T: Serialize>(value: &T) -> Result<String, sqlx::Error> {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => Ok(name),
        Ok(other) => Err(sqlx::Error::Encode(format!("{other} is not a name").into())),
        Err(error) => Err(sqlx::Error::Encode(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_neither_database_should_hold_is_replaced_and_nothing_else() {
        assert_eq!(Json(json!({"a\0": ["b\0"]})).text().unwrap(), "{\"a\u{fffd}\":[\"b\u{fffd}\"]}");
        assert_eq!(Json(json!("\\u0000")).text().unwrap(), r#""\\u0000""#);
        assert_eq!(without_nul("plain"), "plain");
    }

    #[test]
    fn counts_saturate() {
        assert_eq!(Count(u64::MAX).signed(), i64::MAX);
        assert_eq!(Count::from_signed(-1), Count(0));
    }
}
