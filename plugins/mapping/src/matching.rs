//! `match` and the functions that are based on it.

use crate::{
    arithmetic::{Raises, describe, raise},
    map::Map,
    regex::{Options, Regex},
    value::{Text, Val},
};

/// Pattern and flags of a filter that takes both in one argument.
pub fn pattern(v: &[Val]) -> Raises<Val> {
    match &v[1] {
        Val::Text(_) => Ok(Val::array(vec![v[1].clone(), Val::Null])),
        Val::Array(parts) if !parts.is_empty() => {
            Ok(Val::array(vec![parts[0].clone(), parts.get(1).cloned().unwrap_or_default()]))
        }
        other => raise(format!("{} not a string or array", other.type_name())),
    }
}

/// The matches of a pattern with flags, or whether there is one.
pub fn matches(v: &[Val]) -> Raises<Val> {
    let [input, pattern, flags, test] = v else { return Ok(Val::Null) };
    let Val::Text(text) = input else {
        return raise(format!("{} cannot be matched, as it is not a string", describe(input)));
    };
    let Val::Text(pattern) = pattern else {
        return raise(format!("{} cannot be matched, as it is not a string", describe(pattern)));
    };
    let mut options = Options::default();
    let mut global = false;
    match flags {
        Val::Null => {}
        Val::Text(flags) => {
            for flag in flags.chars() {
                match flag {
                    'g' => global = true,
                    'i' => options.ignore_case = true,
                    'x' => options.extended = true,
                    // As in jq, this has no effect: a text is always one line.
                    's' => {}
                    'p' => options.dot_all = true,
                    'l' => options.longest = true,
                    'n' => options.not_empty = true,
                    _ => return raise(format!("{} is not a valid modifier string", &**flags)),
                }
            }
        }
        other => return raise(format!("{} is not a string", describe(other))),
    }
    let regex = match Regex::new(pattern, options) {
        Ok(regex) => regex,
        Err(error) => return raise(format!("{} (at offset 0) is not a valid regex: {error}", &**pattern)),
    };
    if test.is_true() {
        return Ok(Val::Bool(regex.find(text, 0).is_some()));
    }
    let mut found = Vec::new();
    let mut places = Places { text, byte: 0, character: 0 };
    let mut from = 0;
    while from <= text.len() {
        let Some(matched) = regex.find(text, from) else { break };
        from = if matched.end == matched.start {
            let next = text[matched.end..].chars().next().map_or(1, char::len_utf8);
            matched.end + next
        } else {
            matched.end
        };
        let mut object = described(text, &mut places, Some((matched.start, matched.end)), false);
        let mut captures = Vec::new();
        for (place, group) in matched.groups.iter().enumerate() {
            let mut capture = described(text, &mut places, *group, true);
            let name = regex.names.get(place).cloned().flatten();
            capture.insert("name".into(), name.map_or(Val::Null, Val::from));
            captures.push(capture.into());
        }
        object.insert("captures".into(), Val::array(captures));
        found.push(object.into());
        if !global {
            break;
        }
    }
    Ok(Val::array(found))
}

fn described(text: &str, places: &mut Places<'_>, range: Option<(usize, usize)>, empty_last: bool) -> Map {
    let mut object = Map::with_capacity(4);
    let (offset, length, string) = match range {
        Some((start, end)) => {
            let string = &text[start..end];
            (places.character(start) as f64, string.chars().count(), Val::Text(Text::from(string.to_owned())))
        }
        None => (-1.0, 0, Val::Null),
    };
    object.insert("offset".into(), Val::Num(offset));
    // jq writes the length of an empty match last.
    if empty_last && length == 0 {
        object.insert("string".into(), string);
        object.insert("length".into(), Val::count(length));
    } else {
        object.insert("length".into(), Val::count(length));
        object.insert("string".into(), string);
    }
    object
}

/// Converts byte positions to character positions. It continues from the last one where possible.
struct Places<'t> {
    text: &'t str,
    byte: usize,
    character: usize,
}

impl Places<'_> {
    fn character(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.character) = (0, 0);
        }
        self.character += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.character
    }
}

/// The named groups of a match.
pub fn captures(v: &[Val]) -> Raises<Val> {
    let mut named = Map::default();
    if let Val::Object(found) = &v[0]
        && let Some(Val::Array(captures)) = found.get("captures")
    {
        for capture in captures.iter() {
            if let Val::Object(capture) = capture
                && let Some(Val::Text(name)) = capture.get("name")
            {
                named.insert(name.clone(), capture.get("string").cloned().unwrap_or_default());
            }
        }
    }
    Ok(named.into())
}
