//! OTLP's messages as JSON (OpenTelemetry Protocol Specification, "JSON Protobuf Encoding"): 64-bit numbers are texts, ids
//! are hex, enums are numbers.

mod metric;
mod trace;

use std::fmt::Display;

use resly_core::time::Timestamp;
use serde::{Serialize, Serializer};

pub use self::{metric::metrics, trace::traces};

/// Something that is written as a text, such as a 64-bit number.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Value<'a>,
}

/// The message `AnyValue`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "they are the names of the protocol")]
enum Value<'a> {
    StringValue(&'a str),
    IntValue(Text<i64>),
    DoubleValue(f64),
    BoolValue(bool),
    ArrayValue(Values<'a>),
}

#[derive(Serialize)]
struct Values<'a> {
    values: Vec<Value<'a>>,
}

/// Who sends it.
#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

/// What recorded it.
#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

const SCOPE: Scope = Scope { name: "resly", version: env!("CARGO_PKG_VERSION") };

fn resource(attributes: &[(String, String)]) -> Resource<'_> {
    let attributes = attributes.iter().map(|(key, value)| Attribute { key, value: Value::StringValue(value) });
    Resource { attributes: attributes.collect() }
}

/// Nanoseconds since 1970.
fn nanos(time: Timestamp) -> Text<u64> {
    Text(u64::try_from(time.micros()).unwrap_or(0).saturating_mul(1000))
}
