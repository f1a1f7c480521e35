//! The bundled `mapper` component: jq without effects on the host. It exports the interface that connectors import. The
//! host runs it in an instance of its own, on the caller's fuel.

mod arithmetic;
mod call;
mod code;
mod direct;
mod environment;
mod formats;
mod frame;
#[cfg(target_arch = "wasm32")]
// The SDK's file, included directly: depending on the SDK would make this component a connector.
#[path = "../../../sdk/rust/src/heap.rs"]
mod heap;
pub mod jq;
mod json;
mod lex;
mod list;
mod machine;
mod map;
mod matching;
mod math;
mod natives;
mod number;
mod object;
mod parse;
mod pattern;
mod place;
mod read;
mod regex;
mod scope;
mod standard;
mod text;
mod time;
mod track;
mod value;
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
mod differential;
#[cfg(test)]
mod tests;
