//! The core of Resly: what a turn, a tool call, a manifest and an allowance are, the turn pipeline, the connector call,
//! and the ports to everything that does IO. It knows no axum, sqlx, wasmtime or reqwest.
//!
//! Start at [`turn`] for a chat request and at [`connector::call`] for a connector call.

pub mod alert;
pub mod approval;
pub mod connector;
pub mod conversation;
pub mod error;
pub mod id;
pub mod json;
pub mod knowledge;
pub mod meter;
pub mod model;
pub mod principal;
pub mod rate;
pub mod testing;
pub mod time;
pub mod turn;
pub mod workflow;
