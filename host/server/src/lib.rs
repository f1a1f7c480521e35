//! The binary `resly`: configuration, command line, jobs and the composition root.
//!
//! Start at [`compose`] for what a host is made of and at `resly_http::router` for what it answers.

pub mod author;
pub mod cli;
pub mod compose;
pub mod config;
pub mod demo;
pub mod jobs;
pub mod logging;
pub mod new_key;
pub mod secrets;
pub mod serve;
pub mod vault;
