//! Search in an organization's knowledge.

pub mod analysis;
