//! The members of an object, in the order in which they were added.

use std::{
    hash::{BuildHasherDefault, Hasher},
    slice,
};

use indexmap::IndexMap;

use crate::value::{Text, Val};

/// Up to this many members are searched one by one, which is faster than hashing. Most objects are small.
const FEW: usize = 12;

/// The members of an object.
#[derive(Clone, Debug)]
pub enum Map {
    Few(Vec<(Text, Val)>),
    Many(IndexMap<Text, Val, BuildHasherDefault<Fnv>>),
}

/// FNV-1a. An instance lives for one call on bounded fuel, so collisions only cost the caller who makes them.
#[derive(Default)]
pub struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// The members in their order.
pub enum Iter<'m> {
    Few(slice::Iter<'m, (Text, Val)>),
    Many(indexmap::map::Iter<'m, Text, Val>),
}

impl<'m> Iterator for Iter<'m> {
    type Item = (&'m Text, &'m Val);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(members) => members.next().map(|(name, value)| (name, value)),
            Self::Many(members) => members.next(),
        }
    }
}

impl Map {
    pub fn with_capacity(count: usize) -> Self {
        if count <= FEW {
            Self::Few(Vec::with_capacity(count))
        } else {
            Self::Many(IndexMap::with_capacity_and_hasher(count, BuildHasherDefault::default()))
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Few(members) => members.len(),
            Self::Many(members) => members.len(),
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        match self {
            Self::Few(members) => Iter::Few(members.iter()),
            Self::Many(members) => Iter::Many(members.iter()),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Val> {
        match self {
            Self::Few(members) => members.iter().find(|(other, _)| **other == *name).map(|(_, value)| value),
            Self::Many(members) => members.get(&Name(name)),
        }
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Val> {
        match self {
            Self::Few(members) => members.iter_mut().find(|(other, _)| **other == *name).map(|(_, value)| value),
            Self::Many(members) => members.get_mut(&Name(name)),
        }
    }

    /// The member at a position.
    pub fn at(&self, place: usize) -> Option<(&Text, &Val)> {
        match self {
            Self::Few(members) => members.get(place).map(|(name, value)| (name, value)),
            Self::Many(members) => members.get_index(place),
        }
    }

    /// Sets a member. An existing one keeps its position.
    pub fn insert(&mut self, name: Text, value: Val) {
        match self {
            Self::Few(members) => match members.iter().position(|(other, _)| *other == name) {
                Some(place) => members[place].1 = value,
                None if members.len() < FEW => members.push((name, value)),
                None => {
                    let mut many: IndexMap<_, _, _> = std::mem::take(members).into_iter().collect();
                    many.insert(name, value);
                    *self = Self::Many(many);
                }
            },
            Self::Many(members) => {
                members.insert(name, value);
            }
        }
    }

    /// Removes a member. The others keep their order.
    pub fn remove(&mut self, name: &str) {
        match self {
            Self::Few(members) => members.retain(|(other, _)| **other != *name),
            Self::Many(members) => {
                members.shift_remove(&Name(name));
            }
        }
    }

    pub fn sorted_names(&self) -> Vec<&Text> {
        let mut names: Vec<&Text> = self.iter().map(|(name, _)| name).collect();
        names.sort_unstable_by_key(|name| &***name);
        names
    }
}

/// A name to search for, hashed like a [`Text`].
#[derive(Hash)]
struct Name<'n>(&'n str);

impl indexmap::Equivalent<Text> for Name<'_> {
    fn equivalent(&self, text: &Text) -> bool {
        *self.0 == **text
    }
}
