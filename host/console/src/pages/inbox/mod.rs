//! The inbox: conversations that people read and answer, and tickets.

pub mod conversation;
pub mod conversations;
mod people;
pub mod ticket;
pub mod tickets;
mod transcript;
