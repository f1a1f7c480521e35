//! Finds native functions by their names.

use crate::{
    arithmetic::{Raises, describe, raise},
    formats, json, list, matching, math, number, object, place, text, time,
    value::Val,
};

/// A native function of the input and the arguments after it.
pub type Native = fn(&[Val]) -> Raises<Val>;

/// Finds a native function by its name and its number of arguments.
pub fn find(name: &str, arity: usize) -> Option<Native> {
    let found: Native = match (name, arity) {
        ("not", 0) => |v| Ok(Val::Bool(!v[0].is_true())),
        ("type", 0) => |v| Ok(Val::from(v[0].type_name())),
        ("length", 0) => length,
        ("utf8bytelength", 0) => text::utf8_byte_length,
        ("tostring", 0) => |v| Ok(json::to_string(&v[0])),
        ("tojson", 0) => |v| Ok(Val::from(json::to_text(&v[0]))),
        ("fromjson", 0) => from_json,
        ("tonumber", 0) => to_number,
        ("toboolean", 0) => to_boolean,
        ("infinite", 0) => |_| Ok(Val::Num(f64::INFINITY)),
        ("nan", 0) => |_| Ok(Val::Num(f64::NAN)),
        ("have_decnum" | "have_literal_numbers", 0) => |_| Ok(Val::Bool(true)),
        ("input_filename", 0) => |_| Ok(Val::Null),
        ("setpath", 2) => |v| match &v[1] {
            Val::Array(path) => place::set_path(v[0].clone(), path, &v[2]),
            _ => raise("Path must be specified as an array"),
        },
        ("delpaths", 1) => |v| match &v[1] {
            Val::Array(paths) => place::delete_paths(v[0].clone(), paths),
            _ => raise("Paths must be specified as an array"),
        },
        ("keys", 0) => |v| object::keys(&v[0], true),
        ("keys_unsorted", 0) => |v| object::keys(&v[0], false),
        ("has", 1) => object::has,
        ("contains", 1) => object::contains,
        ("to_entries", 0) => object::to_entries,
        ("from_entries", 0) => object::from_entries,
        ("add", 0) => list::add,
        ("reverse", 0) => list::reverse,
        ("flatten", 0) => |v| list::flatten(&v[0], -1.0),
        ("flatten", 1) => list::flatten_to,
        ("sort", 0) => list::sort,
        ("sort_by", 1) => list::sort_by,
        ("group_by", 1) => list::group_by,
        ("unique", 0) => list::unique,
        ("unique_by", 1) => list::unique_by,
        ("min", 0) => |v| list::least(&v[0], &v[0]),
        ("min_by", 1) => |v| list::least(&v[0], &v[1]),
        ("max", 0) => |v| list::greatest(&v[0], &v[0]),
        ("max_by", 1) => |v| list::greatest(&v[0], &v[1]),
        ("bsearch", 1) => list::search,
        ("indices", 1) => list::indices,
        ("_strindices", 1) => list::indices,
        ("join", 1) => list::join,
        ("splits", _) | ("split", 2) => return None,
        ("split", 1) => text::split,
        ("startswith", 1) => text::starts_with,
        ("endswith", 1) => text::ends_with,
        ("trim", 0) => |v| text::trim(&v[0], "trim", true, true),
        ("ltrim", 0) => |v| text::trim(&v[0], "ltrim", true, false),
        ("rtrim", 0) => |v| text::trim(&v[0], "rtrim", false, true),
        ("explode", 0) => text::explode,
        ("implode", 0) => text::implode,
        ("ascii_downcase", 0) => |v| text::map_ascii(&v[0], |c| c.to_ascii_lowercase()),
        ("ascii_upcase", 0) => |v| text::map_ascii(&v[0], |c| c.to_ascii_uppercase()),
        ("format", 1) => formats::by_name,
        ("_pattern", 1) => matching::pattern,
        ("_matches", 3) => matching::matches,
        ("_captures", 0) => matching::captures,
        ("gmtime" | "localtime", 0) => time::to_parts,
        ("mktime", 0) => time::to_seconds,
        ("strftime", 1) => time::format,
        ("strflocaltime", 1) => time::format_local,
        ("strptime", 1) => time::read,
        _ => return math::find(name, arity),
    };
    Some(found)
}

/// Finds a format by its name, including `@`.
pub fn format(name: &str) -> Option<Native> {
    let found: Native = match name {
        "@text" => |v| Ok(json::to_string(&v[0])),
        "@json" => |v| Ok(Val::from(json::to_text(&v[0]))),
        "@csv" => formats::csv,
        "@tsv" => formats::tsv,
        "@html" => formats::html,
        "@uri" => formats::uri,
        "@urid" => formats::uri_decoded,
        "@sh" => formats::shell,
        "@base64" => formats::base64,
        "@base64d" => formats::base64_decoded,
        "@base32" => formats::base32,
        "@base32d" => formats::base32_decoded,
        _ => return None,
    };
    Some(found)
}

fn length(v: &[Val]) -> Raises<Val> {
    Ok(match &v[0] {
        Val::Null => Val::Num(0.0),
        Val::Bool(_) => return raise(format!("{} has no length", describe(&v[0]))),
        Val::Num(number) => Val::Num(number.abs()),
        Val::Literal(text) => Val::Num(number::parse(text).abs()),
        Val::Text(text) => Val::count(text.chars().count()),
        Val::Array(items) => Val::count(items.len()),
        Val::Object(members) => Val::count(members.len()),
    })
}

fn from_json(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Text(text) => json::from_text(text),
        other => raise(format!("{} only strings can be parsed", describe(other))),
    }
}

fn to_number(v: &[Val]) -> Raises<Val> {
    let read = match &v[0] {
        Val::Num(_) | Val::Literal(_) => return Ok(v[0].clone()),
        Val::Text(text) => match text.strip_prefix('-').unwrap_or(text).to_ascii_lowercase().as_str() {
            "nan" => Some(Val::Num(f64::NAN)),
            "infinity" => Some(Val::Num(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })),
            _ => number::read_loose(text),
        },
        _ => None,
    };
    match read {
        Some(number) => Ok(number),
        None => raise(format!("{} cannot be parsed as a number", describe(&v[0]))),
    }
}

fn to_boolean(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Bool(_) => Ok(v[0].clone()),
        Val::Text(text) if **text == *"true" => Ok(Val::Bool(true)),
        Val::Text(text) if **text == *"false" => Ok(Val::Bool(false)),
        other => raise(format!("{} cannot be parsed as a boolean", describe(other))),
    }
}
