//! `/api/admin`: everything the console needs. The console has no private API.

pub mod actions;
pub mod alerts;
pub mod approvals;
pub mod connections;
pub mod connectors;
pub mod conversations;
pub mod crawls;
pub mod definitions;
pub mod deletions;
pub mod health;
pub mod keys;
pub mod logs;
pub mod oauth;
pub mod plan;
pub mod publishers;
pub mod sources;
pub mod synonyms;
pub mod tickets;
pub mod trials;
pub mod usage;
pub mod usage_history;
pub mod vault;
pub mod versions;
pub mod visitors;
pub mod webhook;
pub mod workflows;
