//! Reads and writes values by keys and paths.

use std::rc::Rc;

use crate::{
    arithmetic::{Raises, describe, raise},
    map::Map,
    value::{Text, Val, compare},
};

/// The most items that a list may get by setting one of them.
const LONGEST: f64 = 536_870_912.0;

fn cannot_index<T>(value: &Val, key: &Val) -> Raises<T> {
    match key {
        Val::Object(_) => raise(format!("Cannot index {} with object", value.type_name())),
        key => raise(format!("Cannot index {} with {}", value.type_name(), describe(key))),
    }
}

/// `value[key]`. The key may also be a slice in the form of a path.
pub fn get(value: &Val, key: &Val) -> Raises<Val> {
    match (value, key) {
        (Val::Object(members), Val::Text(name)) => Ok(members.get(name).cloned().unwrap_or_default()),
        (Val::Array(items), Val::Num(_) | Val::Literal(_)) => Ok(item(items, key).cloned().unwrap_or_default()),
        (Val::Null, Val::Text(_) | Val::Num(_) | Val::Literal(_) | Val::Null) => Ok(Val::Null),
        (_, Val::Object(bounds)) => match (value, bounds.get("start"), bounds.get("end")) {
            (Val::Null | Val::Array(_) | Val::Text(_), Some(from), Some(to)) => slice(value, from, to),
            (Val::Null | Val::Array(_) | Val::Text(_), ..) => raise("Array/string slice indices must be integers"),
            _ => cannot_index(value, key),
        },
        (Val::Array(items), Val::Array(part)) => Ok(places_of(items, part)),
        _ => cannot_index(value, key),
    }
}

fn item<'v>(items: &'v [Val], key: &Val) -> Option<&'v Val> {
    let place = key.as_number()?.floor();
    let place = if place < 0.0 { place + items.len() as f64 } else { place };
    if place >= 0.0 && place < items.len() as f64 { items.get(place as usize) } else { None }
}

/// The positions of a list within another one.
pub fn places_of(items: &[Val], part: &[Val]) -> Val {
    if part.is_empty() {
        return Val::Null;
    }
    let places = items.windows(part.len()).enumerate().filter(|(_, window)| *window == part);
    places.map(|(place, _)| Val::count(place)).collect()
}

/// The bounds of a slice of a value with this length: within it, and in order.
fn bounds(length: usize, from: &Val, to: &Val) -> Raises<(usize, usize)> {
    let number = |bound: &Val, otherwise: f64| match bound {
        Val::Null => Ok(otherwise),
        bound => bound.as_number().map_or_else(|| raise("Start and end indices of an array slice must be numbers"), Ok),
    };
    let length = length as f64;
    let place = |bound: f64| (if bound < 0.0 { bound + length } else { bound }).clamp(0.0, length);
    // From the item that contains the start to the end of the item that contains the end.
    let from = place(number(from, 0.0)?).floor();
    let to = place(number(to, length)?).ceil();
    let (from, to) = (if from.is_nan() { 0.0 } else { from }, if to.is_nan() { length } else { to });
    Ok((from as usize, to.max(from) as usize))
}

pub fn slice(value: &Val, from: &Val, to: &Val) -> Raises<Val> {
    match value {
        Val::Null => bounds(0, from, to).map(|_| Val::Null),
        Val::Array(items) => {
            let (from, to) = bounds(items.len(), from, to)?;
            Ok(Val::array(items[from..to].to_vec()))
        }
        Val::Text(text) => slice_text(text, from, to),
        _ => raise(format!("Cannot index {} with object", value.type_name())),
    }
}

/// The bounds of a slice of a text count characters.
fn slice_text(text: &Text, from: &Val, to: &Val) -> Raises<Val> {
    let length = if text.is_ascii() { text.len() } else { text.chars().count() };
    let (from, to) = bounds(length, from, to)?;
    if length == text.len() {
        return Ok(Val::from(text[from..to].to_owned()));
    }
    Ok(Val::from(text.chars().skip(from).take(to - from).collect::<String>()))
}

/// The key of a slice, as in a path.
pub fn slice_key(from: Val, to: Val) -> Val {
    let mut key = Map::default();
    key.insert("start".into(), from);
    key.insert("end".into(), to);
    key.into()
}

pub fn get_path(value: &Val, path: &[Val]) -> Raises<Val> {
    let mut value = value.clone();
    for key in path {
        value = get(&value, key)?;
    }
    Ok(value)
}

