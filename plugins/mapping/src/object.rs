//! Functions of objects, and of lists that are used like objects.

use crate::{
    arithmetic::{Raises, describe, raise},
    direct::{iterated, name},
    list,
    map::Map,
    place,
    value::Val,
};

pub fn keys(value: &Val, sorted: bool) -> Raises<Val> {
    match value {
        Val::Object(members) if sorted => Ok(members.sorted_names().into_iter().cloned().map(Val::Text).collect()),
        Val::Object(members) => Ok(members.iter().map(|(name, _)| Val::Text(name.clone())).collect()),
        Val::Array(items) => Ok((0..items.len()).map(Val::count).collect()),
        other => raise(format!("{} has no keys", describe(other))),
    }
}

pub fn has(v: &[Val]) -> Raises<Val> {
    match (&v[0], &v[1]) {
        (Val::Object(members), Val::Text(name)) => Ok(Val::Bool(members.get(name).is_some())),
        (Val::Array(items), key @ (Val::Num(_) | Val::Literal(_))) => {
            let place = key.as_number().unwrap_or(-1.0);
            Ok(Val::Bool(place >= 0.0 && place < items.len() as f64))
        }
        (Val::Null, Val::Text(_) | Val::Num(_) | Val::Literal(_)) => Ok(Val::Bool(false)),
        (value, key) => raise(format!("Cannot check whether {} has a {} key", value.type_name(), key.type_name())),
    }
}

pub fn contains(v: &[Val]) -> Raises<Val> {
    is_part(&v[0], &v[1]).map(Val::Bool)
}

fn is_part(all: &Val, part: &Val) -> Raises<bool> {
    match (all, part) {
        (Val::Object(all), Val::Object(part)) => {
            for (name, part) in part.iter() {
                let found = match all.get(name) {
                    Some(value) => is_part(value, part)?,
                    None => false,
                };
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Array(all), Val::Array(part)) => {
            for part in part.iter() {
                let mut found = false;
                for item in all.iter() {
                    // Within a list, items of other types are no error.
                    if item.type_name() == part.type_name() && is_part(item, part)? {
                        found = true;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Text(all), Val::Text(part)) => Ok(all.contains(&**part)),
        (all, part) if all.type_name() == part.type_name() => Ok(all == part),
        (all, part) => raise(format!("{} and {} cannot have their containment checked", describe(all), describe(part))),
    }
}

pub fn to_entries(v: &[Val]) -> Raises<Val> {
    let Val::Array(names) = keys(&v[0], false)? else { return Ok(Val::Null) };
    names
        .iter()
        .map(|key| {
            let mut entry = Map::with_capacity(2);
            entry.insert("key".into(), key.clone());
            entry.insert("value".into(), place::get(&v[0], key)?);
            Ok(entry.into())
        })
        .collect::<Raises<Vec<Val>>>()
        .map(Val::array)
}

pub fn from_entries(v: &[Val]) -> Raises<Val> {
    let mut object = Map::default();
    for entry in list::children(&v[0])? {
        let mut key = Val::Null;
        for candidate in ["key", "Key", "name", "Name"] {
            key = place::get(entry, &candidate.into())?;
            if key.is_true() {
                break;
            }
        }
        let key = name(&key)?;
        let value = match entry {
            Val::Object(members) if members.get("value").is_none() => members.get("Value").cloned(),
            Val::Object(members) => members.get("value").cloned(),
            other => return raise(format!("Cannot check whether {} has a string key", iterated(other))),
        };
        object.insert(key, value.unwrap_or_default());
    }
    Ok(object.into())
}
