//! Loads machine code from bytes. It is the only place that does.

use wasmtime::{Engine, component::Component};

/// Machine code that this host made: its compiler just returned it, or its MAC was correct.
pub struct PrecompiledComponent {
    bytes: Vec<u8>,
}

impl PrecompiledComponent {
    /// `bytes` must be the output of `Engine::precompile_component` of this build. On their way here, nobody else may have been
    /// able to change them unnoticed.
    pub(crate) fn vouched_for(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Loads machine code. wasmtime itself only checks that it was made for this engine.
pub fn component(engine: &Engine, precompiled: &PrecompiledComponent) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "machine code has to be trusted; only `vouched_for` makes this type, of what this host made"
    )]
    // SAFETY: the bytes are unmodified output of `Engine::precompile_component`, see
    // `PrecompiledComponent::vouched_for`. They are the bytes in memory that were vouched for, not a file that may have
    // changed since.
    unsafe {
        Component::deserialize(engine, &precompiled.bytes)
    }
}
