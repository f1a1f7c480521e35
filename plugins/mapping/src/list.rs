//! Functions of lists.

use crate::{
    arithmetic::{self, Raises, describe, raise},
    direct::iterated,
    json, place,
    value::{Val, compare},
};

/// The items of a list or the values of an object.
pub fn children(value: &Val) -> Raises<Vec<&Val>> {
    match value {
        Val::Array(items) => Ok(items.iter().collect()),
        Val::Object(members) => Ok(members.iter().map(|(_, value)| value).collect()),
        other => raise(format!("Cannot iterate over {}", iterated(other))),
    }
}

pub fn add(v: &[Val]) -> Raises<Val> {
    let items = children(&v[0])?;
    // Adding one text after the other would copy the result each time.
    if items.len() > 1 && items.iter().all(|item| matches!(item, Val::Text(_))) {
        return Ok(Val::from(items.iter().filter_map(|item| item.as_text()).map(|text| &**text).collect::<String>()));
    }
    items.into_iter().try_fold(Val::Null, |sum, item| arithmetic::add(sum, item.clone()))
}

pub fn reverse(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Array(items) => Ok(items.iter().rev().cloned().collect()),
        Val::Null => Ok(Val::array(Vec::new())),
        Val::Text(text) if text.is_empty() => Ok(Val::array(Vec::new())),
        Val::Object(members) if members.len() == 0 => Ok(Val::array(Vec::new())),
        Val::Bool(_) => raise(format!("{} has no length", describe(&v[0]))),
        other if other.as_number() == Some(0.0) => Ok(Val::array(Vec::new())),
        other => raise(format!("Cannot index {} with number", other.type_name())),
    }
}

pub fn flatten_to(v: &[Val]) -> Raises<Val> {
    let Some(depth) = v[1].as_number() else { return raise("flatten depth must be a number") };
    if depth < 0.0 {
        return raise("flatten depth must not be negative");
    }
    flatten(&v[0], depth)
}

/// Flattens up to `depth` levels, or all of them when it is negative.
pub fn flatten(value: &Val, depth: f64) -> Raises<Val> {
    fn flatten_into(items: Vec<&Val>, depth: f64, flat: &mut Vec<Val>) {
        for item in items {
            match item {
                Val::Array(inner) if depth != 0.0 => flatten_into(inner.iter().collect(), depth - 1.0, flat),
                item => flat.push(item.clone()),
            }
        }
    }
    let mut flat = Vec::new();
    flatten_into(children(value)?, depth, &mut flat);
    Ok(Val::array(flat))
}

fn items<'v>(value: &'v Val, cannot: &str) -> Raises<&'v [Val]> {
    match value {
        Val::Array(items) => Ok(items),
        other => raise(format!("{} cannot be {cannot}, as it is not an array", describe(other))),
    }
}

/// The items with their keys, sorted by key. Items with equal keys keep their order.
fn sorted<'v>(value: &'v Val, keys: &'v Val, cannot: &str) -> Raises<Vec<(&'v Val, &'v Val)>> {
    let items = items(value, cannot)?;
    let mut sorted: Vec<(&Val, &Val)> = self::items(keys, cannot)?.iter().zip(items).collect();
    sort_stably(&mut sorted);
    Ok(sorted)
}

