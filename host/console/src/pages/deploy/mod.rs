//! Deploy: keys and snippets for programs (API), and publishable keys for web pages (Widget, Search).

pub mod api;
pub mod key;
mod key_form;
pub mod new_key;
pub mod publishable;
mod shown;
mod snippets;
mod words;
