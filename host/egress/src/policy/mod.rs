//! Decides what may be reached, from one parsed URL, before and while anything is dialled.

pub mod allow;
mod authority;
pub mod grant;
pub mod guard;
pub mod resolve;
pub mod route;
pub mod target;
