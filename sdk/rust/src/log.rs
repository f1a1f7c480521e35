//! Lines for the call's log, which an admin reads. The host bounds and redacts them.

use crate::bindings::resly::connector::log as wit;
pub use crate::bindings::resly::connector::log::Level;

pub fn debug(message: &str) {
    wit::emit(Level::Debug, message);
}

pub fn info(message: &str) {
    wit::emit(Level::Info, message);
}

pub fn warn(message: &str) {
    wit::emit(Level::Warn, message);
}

pub fn error(message: &str) {
    wit::emit(Level::Error, message);
}
