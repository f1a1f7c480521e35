//! The SDK for Resly connectors in Rust. Implement [`Connector`], pass the type to [`export!`], and compile for
//! `wasm32-wasip2`. `README.md` beside this crate has a template.
//!
//! A connector has no network, files, environment or secrets of its own. It calls services with [`http`], transforms
//! JSON with [`mapping`], writes log lines with [`log`] and stores small values with [`state`]. The host adds
//! credentials to a request after it has left the connector.

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

/// A connector. The type needs no value; the action's id in the manifest tells its actions apart.
pub trait Connector {
    /// Runs one action and returns its output, which has to satisfy the action's output schema.
    fn invoke(call: &Call) -> Result<serde_json::Value>;

    /// The same, as JSON text. Implement it when the output is text already, which avoids parsing it.
    fn invoke_text(call: &Call) -> Result<String> {
        Self::invoke(call).map(|output| output.to_string())
    }
}

/// Exports a type that implements [`Connector`] as the component's `action` interface.
///
/// On other targets it exports nothing, so a connector's logic can be tested natively.
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

/// Called by [`export!`]: takes JSON texts and returns JSON text.
#[doc(hidden)]
pub fn dispatch<C: Connector>(
    call: bindings::exports::resly::connector::action::Call,
) -> core::result::Result<String, bindings::exports::resly::connector::action::Fault> {
    Call::new(call).and_then(|call| C::invoke_text(&call)).map_err(Fault::into_wit)
}
