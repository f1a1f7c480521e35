//! `/console/logs`: the calls of connectors, and the story of each.

mod call;
mod filters;
mod list;
mod words;

pub use self::{call::page as call, list::page as list};
