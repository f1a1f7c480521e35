//! Numbers as people read them.

/// A whole number with its thousands apart, such as `1,234,567`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same for a number that isn't negative.
pub fn counted(number: u64) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX))
}

const WORDS: [(u64, &str); 3] = [(1_000_000_000_000, "trillion"), (1_000_000_000, "billion"), (1_000_000, "million")];

/// A number in words once it is too long to be read, such as `7.1 billion`.
pub fn rough(number: u64) -> String {
    let Some((unit, word)) = WORDS.into_iter().find(|(unit, _)| number >= *unit) else { return counted(number) };
    let tenths = number / (unit / 10);
    match tenths % 10 {
        0 => format!("{} {word}", counted(tenths / 10)),
        tenth => format!("{}.{tenth} {word}", counted(tenths / 10)),
    }
}

/// A size, such as `64 MiB`.
pub fn bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        None => format!("{bytes} bytes"),
        Some((unit, name)) => match bytes / (unit / 10) % 10 {
            0 => format!("{} {name}", bytes / unit),
            tenth => format!("{}.{tenth} {name}", bytes / unit),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let counts = [0, 7, 999, 1000, 1_234_567, -4200].map(count);
        assert_eq!(counts, ["0", "7", "999", "1,000", "1,234,567", "-4,200"]);
        let rough = [999_999, 1_000_000, 7_149_000_000, 2_000_000_000_000, u64::MAX].map(rough);
        assert_eq!(rough, ["999,999", "1 million", "7.1 billion", "2 trillion", "18,446,744 trillion"]);
        assert_eq!([0, 1024, 64 << 20, 1_610_612_736].map(bytes), ["0 bytes", "1 KiB", "64 MiB", "1.5 GiB"]);
    }
}
