//! Search in an organization's knowledge: by words in every language.

pub mod analysis;
mod terms;
pub mod words;
