//! The inbox: conversations that people read and answer, and tickets.

mod bulk;
pub mod canned_replies;
pub mod conversation;
pub mod conversations;
mod filters;
pub mod handling;
mod people;
mod side;
pub mod ticket;
pub mod tickets;
mod transcript;
pub mod words;
