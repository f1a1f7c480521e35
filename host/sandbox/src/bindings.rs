//! What wasmtime generates from `wit/connector.wit` and `wit/documents`.

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

/// The world of the guest that reads foreign documents.
pub mod extractor {
    wasmtime::component::bindgen!({
        path: "../../wit/documents",
        world: "extractor",
        // A document's bytes aren't copied once more before they are copied into the guest.
        ownership: Borrowing { duplicate_if_necessary: false },
        exports: { default: async },
    });
}
