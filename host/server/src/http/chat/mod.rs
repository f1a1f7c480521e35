//! `/api/chat`: ask, follow, cancel, confirm.

pub mod approvals;
mod citations;
pub mod follow;
mod format;
pub mod parse;
pub mod post;
mod text;
mod ui;
mod whole;

pub use whole::object;
