//! What wasmtime generates from `wit/connector.wit`.

/// The world of connectors.
pub mod connector {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "connector",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// The world of the jq component.
pub mod mapper {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mapper",
        exports: { default: async },
    });
}
