//! Numbers as people read them.

use resly_core::meter::Meter;

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

/// A count with its noun, which takes an `s` when there are several.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// What a meter counts.
pub fn meter_name(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => "Messages",
        Meter::Embeddings => "Embeddings",
        Meter::ConnectorCalls => "Connector calls",
        Meter::Fuel => "Fuel",
        Meter::ModelInputTokens => "Model input tokens",
        Meter::ModelCachedInputTokens => "Cached input tokens",
        Meter::ModelOutputTokens => "Model output tokens",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
