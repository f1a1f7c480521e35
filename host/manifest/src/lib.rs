//! What a connector says of itself: its manifest, the checks and the comparison of manifests, JSON Schema within bounds,
//! the import of OpenAPI documents, the package (a component with its manifest inside) and its signature.
//!
//! Everything here is pure: no IO, no async, no clock. What strangers send is read here, so everything is bounded.

mod allowance;
mod digest;
pub mod json_schema;
pub mod json_weight;
mod manifest;
pub mod mask;
pub mod openapi;
pub mod package;
pub mod signature;

pub use allowance::Allowance;
pub use digest::Digest;
pub use manifest::*;
