//! The one place that makes machine code out of bytes.

use wasmtime::{Engine, component::Component};

/// Machine code that this host made: either it comes from this host's compiler just now, or its MAC was right.
pub struct PrecompiledComponent {
    bytes: Vec<u8>,
}

impl PrecompiledComponent {
    /// `bytes` must come out of `Engine::precompile_component` of this build, by way of nothing that others can write
    /// to unnoticed.
    pub(crate) fn vouched_for(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Loads machine code. What wasmtime itself checks here is that it was made for this engine.
pub fn component(engine: &Engine, precompiled: &PrecompiledComponent) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "an artefact is machine code; only `vouched_for` makes one, for what this host made"
    )]
    // SAFETY: the bytes are unmodified output of `Engine::precompile_component`, see `PrecompiledComponent::vouched_for`. They are
    // the bytes in memory that were vouched for, not a file that may have changed since.
    unsafe {
        Component::deserialize(engine, &precompiled.bytes)
    }
}
