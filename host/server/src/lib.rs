//! The binary `resly`: routes, command line, configuration and the composition root.
//!
//! Start at [`http::router`] for what is answered and at [`compose`] for what it is made of. To add an endpoint: one file
//! under `http/` with its request, its handler and its OpenAPI note, one line in the router, one in `http/openapi.rs`,
//! then `resly openapi > host/server/openapi.json`. A new way to fail is a row in `http/problem/kinds.rs` and an arm in
//! `http/problem/from_domain.rs`.

pub mod accounts;
pub mod app;
pub mod author;
pub mod body_memory;
pub mod bundled;
pub mod catalogue;
pub mod checks;
pub mod cli;
pub mod compose;
pub mod config;
mod definition;
pub mod demo;
pub mod edge;
pub mod fair_pool;
pub mod handbook;
pub mod hooks;
pub mod http;
mod install;
pub mod jobs;
pub mod key;
pub mod keyring;
pub mod logging;
pub mod metrics;
pub mod new_key;
pub mod origins;
mod outside;
pub mod random;
pub mod rates;
pub mod secrets;
pub mod serve;
pub mod signing;
pub mod upload;
pub mod vault;
