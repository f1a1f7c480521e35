//! Connectors: what they ask for ([`manifest`]), what runs them ([`sandbox`]), how an organization installs one
//! ([`connection`]), one call from policy to log ([`call`]), and what an
//! admin tries beforehand ([`trial`]).

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
