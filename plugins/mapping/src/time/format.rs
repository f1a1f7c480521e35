//! Formats dates as C's `strftime` does in English.

use super::civil::Parts;

pub const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The flags between `%` and its letter.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// The padding of a number: none, spaces or zeros.
    pad: Option<char>,
    no_pad: bool,
    upper: bool,
    swap: bool,
    width: usize,
}

pub fn format(format: &str, parts: &Parts, zone: &str) -> String {
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            out.push(next);
            continue;
        }
        let start = rest.as_str();
        let mut flags = Flags::default();
        let letter = loop {
            match rest.next() {
                Some('-') => flags.no_pad = true,
                Some('_') => flags.pad = Some(' '),
                Some('0') if flags.width == 0 => flags.pad = Some('0'),
                Some('^') => flags.upper = true,
                Some('#') => flags.swap = true,
                Some(digit @ '0'..='9') => {
                    flags.width = (flags.width * 10 + digit as usize - '0' as usize).min(1_000);
                }
                Some('E' | 'O') if !rest.as_str().is_empty() => {}
                other => break other,
            }
        };
        match letter.and_then(|letter| one(letter, flags, parts, zone)) {
            Some(text) => out.push_str(&text),
            None => {
                // An unknown conversion is written unchanged.
                out.push('%');
                out.push_str(&start[..start.len() - rest.as_str().len()]);
            }
        }
    }
    out
}

fn one(letter: char, flags: Flags, parts: &Parts, zone: &str) -> Option<String> {
    let named = |names: &[&'static str], place: i64| names.get(usize::try_from(place).unwrap_or(usize::MAX)).copied();
    let hour12 = (parts.hour + 11) % 12 + 1;
    let half = if parts.hour < 12 { "AM" } else { "PM" };
    let number = |value: i64, width: usize, pad: char| Some(number(value, width, pad, flags));
    let text = |text: &str| {
        let text = if flags.upper || (flags.swap && letter != 'Z') { text.to_uppercase() } else { text.to_owned() };
        let pad = flags.pad.unwrap_or(' ');
        Some(format!("{}{text}", pad.to_string().repeat(flags.width.saturating_sub(text.chars().count()))))
    };
    let whole = |inner: &str| text(&format(inner, parts, zone));
    match letter {
        'a' => text(&named(&WEEKDAYS, parts.weekday)?[..3]),
        'A' => text(named(&WEEKDAYS, parts.weekday)?),
        'b' | 'h' => text(&named(&MONTHS, parts.month)?[..3]),
        'B' => text(named(&MONTHS, parts.month)?),
        'c' => whole("%a %b %e %H:%M:%S %Y"),
        'C' => number(parts.year.div_euclid(100), 2, '0'),
        'd' => number(parts.day, 2, '0'),
        'D' | 'x' => whole("%m/%d/%y"),
        'e' => number(parts.day, 2, ' '),
        'F' => whole("%Y-%m-%d"),
        'g' => number(parts.iso_week().0.rem_euclid(100), 2, '0'),
        'G' => number(parts.iso_week().0, 1, '0'),
        'H' => number(parts.hour, 2, '0'),
        'I' => number(hour12, 2, '0'),
        'j' => number(parts.year_day + 1, 3, '0'),
        'k' => number(parts.hour, 2, ' '),
        'l' => number(hour12, 2, ' '),
        'm' => number(parts.month + 1, 2, '0'),
        'M' => number(parts.minute, 2, '0'),
        'n' => text("\n"),
        'p' => text(&if flags.swap { half.to_lowercase() } else { half.to_owned() }),
        'P' => text(&half.to_lowercase()),
        'r' => whole("%I:%M:%S %p"),
        'R' => whole("%H:%M"),
        's' => number(parts.seconds(), 1, '0'),
        'S' => number(parts.second, 2, '0'),
        't' => text("\t"),
        'T' | 'X' => whole("%H:%M:%S"),
        'u' => number((parts.weekday + 6) % 7 + 1, 1, '0'),
        'U' => number((parts.year_day + 7 - parts.weekday) / 7, 2, '0'),
        'V' => number(parts.iso_week().1, 2, '0'),
        'w' => number(parts.weekday, 1, '0'),
        'W' => number((parts.year_day + 7 - (parts.weekday + 6) % 7) / 7, 2, '0'),
        'y' => number(parts.year.rem_euclid(100), 2, '0'),
        'Y' => number(parts.year, 1, '0'),
        'z' => text("+0000"),
        'Z' => text(&if flags.swap { zone.to_lowercase() } else { zone.to_owned() }),
        '%' => text("%"),
        _ => None,
    }
}

fn number(value: i64, width: usize, pad: char, flags: Flags) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    if flags.no_pad {
        return format!("{sign}{digits}");
    }
    let width = width.max(flags.width).saturating_sub(sign.len());
    let fill = |pad: char| pad.to_string().repeat(width.saturating_sub(digits.len()));
    match flags.pad.unwrap_or(pad) {
        ' ' => format!("{}{sign}{digits}", fill(' ')),
        pad => format!("{sign}{}{digits}", fill(pad)),
    }
}
