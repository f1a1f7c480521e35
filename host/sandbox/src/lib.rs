//! Runs connectors: WebAssembly components in wasmtime, each call in a fresh instance, bounded in everything.
//!
//! A call goes through these modules: `registry` (the loaded connector, from memory, disk or the compiler) → `slots` (a
//! place for its instance) → `executor` (a guest thread, in its organization's turn) → `call` (a new store, the guest,
//! its answer).
//! `extractor` reads foreign documents in the same way, in the bundled guest `plugins/extract`.
//! `host` has what a guest may do, one file for each interface of `wit/connector.wit`. `wasi` has no access to anything. The
//! bounds are in `limits` and `engine`.

pub mod bench;
mod bindings;
mod cache;
mod call;
mod compile;
mod compiler;
mod config;
mod deadline;
mod engine;
mod error;
mod executor;
mod extractor;
mod fault;
mod fuel;
mod guest;
mod host;
mod limits;
mod loader;
mod log;
mod manifest;
mod mapper;
mod native_code;
mod precheck;
mod registry;
mod sandbox;
mod slots;
mod store;
mod versions;
mod wasi;

pub use compile::compile_main;
pub use config::{CompileBudget, Compiler, SandboxConfig};
pub use error::{ComponentError, ManifestError, SandboxError};
pub use extractor::{ExtractBounds, WasmExtractor};
pub use manifest::{read_manifest, read_signature};
pub use precheck::{Prechecked, precheck};
pub use sandbox::{Prepared, Stats, WasmSandbox};
pub use versions::{WIT_VERSIONS, WitVersion};
