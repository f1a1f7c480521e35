//! The inbox: conversations that people answer, and tickets.

pub mod conversations;
pub mod tickets;
