//! Numbers: as written, as doubles, and their order.
//!
//! jq keeps a number that isn't used in a computation as it was written, in the form that the General Decimal
//! Arithmetic Specification calls "to-scientific-string". A computed number is written as the shortest text that gives
//! the same double.

use std::{borrow::Cow, cmp::Ordering};

use crate::value::Val;

/// The double nearest to a number's text.
pub fn parse(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

pub fn compare_doubles(a: f64, b: f64) -> Ordering {
    if a.is_nan() { Ordering::Less } else { a.partial_cmp(&b).unwrap_or(Ordering::Greater) }
}

/// Compares two numbers, at least one of which is as it was written.
pub fn compare(a: &Val, b: &Val) -> Ordering {
    let (Some(x), Some(y)) = (a.as_number(), b.as_number()) else { return Ordering::Equal };
    let order = compare_doubles(x, y);
    match (order, a, b) {
        (Ordering::Equal, Val::Literal(a), Val::Literal(b)) => Decimal::read(a).compare(&Decimal::read(b)),
        // An integer that a double can hold is also as it was written. A larger double was computed.
        (Ordering::Equal, Val::Literal(a), Val::Num(b)) if is_whole(*b) => {
            Decimal::read(a).compare(&Decimal::read(&double(*b)))
        }
        (Ordering::Equal, Val::Num(a), Val::Literal(b)) if is_whole(*a) => {
            Decimal::read(&double(*a)).compare(&Decimal::read(b))
        }
        _ => order,
    }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 1e15
}

/// The parts of a number: `±0.digits × 10^point`.
struct Decimal<'d> {
    negative: bool,
    /// Without leading zeros.
    digits: Cow<'d, str>,
    point: i64,
    /// The power of ten of the last digit.
    exponent: i64,
}

impl<'d> Decimal<'d> {
    /// Accepts JSON's form, and `.5`, `5.` and leading zeros.
    fn read(text: &'d str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i64>().unwrap_or(i64::from(i32::MAX))),
            None => (text, 0),
        };
        let (digits, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (Cow::Owned(format!("{whole}{fraction}")), fraction.len() as i64),
            None => (Cow::Borrowed(mantissa), 0),
        };
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        let digits = match digits {
            Cow::Borrowed(digits) => Cow::Borrowed(&digits[zeros..]),
            Cow::Owned(digits) => Cow::Owned(digits[zeros..].to_owned()),
        };
        let exponent = exponent - fraction;
        Self { negative, point: exponent + digits.len() as i64, digits, exponent }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |this: &Self| match (this.digits.is_empty(), this.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let (mine, others) = (sign(self), sign(other));
        if mine != others || mine == 0 {
            return mine.cmp(&others);
        }
        let magnitude = self.point.cmp(&other.point).then_with(|| {
            let (a, b) = (self.digits.trim_end_matches('0'), other.digits.trim_end_matches('0'));
            a.cmp(b)
        });
        if mine < 0 { magnitude.reverse() } else { magnitude }
    }
}

/// A number in the form in which jq writes one that it read.
pub fn canonical(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'.');
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leads = digits.starts_with(|first: char| first != '0') || digits.starts_with("0.") || digits == "0";
    if plain && leads && !digits.starts_with('.') && !digits.ends_with('.') && !digits.starts_with("0.000000") {
        return Cow::Borrowed(text);
    }
    let Decimal { negative, digits, exponent, .. } = Decimal::read(text);
    let digits = if digits.is_empty() { "0" } else { &*digits };
    let count = digits.len() as i64;
    let adjusted = exponent + count - 1;
    let mut out = String::from(if negative { "-" } else { "" });
    if exponent <= 0 && adjusted >= -6 {
        let whole = count + exponent;
        if whole > 0 {
            let (before, after) = digits.split_at(usize::try_from(whole).unwrap_or_default());
            out.push_str(before);
            if !after.is_empty() {
                out.push('.');
                out.push_str(after);
            }
        } else {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', usize::try_from(-whole).unwrap_or_default()));
            out.push_str(digits);
        }
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push_str(&format!("E{adjusted:+}"));
    }
    Cow::Owned(out)
}

/// A double in the form in which jq writes it. JSON has no `nan` and no infinity: they become null and the largest
/// number.
pub fn double(number: f64) -> String {
    if number.is_nan() {
        return "null".to_owned();
    }
    if number.is_infinite() {
        return double(if number > 0.0 { f64::MAX } else { f64::MIN });
    }
    if is_whole(number) && (number != 0.0 || number.is_sign_positive()) {
        return format!("{}", number as i64);
    }
    // The shortest digits that give the same number, with their power of ten.
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = digits.len() as i32;
    let point = exponent + 1;
    if point <= -4 || point > count + 15 {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{dot}{rest}e{direction}{:02}", exponent.abs());
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-point).unwrap_or_default()));
    }
    let whole = usize::try_from(point).unwrap_or_default();
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// Negates a number and keeps its digits.
pub fn negate(value: &Val) -> Option<Val> {
    Some(match value {
        Val::Num(number) if *number == 0.0 => Val::Num(0.0),
        Val::Num(number) => Val::Num(-number),
        Val::Literal(text) if Decimal::read(text).digits.is_empty() => {
            Val::Literal(text.strip_prefix('-').unwrap_or(text).to_owned().into())
        }
        Val::Literal(text) => Val::Literal(match text.strip_prefix('-') {
            Some(rest) => rest.to_owned().into(),
            None => format!("-{}", &**text).into(),
        }),
        _ => return None,
    })
}

/// Parses a number as jq's reader and `tonumber` do: JSON's form, and also a plus sign, `.5`, `5.` and leading zeros.
pub fn read_loose(text: &str) -> Option<Val> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !is_digits(digits) {
            return None;
        }
    }
    let number = parse(text);
    if is_whole(number) && double(number) == text {
        return Some(Val::Num(number));
    }
    Some(Val::Literal(canonical(text.strip_prefix('+').unwrap_or(text)).into_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_keeps_its_digits() {
        for (text, written) in [
            ("1.10", "1.10"),
            ("1e2", "1E+2"),
            ("15e2", "1.5E+3"),
            ("1E-5", "0.00001"),
            ("0.0000001", "1E-7"),
            ("123e-10", "1.23E-8"),
            ("0e5", "0E+5"),
            ("-0", "-0"),
            ("0.000", "0.000"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e1000", "1E+1000"),
            ("100000000000000000000000000000001", "100000000000000000000000000000001"),
        ] {
            assert_eq!(canonical(text), written, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_jq_writes_them() {
        for (number, written) in [
            (3.0, "3"),
            (-0.5, "-0.5"),
            (-0.0, "-0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "123456789012345680"),
            (1.5e300, "1.5e+300"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.000_012_34, "1.234e-05"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "1.7976931348623157e+308"),
            (f64::NAN, "null"),
            (1_234_567.125, "1234567.125"),
        ] {
            assert_eq!(double(number), written);
        }
    }

    #[test]
    fn written_numbers_compare_by_their_digits() {
        let literal = |text: &'static str| Val::Literal(text.into());
        for (a, b, order) in [
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("1.10", "1.1", Ordering::Equal),
            ("1e1", "10.0", Ordering::Equal),
            ("-9007199254740993", "-9007199254740992", Ordering::Less),
            ("0.0", "-0", Ordering::Equal),
        ] {
            assert_eq!(compare(&literal(a), &literal(b)), order, "{a} {b}");
        }
    }
}
