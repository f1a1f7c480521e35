//! `/rest/v1`: the organization's tables in PostgREST's dialect.

pub mod errors;
mod headers;
pub mod root;
pub mod rows;
