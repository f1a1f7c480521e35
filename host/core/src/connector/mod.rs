//! Connectors: how an organization installs one ([`connection`]), how one action is called, from policy to log
//! ([`call`]), what runs its code ([`sandbox`]), and what an admin can try beforehand ([`trial`]).

pub mod account;
pub mod approval;
pub mod available;
pub mod call;
pub mod connection;
pub mod failure_reason;
pub mod fault;
pub mod fixture;
pub mod fuel;
pub mod health;
pub mod last_output;
pub mod outbound;
mod output_cache;
pub mod remedy;
pub mod sandbox;
pub mod schema_check;
mod syntax_check;
pub mod tool_error;
pub mod trial;