/// A stable sort. The standard library's sort may panic because `nan` is less than itself.
fn sort_stably(pairs: &mut [(&Val, &Val)]) {
    if pairs.len() < 2 {
        return;
    }
    let middle = pairs.len() / 2;
    sort_stably(&mut pairs[..middle]);
    sort_stably(&mut pairs[middle..]);
    if compare(pairs[middle - 1].0, pairs[middle].0).is_le() {
        return;
    }
    let mut merged = Vec::with_capacity(pairs.len());
    let (mut left, mut right) = (pairs[..middle].iter().peekable(), pairs[middle..].iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a.0, b.0).is_le() { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    pairs.copy_from_slice(&merged);
}

pub fn sort(v: &[Val]) -> Raises<Val> {
    Ok(sorted(&v[0], &v[0], "sorted")?.into_iter().map(|(_, item)| item.clone()).collect())
}

pub fn sort_by(v: &[Val]) -> Raises<Val> {
    Ok(sorted(&v[0], &v[1], "sorted")?.into_iter().map(|(_, item)| item.clone()).collect())
}

fn groups(value: &Val, keys: &Val, cannot: &str) -> Raises<Vec<Vec<Val>>> {
    let mut groups: Vec<Vec<Val>> = Vec::new();
    let mut last: Option<&Val> = None;
    for (key, item) in sorted(value, keys, cannot)? {
        match groups.last_mut() {
            Some(group) if last == Some(key) => group.push(item.clone()),
            _ => groups.push(vec![item.clone()]),
        }
        last = Some(key);
    }
    Ok(groups)
}

pub fn group_by(v: &[Val]) -> Raises<Val> {
    Ok(groups(&v[0], &v[1], "grouped")?.into_iter().map(Val::array).collect())
}

pub fn unique(v: &[Val]) -> Raises<Val> {
    Ok(groups(&v[0], &v[0], "sorted")?.into_iter().filter_map(|group| group.into_iter().next()).collect())
}

pub fn unique_by(v: &[Val]) -> Raises<Val> {
    Ok(groups(&v[0], &v[1], "grouped")?.into_iter().filter_map(|group| group.into_iter().next()).collect())
}

/// The first item whose key is least.
pub fn least(value: &Val, keys: &Val) -> Raises<Val> {
    extreme(value, keys, |order| order.is_lt())
}

/// The last item whose key is greatest.
pub fn greatest(value: &Val, keys: &Val) -> Raises<Val> {
    extreme(value, keys, |order| order.is_ge())
}

fn extreme(value: &Val, keys: &Val, better: fn(std::cmp::Ordering) -> bool) -> Raises<Val> {
    let pairs = items(keys, "iterated over")?.iter().zip(items(value, "iterated over")?);
    let best = pairs.reduce(|best, next| if better(compare(next.0, best.0)) { next } else { best });
    Ok(best.map(|(_, item)| item.clone()).unwrap_or_default())
}

pub fn search(v: &[Val]) -> Raises<Val> {
    let Val::Array(items) = &v[0] else { return raise(format!("{} cannot be searched from", describe(&v[0]))) };
    let (mut low, mut high) = (0, items.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(&items[middle], &v[1]) {
            std::cmp::Ordering::Equal => return Ok(Val::count(middle)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(Val::Num(-1.0 - low as f64))
}

pub fn indices(v: &[Val]) -> Raises<Val> {
    match (&v[0], &v[1]) {
        (Val::Array(items), Val::Array(part)) => Ok(place::places_of(items, part)),
        (Val::Array(items), item) => Ok(place::places_of(items, std::slice::from_ref(item))),
        (Val::Text(text), Val::Text(part)) => Ok(text_indices(text, part)),
        (value, key) => place::get(value, key),
    }
}

/// The positions of a text in another one, in characters. They may overlap.
fn text_indices(text: &str, part: &str) -> Val {
    if part.is_empty() {
        return Val::array(Vec::new());
    }
    let mut places = Vec::new();
    for (place, (at, _)) in text.char_indices().enumerate() {
        if text[at..].starts_with(part) {
            places.push(Val::count(place));
        }
    }
    Val::array(places)
}

pub fn join(v: &[Val]) -> Raises<Val> {
    let mut joined = Val::Null;
    let mut text = String::new();
    for item in children(&v[0])? {
        if matches!(joined, Val::Null) {
            joined = "".into();
        } else {
            match &v[1] {
                Val::Text(separator) => text.push_str(separator),
                Val::Null => {}
                other => return arithmetic::add(Val::from(text), other.clone()),
            }
        }
        match item {
            Val::Null => {}
            Val::Text(item) => text.push_str(item),
            item @ (Val::Bool(_) | Val::Num(_) | Val::Literal(_)) => text.push_str(&json::to_text(item)),
            item => return arithmetic::add(Val::from(text), item.clone()),
        }
    }
    Ok(Val::from(text))
}
