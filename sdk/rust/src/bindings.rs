//! The WIT world in Rust, as `wit-bindgen` makes it from `wit/connector.wit`.

#![allow(
    unsafe_code,
    clippy::allow_attributes,
    unused_qualifications,
    missing_docs,
    reason = "generated: crossing the component boundary is unsafe by nature"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "connector",
    pub_export_macro: true,
    default_bindings_module: "resly_sdk::bindings",
});
