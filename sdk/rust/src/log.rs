//! Writes lines to the call's log, which admins read. The host bounds and redacts them.
//!
//! [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and [`error!`](crate::error) take what
//! `format!` takes.

use crate::bindings::resly::connector::log as wit;
pub use crate::bindings::resly::connector::log::Level;

pub fn emit(level: Level, message: &str) {
    wit::emit(level, message);
}

pub fn debug(message: &str) {
    emit(Level::Debug, message);
}

pub fn info(message: &str) {
    emit(Level::Info, message);
}

pub fn warn(message: &str) {
    emit(Level::Warn, message);
}

pub fn error(message: &str) {
    emit(Level::Error, message);
}

/// Logs details for finding a mistake.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::debug(&::std::format!($($message)*)) };
}

/// Logs what happened.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::info(&::std::format!($($message)*)) };
}

/// Logs what may be wrong.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::warn(&::std::format!($($message)*)) };
}

/// Logs what is wrong.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::error(&::std::format!($($message)*)) };
}
