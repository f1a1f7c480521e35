//! One chat turn: the pipeline from an accepted question to a stored answer, and the port that keeps it.

pub mod store;
