//! Decides what may be reached, from one parsed URL, before and while anything is dialled.

mod authority;
pub mod exempt;
pub mod grant;
pub mod guard;
pub mod resolve;
pub mod route;
pub mod target;
