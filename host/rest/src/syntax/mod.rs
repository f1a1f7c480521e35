//! Reads the texts of a query into trees of names and operators, without regard to tables.

pub mod filter;
pub mod order;
pub mod path;
pub mod select;
