//! The bundled `mapper` component: jq by jaq, without host effects. It exports what a connector imports, and the host
//! runs it in an instance of its own on the caller's fuel.

// The SDK's own; depending on the SDK would make a connector of this component.
#[cfg(target_arch = "wasm32")]
#[path = "../../../sdk/rust/src/heap.rs"]
mod heap;
pub mod jq;
mod prelude;
mod read;
mod write;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

#[cfg(target_arch = "wasm32")]
mod component {
    #![expect(unsafe_code, reason = "generated: crossing the component boundary is unsafe by nature")]

    wit_bindgen::generate!({ path: "../../wit", world: "mapper" });

    struct Mapper;

    impl exports::resly::connector::mapping::Guest for Mapper {
        fn apply(filter: String, input: String) -> Result<String, exports::resly::connector::mapping::Failure> {
            crate::jq::apply(&filter, input).map_err(|failure| exports::resly::connector::mapping::Failure {
                message: failure.message,
                offset: failure.offset.and_then(|offset| u32::try_from(offset).ok()),
            })
        }
    }

    export!(Mapper);
}

#[cfg(test)]
mod tests;