/// Replaces the value at a path by the filter's output for it.
pub fn update_path(value: Val, path: &[Val], update: &mut dyn FnMut(Val) -> Raises<Val>) -> Raises<Val> {
    let Some((key, rest)) = path.split_first() else { return update(value) };
    let mut within = |old: Val| update_path(old, rest, &mut *update);
    match (value, key) {
        (Val::Object(mut members), Val::Text(name)) => {
            let members_mut = Rc::make_mut(&mut members);
            let old = members_mut.get_mut(name).map(std::mem::take);
            let new = within(old.unwrap_or_default())?;
            members_mut.insert(name.clone(), new);
            Ok(Val::Object(members))
        }
        (Val::Null, Val::Text(name)) => {
            let mut members = Map::default();
            members.insert(name.clone(), within(Val::Null)?);
            Ok(members.into())
        }
        (value @ (Val::Array(_) | Val::Null), Val::Num(_) | Val::Literal(_)) => update_item(value, key, &mut within),
        (value @ (Val::Array(_) | Val::Null), Val::Object(range)) => {
            let (from, to) = (range.get("start").cloned(), range.get("end").cloned());
            let (Some(from), Some(to)) = (from, to) else {
                return raise("Array/string slice indices must be integers");
            };
            update_slice(value, &from, &to, &mut within)
        }
        (Val::Text(_), Val::Object(_)) => raise("Cannot update string slices"),
        (Val::Array(_), Val::Array(_)) => raise("Cannot update field at array index of array"),
        (value, key) => cannot_index(&value, key),
    }
}

fn update_item(value: Val, key: &Val, update: &mut dyn FnMut(Val) -> Raises<Val>) -> Raises<Val> {
    let mut items = match value {
        Val::Array(items) => items,
        _ => Rc::new(Vec::new()),
    };
    let place = key.as_number().unwrap_or_default();
    let place = if place.is_nan() { 0.0 } else { place.trunc() };
    let place = if place < 0.0 { place + items.len() as f64 } else { place };
    if place < 0.0 {
        // An error of the filter comes first.
        update(Val::Null)?;
        return raise("Out of bounds negative array index");
    }
    if place > LONGEST {
        update(Val::Null)?;
        return raise("Array index too large");
    }
    let place = place as usize;
    let list = Rc::make_mut(&mut items);
    let old = list.get_mut(place).map(std::mem::take);
    let new = update(old.unwrap_or_default())?;
    if place >= list.len() {
        list.resize(place + 1, Val::Null);
    }
    list[place] = new;
    Ok(Val::Array(items))
}

fn update_slice(value: Val, from: &Val, to: &Val, update: &mut dyn FnMut(Val) -> Raises<Val>) -> Raises<Val> {
    let old = slice(&value, from, to)?;
    let Val::Array(new) = update(old)? else {
        return raise("A slice of an array can only be assigned another array");
    };
    let mut items = match value {
        Val::Array(items) => items,
        _ => Rc::new(Vec::new()),
    };
    let (from, to) = bounds(items.len(), from, to)?;
    Rc::make_mut(&mut items).splice(from..to, new.iter().cloned());
    Ok(Val::Array(items))
}

pub fn set_path(value: Val, path: &[Val], new: &Val) -> Raises<Val> {
    update_path(value, path, &mut |_| Ok(new.clone()))
}

/// Deletes several paths, the last one first, so that no deletion changes the meaning of another path.
pub fn delete_paths(value: Val, paths: &[Val]) -> Raises<Val> {
    let mut paths: Vec<&Val> = paths.iter().collect();
    paths.sort_by(|a, b| compare(b, a));
    let mut value = value;
    for path in paths {
        let Val::Array(path) = path else { return raise("Path must be specified as an array") };
        if path.is_empty() {
            return Ok(Val::Null);
        }
        value = delete_path(value, path)?;
    }
    Ok(value)
}

fn delete_path(value: Val, path: &[Val]) -> Raises<Val> {
    let Some((key, rest)) = path.split_first() else { return Ok(Val::Null) };
    if matches!(value, Val::Null) {
        return Ok(Val::Null);
    }
    if rest.is_empty() {
        return delete_key(value, key);
    }
    if matches!(get(&value, key)?, Val::Null) {
        return Ok(value);
    }
    update_path(value, std::slice::from_ref(key), &mut |inner| delete_path(inner, rest))
}

fn delete_key(value: Val, key: &Val) -> Raises<Val> {
    match (value, key) {
        (Val::Object(mut members), Val::Text(name)) => {
            Rc::make_mut(&mut members).remove(name);
            Ok(Val::Object(members))
        }
        (Val::Array(mut items), Val::Num(_) | Val::Literal(_)) => {
            let place = key.as_number().unwrap_or_default().floor();
            let place = if place < 0.0 { place + items.len() as f64 } else { place };
            if place >= 0.0 && place < items.len() as f64 {
                Rc::make_mut(&mut items).remove(place as usize);
            }
            Ok(Val::Array(items))
        }
        (Val::Array(mut items), Val::Object(range)) => {
            let (Some(from), Some(to)) = (range.get("start"), range.get("end")) else {
                return raise("Array/string slice indices must be integers");
            };
            let (from, to) = bounds(items.len(), from, to)?;
            Rc::make_mut(&mut items).drain(from..to);
            Ok(Val::Array(items))
        }
        (Val::Object(_), key) => raise(format!("Cannot delete field at object index of {}", key.type_name())),
        (Val::Array(_), key) => raise(format!("Cannot delete field at array index of {}", key.type_name())),
        (value, key) => raise(format!("Cannot delete field at {} index of {}", key.type_name(), value.type_name())),
    }
}
