//! The interfaces of `wit/connector.wit` that a connector imports, one file each.

mod http;
mod log;
mod mapping;
mod state;

use wasmtime::component::Linker;

use crate::guest::Guest;

/// Links all four.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    http::add_to_linker(linker)?;
    mapping::add_to_linker(linker)?;
    log::add_to_linker(linker)?;
    state::add_to_linker(linker)
}
