//! PostgREST's dialect without IO.
//!
//! A request's query, headers and body become a plan: tables, columns and relations of [`registry`], operators, and values
//! of their columns' types. `resly-store` writes the plan as SQL, `resly-service` decides who may, and `resly-http` serves
//! it. What isn't supported is refused by name.
//!
//! | module | what |
//! |---|---|
//! | [`registry`] | the tables, their columns, keys, and what may be written |
//! | [`query`], `syntax` | parameters and their little languages, without regard to tables |
//! | [`resolve`] | a query with the names of the registry: [`plan`] |
//! | [`value`], [`pattern`], [`search`] | what conditions compare with |
//! | [`body`] | rows to write |
//! | [`prefer`], [`window`], [`media`] | headers |
//! | [`openapi`] | the root's description of itself |
//! | [`error`], [`limits`] | refusals; what a request may ask for |

pub mod body;
mod cursor;
pub mod error;
pub mod limits;
pub mod media;
pub mod openapi;
pub mod pattern;
pub mod plan;
pub mod prefer;
pub mod query;
pub mod registry;
pub mod resolve;
pub mod search;
mod syntax;
pub mod value;
pub mod window;

pub use error::RestError;
