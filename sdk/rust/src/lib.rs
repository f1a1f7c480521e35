//! What a Resly connector written in Rust depends on: implement [`Connector`], name it in [`export!`], compile for
//! `wasm32-wasip2`. `README.md` beside this crate has a template.
//!
//! A connector has no network, files, environment or secrets of its own. It reaches services through [`http`], shapes
//! JSON with [`mapping`], writes lines with [`log`] and remembers a little with [`state`]; the host adds credentials
//! after a request has left it.

pub mod bindings;
mod call;
mod charset;
mod fault;
#[cfg(all(feature = "heap", target_arch = "wasm32"))]
mod heap;
pub mod http;
pub mod log;
pub mod mapping;
pub mod state;

pub use call::{Call, Connection};
pub use charset::Decoded;
pub use fault::{Fault, FaultKind, Result};
pub use serde;
pub use serde_json;

#[cfg(all(feature = "heap", target_arch = "wasm32"))]
#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

/// A connector: one value-free type, whose actions are told apart by their id in the manifest.
pub trait Connector {
    /// Runs one action and returns its output, which has to satisfy the action's output schema.
    fn invoke(call: &Call) -> Result<serde_json::Value>;

    /// The same, as JSON text. A connector that has its output as text already spares itself parsing it.
    fn invoke_text(call: &Call) -> Result<String> {
        Self::invoke(call).map(|output| output.to_string())
    }
}

/// Exports a type that implements [`Connector`] as the component's `action` interface.
///
/// Off WebAssembly it exports nothing, so that a connector's own logic can be unit-tested natively.
#[macro_export]
macro_rules! export {
    ($connector:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::bindings::exports::resly::connector::action::Guest for Exported {
                fn invoke(
                    call: $crate::bindings::exports::resly::connector::action::Call,
                ) -> ::core::result::Result<
                    ::std::string::String,
                    $crate::bindings::exports::resly::connector::action::Fault,
                > {
                    $crate::dispatch::<$connector>(call)
                }
            }

    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// What [`export!`] calls: JSON texts in, JSON text out.
#[doc(hidden)]
pub fn dispatch<C: Connector>(
    call: bindings::exports::resly::connector::action::Call,
) -> core::result::Result<String, bindings::exports::resly::connector::action::Fault> {
    Call::new(call).and_then(|call| C::invoke_text(&call)).map_err(Fault::into_wit)
}
