//! The manifest of a connector: reading, checking and comparing it. Also JSON Schema within bounds, the import of
//! OpenAPI documents, the package (a component with its manifest inside) and its signature.
//!
//! Everything here is pure: no IO, no async, no clock. It reads what strangers send, so everything is bounded.

mod allowance;
mod digest;
pub mod json_schema;
pub mod json_weight;
mod manifest;
pub mod mask;
pub mod openapi;
pub mod package;
pub mod signature;
mod violation;

pub use allowance::Allowance;
pub use digest::Digest;
pub use manifest::*;
pub use violation::{Violation, Violations};
