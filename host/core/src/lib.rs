//! The domain of Resly: the chat turn, the connector call, approvals, retrieval, and the ports to everything that does
//! IO. It doesn't depend on axum, sqlx, wasmtime or reqwest.
//!
//! Start at [`turn`] for a chat request and at [`connector::call`] for a connector call.

pub mod actor;
pub mod alert;
pub mod approval;
pub mod connector;
pub mod conversation;
pub mod error;
pub mod id;
pub mod json;
pub mod knowledge;
pub mod load;
pub mod mail;
pub mod member;
pub mod meter;
pub mod metrics;
pub mod model;
pub mod object;
pub mod outcome;
pub mod plan;
pub mod principal;
pub mod rate;
pub mod testing;
pub mod ticket;
pub mod time;
pub mod trace;
pub mod turn;
pub mod workflow;

/// Boxes an async function's future. The body is then compiled once, in the crate that it is written in; without it, each
/// crate that awaits the function compiles the body again, with all that it awaits.
pub use async_recursion::async_recursion as boxed;
