//! The values of a filter, with jq's order.

use std::{cmp::Ordering, ops::Deref, rc::Rc};

use crate::{map::Map, number};

/// A JSON value. Texts borrow from the input and the filter, which live as long as the instance.
#[derive(Clone, Debug, Default)]
pub enum Val {
    #[default]
    Null,
    Bool(bool),
    /// A computed number, or an integer that a double can hold.
    Num(f64),
    /// A number as it was written, with all its digits. It becomes a double in a computation.
    Literal(Text),
    Text(Text),
    Array(Rc<Vec<Val>>),
    Object(Rc<Map>),
}

/// A string, borrowed or shared.
#[derive(Clone, Debug)]
pub enum Text {
    Borrowed(&'static str),
    Shared(Rc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl<T: Into<Text>> From<T> for Val {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl From<Map> for Val {
    fn from(map: Map) -> Self {
        Self::Object(Rc::new(map))
    }
}

impl FromIterator<Val> for Val {
    fn from_iter<I: IntoIterator<Item = Val>>(items: I) -> Self {
        Self::array(items.into_iter().collect())
    }
}

impl Val {
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(items))
    }

    pub fn count(count: usize) -> Self {
        Self::Num(count as f64)
    }

    pub fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    /// The value as a double, when it is a number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Num(number) => Some(*number),
            Self::Literal(text) => Some(number::parse(text)),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Num(_) | Self::Literal(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether this is the same value in memory. jq decides by this whether a path still leads to a value.
    pub fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Num(a), Self::Num(b)) => a.to_bits() == b.to_bits(),
            (Self::Literal(a), Self::Literal(b)) | (Self::Text(a), Self::Text(b)) => std::ptr::eq(&**a, &**b),
            (Self::Array(a), Self::Array(b)) => Rc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(false) => 1,
            Self::Bool(true) => 2,
            Self::Num(_) | Self::Literal(_) => 3,
            Self::Text(_) => 4,
            Self::Array(_) => 5,
            Self::Object(_) => 6,
        }
    }
}

/// jq's order of all values. `nan` is less than every number, including itself, so it equals nothing.
pub fn compare(a: &Val, b: &Val) -> Ordering {
    match (a, b) {
        (Val::Num(a), Val::Num(b)) => number::compare_doubles(*a, *b),
        (Val::Num(_) | Val::Literal(_), Val::Num(_) | Val::Literal(_)) => number::compare(a, b),
        (Val::Text(a), Val::Text(b)) => (**a).cmp(&**b),
        (Val::Array(a), Val::Array(b)) => {
            let unequal = a.iter().zip(b.iter()).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Val::Object(a), Val::Object(b)) => compare_objects(a, b),
        _ => a.rank().cmp(&b.rank()),
    }
}

/// Compares first the sorted names, then the values in their order.
fn compare_objects(a: &Map, b: &Map) -> Ordering {
    let (a_names, b_names) = (a.sorted_names(), b.sorted_names());
    let names = a_names.iter().map(|name| &***name).cmp(b_names.iter().map(|name| &***name));
    if names.is_ne() {
        return names;
    }
    for name in a_names {
        let order = compare(a.get(name).unwrap_or(&Val::Null), b.get(name).unwrap_or(&Val::Null));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| value == other))
            }
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a == b),
            _ => compare(self, other).is_eq(),
        }
    }
}
