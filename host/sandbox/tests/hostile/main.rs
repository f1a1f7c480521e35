//! Guests that mean harm, and what becomes of them: each dies as a typed fault, and nothing else dies with it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

mod cache;
mod calls;
mod child;
mod fuel;
mod guest;
mod harness;
mod neighbours;
mod resources;
mod wasi;
