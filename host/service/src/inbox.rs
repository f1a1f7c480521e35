//! The inbox: conversations that people answer, and tickets.

pub mod canned_replies;
pub mod conversations;
pub mod handling;
pub mod search;
pub mod tickets;
