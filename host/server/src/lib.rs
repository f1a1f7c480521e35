//! The binary `resly`: configuration, command line, jobs and the composition root.
//!
//! [`compose`] shows the parts of a host, and `resly_http::router` shows its routes.

pub mod author;
pub mod backup;
pub mod cli;
pub mod command;
pub mod compose;
pub mod config;
pub mod database;
mod demo;
pub mod jobs;
pub mod knowledge_import;
pub mod local_host;
pub mod local_models;
pub mod logging;
pub mod memory;
pub mod new_key;
pub mod operator;
pub mod secrets;
pub mod serve;
pub mod sign_in_link;
pub mod store_copy;
pub mod vault;
