//! Dates: seconds since 1970, lists of parts as in jq, and texts. All are in UTC, because a mapping has no other time
//! zone.

mod civil;
mod format;
mod read;

pub use civil::Parts;

use crate::{
    arithmetic::{Raises, raise},
    value::Val,
};

/// Seconds beyond this have a year that C's library can't represent.
const FURTHEST: f64 = 6.7e16;

/// `gmtime`: the parts of a date, with the fraction in the seconds.
pub fn to_parts(v: &[Val]) -> Raises<Val> {
    let Some(seconds) = v[0].as_number() else { return raise("gmtime() requires numeric inputs") };
    let parts = parts_of(seconds)?;
    Ok(list(&parts, parts.second as f64 + (seconds - seconds.floor())))
}

fn parts_of(seconds: f64) -> Raises<Parts> {
    if seconds.is_nan() || seconds.abs() > FURTHEST {
        return raise("error converting number of seconds since epoch to datetime");
    }
    // As in C, times before 1970 are rounded towards it.
    Ok(Parts::of(seconds.trunc() as i64))
}

fn list(parts: &Parts, second: f64) -> Val {
    let whole = [parts.year, parts.month, parts.day, parts.hour, parts.minute];
    let mut list: Vec<Val> = whole.into_iter().map(|part| Val::Num(part as f64)).collect();
    list.push(Val::Num(second));
    list.extend([parts.weekday, parts.year_day].into_iter().map(|part| Val::Num(part as f64)));
    Val::array(list)
}

/// Reads the parts from a list. A missing part is 0, and a part out of range is carried over.
fn from_list(items: &[Val], what: &str) -> Raises<Parts> {
    let mut numbers = [1900, 0, 0, 0, 0, 0];
    for (number, item) in numbers.iter_mut().zip(items) {
        match item.as_number() {
            Some(value) => *number = value as i64,
            None => return raise(format!("{what} requires parsed datetime inputs")),
        }
    }
    let [year, month, day, hour, minute, second] = numbers;
    let parts = Parts { year, month, day, hour, minute, second, ..Parts::default() };
    let seconds = parts.seconds();
    if seconds.unsigned_abs() > FURTHEST as u64 {
        return raise("invalid gmtime representation");
    }
    Ok(Parts::of(seconds))
}

/// `mktime`
pub fn to_seconds(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Array(items) => Ok(Val::Num(from_list(items, "mktime")?.seconds() as f64)),
        _ => raise("mktime requires array inputs"),
    }
}

/// `strftime`
pub fn format(v: &[Val]) -> Raises<Val> {
    format_in(v, "GMT")
}

/// `strflocaltime`
pub fn format_local(v: &[Val]) -> Raises<Val> {
    format_in(v, "UTC")
}

fn format_in(v: &[Val], zone: &str) -> Raises<Val> {
    let parts = match &v[0] {
        Val::Array(items) => from_list(items, "strftime/1")?,
        other => match other.as_number() {
            Some(seconds) => parts_of(seconds)?,
            None => return raise("strftime/1 requires parsed datetime inputs"),
        },
    };
    match &v[1] {
        Val::Text(format) => Ok(Val::from(format::format(format, &parts, zone))),
        _ => raise("strftime/1 requires a string format"),
    }
}

/// `strptime`: the parts, and the rest of the text if it starts with a space.
pub fn read(v: &[Val]) -> Raises<Val> {
    let (Val::Text(text), Val::Text(format)) = (&v[0], &v[1]) else {
        return raise("strptime/1 requires string inputs and arguments");
    };
    let read = read::read(text, format).filter(|(_, rest)| !rest.starts_with(|next: char| !next.is_whitespace()));
    let Some((parts, rest)) = read else {
        return raise(format!("date \"{}\" does not match format \"{}\"", &**text, &**format));
    };
    let parsed = list(&parts, parts.second as f64);
    match parsed {
        Val::Array(mut items) if !rest.is_empty() => {
            std::rc::Rc::make_mut(&mut items).push(Val::from(rest.to_owned()));
            Ok(Val::Array(items))
        }
        parsed => Ok(parsed),
    }
}
