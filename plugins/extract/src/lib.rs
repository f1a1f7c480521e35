//! The bundled `extractor` component: foreign documents in, Markdown out, without effects on the host. The host runs it in
//! an instance of its own for each document, so a document that breaks a parser ends that instance and nothing else.

mod charset;
mod document;
mod docx;
mod format;
mod html;
mod pdf;
mod pipe_table;
pub mod robots;
pub mod sitemap;
mod table;
mod text;
mod titles;
mod urls;
mod xml;

pub use document::{Document, Extracted, Failure, FailureKind};
pub use format::extract;

#[cfg(target_arch = "wasm32")]
mod component;
