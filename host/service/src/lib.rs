//! Use cases. The API, the command line, the jobs and the demo call the same functions.
//!
//! Nothing here knows axum or an HTTP status: errors are the domain's, and the caller renders them. [`App`] holds the
//! parts that a use case works on; `resly_server::compose` builds it.

pub mod accounts;
pub mod actions;
pub mod analytics;
mod app;
pub mod audit;
pub mod billing;
pub mod bundled;
pub mod catalogue;
pub mod checks;
pub mod cluster;
pub mod component_store;
pub mod connections;
pub mod connectors;
pub mod crawls;
pub mod csv;
pub mod database_roles;
pub mod definition;
pub mod deletions;
mod field_error;
pub mod inbox;
pub mod key;
pub mod keyring;
pub mod keys;
pub mod logs;
pub mod mails;
pub mod members;
pub mod openapi_documents;
pub mod organizations;
pub mod origins;
pub mod outbound;
pub mod overview;
pub mod places;
pub mod plan;
pub mod plans;
pub mod playground;
pub mod publishers;
pub mod random;
pub mod rates;
mod readings;
pub mod rest;
pub mod retention;
pub mod sites;
pub mod sources;
pub mod subscriptions;
pub mod synonyms;
pub mod upload;
pub mod webhooks;
pub mod workflows;

pub use app::{App, NoPublicUrl};
pub use field_error::{FieldError, check_name};
