//! The interfaces of `wit/connector.wit` that a connector imports, one file each. `versions` links them.

pub mod http;
pub mod log;
pub mod mapping;
pub mod state;
