//! Connectors: how an organization installs one ([`connection`]), how one action is called, from policy to log
//! ([`call`]), what runs its code ([`sandbox`]), and what an admin can try beforehand ([`trial`]).

pub mod account;
pub mod approval;
pub mod available;
pub mod call;
pub mod connection;
pub mod fault;
pub mod fixture;
pub mod fuel;
pub mod health;
pub mod outbound;
pub mod reason;
mod recent;
pub mod remedy;
pub mod sample;
pub mod sandbox;
pub mod schema_check;
pub mod tool_error;
pub mod trial;
