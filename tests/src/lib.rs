//! What the end-to-end suites and the benchmarks share: a scripted language model, a scripted service, and the app.

pub mod app;
pub mod guest;
pub mod model;
pub mod service;
