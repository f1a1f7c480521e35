//! The HTTP surface. [`router`] is its table of contents.

pub mod admin;
pub mod body;
pub mod chat;
mod client;
pub mod console;
mod docs;
mod guard;
mod health;
mod messages;
mod names;
mod oauth;
pub mod openapi;
mod page;
mod plain;
pub mod problem;
mod query;
mod rate_limit;
mod rates;
pub mod rejection;
pub mod router;
mod search;
