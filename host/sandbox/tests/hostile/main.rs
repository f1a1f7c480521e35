//! Guests that mean harm, and what becomes of them: each dies as a typed fault, and nothing else dies with it.

mod cache;
mod calls;
mod child;
mod guest;
mod neighbours;
mod resources;
mod rig;
mod wasi;
