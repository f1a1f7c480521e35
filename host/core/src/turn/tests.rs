//! The turn with fakes.
