//! `log`: writes lines to the call's log.

use resly_core::connector::sandbox::LogLevel;
use wasmtime::{
    StoreContextMut,
    component::{LinkerInstance, WasmStr},
};

use crate::{bindings::connector::resly::connector::log::Level, guest::Guest, store::charge};

pub fn link(log: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    log.func_wrap("emit", emit)
}

/// The message is read from the guest only if the log has room, so a flood of lines costs the host nothing.
fn emit(mut store: StoreContextMut<'_, Guest>, (level, message): (Level, WasmStr)) -> wasmtime::Result<()> {
    if !store.data().log.has_room() {
        return charge(&mut store, 0);
    }
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    let text = message.to_str(&store)?;
    let bytes = text.len();
    store.data().log.line(level, &text);
    drop(text);
    charge(&mut store, bytes)
}
