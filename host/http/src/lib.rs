//! The HTTP API. [`router`] is its table of contents.
//!
//! A handler extracts, calls a use case and answers. To add an endpoint: one file with its request, its handler and its
//! `#[utoipa::path]`, one line in [`router`], then `resly openapi > host/http/openapi.json`. A new way to fail is a row in `problem/kinds.rs` and an arm in `problem/from_domain.rs`.

mod admin;
pub mod body;
pub mod body_memory;
pub mod chat;
pub mod client;
mod disk;
mod docs;
mod dry_run;
pub mod edge;
pub mod fair_pool;
mod features;
mod guard;
pub mod handbook;
mod health;
mod html;
mod internal;
mod log_line;
mod messages;
pub mod metrics;
mod negotiation;
mod oauth;
mod openapi;
mod openapi_enums;
mod operator;
pub mod pagination;
mod plan_terms;
mod plan_view;
mod present;
pub mod problem;
pub mod query;
mod rate_limit;
mod rates;
pub mod readiness;
pub mod refusal_log;
mod rejection;
mod request_span;
mod rest;
pub mod router;
mod search;
mod state;

pub use state::Api;

/// Answers that the command line shows or reads, too.
pub mod answers {
    pub use crate::{
        admin::{keys::view::Key, vault::VaultKeys},
        dry_run::DryRun,
        operator::view::{Organization, Plan as PlanDefinition},
        plan_view::Plan,
    };
}
