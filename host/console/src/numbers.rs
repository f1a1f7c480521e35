//! Numbers as people read them.

/// A whole number with its thousands apart, such as `-1,234,567`.
pub fn count(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(number.unsigned_abs()))
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, which takes an `s` when there are several.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

const WORDS: [(u64, &str); 3] = [(1_000_000_000_000, "trillion"), (1_000_000_000, "billion"), (1_000_000, "million")];

/// A number in words once it is too long to be read, such as `7.1 billion`.
pub fn rough(number: u64) -> String {
    let Some((unit, word)) = WORDS.into_iter().find(|(unit, _)| number >= *unit) else { return thousands(number) };
    let tenths = number / (unit / 10);
    match tenths % 10 {
        0 => format!("{} {word}", thousands(tenths / 10)),
        tenth => format!("{}.{tenth} {word}", thousands(tenths / 10)),
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

/// Microseconds as milliseconds or seconds.
pub fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

/// Seconds between two readings.
pub fn every(seconds: u32) -> String {
    match seconds {
        3_600 => "every hour".to_owned(),
        86_400 => "every day".to_owned(),
        604_800 => "every week".to_owned(),
        seconds if seconds.is_multiple_of(86_400) => format!("every {} days", seconds / 86_400),
        seconds if seconds.is_multiple_of(3_600) => format!("every {} hours", seconds / 3_600),
        seconds => format!("every {} minutes", seconds.div_ceil(60)),
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

    #[test]
    fn numbers_are_grouped_and_times_have_a_unit() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12, 1_250, 45_678, 2_340_000].map(duration), ["12 µs", "1.2 ms", "45 ms", "2.3 s"]);
        assert_eq!(
            [300, 3_600, 7_200, 172_800].map(every),
            ["every 5 minutes", "every hour", "every 2 hours", "every 2 days"]
        );
        assert_eq!([1, 2].map(|number| counted(number, "passage")), ["1 passage", "2 passages"]);
    }
}
