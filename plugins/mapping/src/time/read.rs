//! Parses dates by a format, as C's `strptime` does in English.

use super::{
    civil::{Parts, days, is_leap},
    format::{MONTHS, WEEKDAYS},
};

struct Reader<'t> {
    rest: &'t str,
    parts: Parts,
    century: Option<i64>,
    is_afternoon: Option<bool>,
    has_month: bool,
    has_day: bool,
    has_weekday: bool,
    has_year_day: bool,
    has_date: bool,
}

/// The parts that a text has, and the rest of the text.
pub fn read<'t>(text: &'t str, format: &str) -> Option<(Parts, &'t str)> {
    let parts = Parts { year: 1900, weekday: 8, year_day: 367, ..Parts::default() };
    let mut reader = Reader {
        rest: text,
        parts,
        century: None,
        is_afternoon: None,
        has_month: false,
        has_day: false,
        has_weekday: false,
        has_year_day: false,
        has_date: false,
    };
    reader.read(format)?;
    reader.finish();
    Some((reader.parts, reader.rest))
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn literal(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    fn read(&mut self, format: &str) -> Option<()> {
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter.is_whitespace() {
                self.space();
            } else if letter == '%' {
                let mut letter = letters.next()?;
                while matches!(letter, '-' | '_' | '0' | '^' | '#' | 'E' | 'O') {
                    letter = letters.next()?;
                }
                self.one(letter)?;
            } else {
                self.literal(letter)?;
            }
        }
        Some(())
    }

    /// Parses a number of at most `most` digits within bounds.
    fn number(&mut self, from: i64, to: i64, most: usize) -> Option<i64> {
        self.rest = self.rest.trim_start_matches(' ');
        let mut value = 0;
        let mut count = 0;
        for digit in self.rest.bytes().take_while(u8::is_ascii_digit) {
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
            if count == most || value * 10 > to {
                break;
            }
        }
        self.rest = &self.rest[count..];
        (count > 0 && (from..=to).contains(&value)).then_some(value)
    }

    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let starts = |name: &str| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let (place, length) = names.iter().enumerate().find_map(|(place, name)| {
            [*name, &name[..3]].into_iter().find(|name| starts(name)).map(|name| (place, name.len()))
        })?;
        self.rest = &self.rest[length..];
        Some(place as i64)
    }

    fn one(&mut self, letter: char) -> Option<()> {
        match letter {
            'a' | 'A' => {
                self.parts.weekday = self.name(&WEEKDAYS)?;
                self.has_weekday = true;
            }
            'b' | 'B' | 'h' => self.month(|this| this.name(&MONTHS))?,
            'c' => self.read("%a %b %e %H:%M:%S %Y")?,
            'C' => {
                self.century = Some(self.number(0, 99, 2)?);
                self.has_date = true;
            }
            'd' | 'e' => {
                self.parts.day = self.number(1, 31, 2)?;
                (self.has_day, self.has_date) = (true, true);
            }
            'D' | 'x' => self.read("%m/%d/%y")?,
            'F' => self.read("%Y-%m-%d")?,
            'H' | 'k' => {
                self.parts.hour = self.number(0, 23, 2)?;
                self.is_afternoon = None;
            }
            'I' | 'l' => {
                self.parts.hour = self.number(1, 12, 2)? % 12;
                self.is_afternoon.get_or_insert(false);
            }
            'j' => {
                self.parts.year_day = self.number(1, 366, 3)? - 1;
                self.has_year_day = true;
            }
            'm' => self.month(|this| Some(this.number(1, 12, 2)? - 1))?,
            'M' => self.parts.minute = self.number(0, 59, 2)?,
            'n' | 't' => self.space(),
            'p' | 'P' => {
                let half = self.rest.get(..2)?.to_ascii_uppercase();
                self.is_afternoon = match &*half {
                    "AM" => Some(false),
                    "PM" => Some(true),
                    _ => return None,
                };
                self.rest = &self.rest[2..];
            }
            'r' => self.read("%I:%M:%S %p")?,
            'R' => self.read("%H:%M")?,
            's' => {
                self.parts = Parts::of(self.number(0, i64::from(u32::MAX) * 10, 11)?);
                (self.has_weekday, self.has_year_day, self.has_month, self.has_day) = (true, true, true, true);
            }
            'S' => self.parts.second = self.number(0, 61, 2)?,
            'T' | 'X' => self.read("%H:%M:%S")?,
            'u' => {
                self.parts.weekday = self.number(1, 7, 1)? % 7;
                self.has_weekday = true;
            }
            'w' => {
                self.parts.weekday = self.number(0, 6, 1)?;
                self.has_weekday = true;
            }
            'U' | 'V' | 'W' => drop(self.number(0, 53, 2)?),
            'g' => drop(self.number(0, 99, 2)?),
            'G' => drop(self.number(0, 9_999, 4)?),
            'y' => {
                let year = self.number(0, 99, 2)?;
                self.parts.year = if year >= 69 { 1900 + year } else { 2000 + year };
                self.has_date = true;
            }
            'Y' => {
                self.parts.year = self.number(0, 9_999, 4)?;
                self.century = None;
                self.has_date = true;
            }
            'z' => self.offset()?,
            'Z' => {
                self.space();
                self.rest = self.rest.trim_start_matches(|next: char| !next.is_whitespace());
            }
            '%' => self.literal('%')?,
            _ => return None,
        }
        Some(())
    }

    fn month(&mut self, read: impl FnOnce(&mut Self) -> Option<i64>) -> Option<()> {
        self.parts.month = read(self)?;
        (self.has_month, self.has_date) = (true, true);
        Some(())
    }

    /// Parses an offset from UTC. As in jq, it has no effect.
    fn offset(&mut self) -> Option<()> {
        self.space();
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Some(());
        }
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        let mut digits = 0;
        while digits < 4 {
            if digits == 2 {
                self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
            }
            match self.rest.strip_prefix(|next: char| next.is_ascii_digit()) {
                Some(rest) => self.rest = rest,
                None => break,
            }
            digits += 1;
        }
        (digits == 2 || digits == 4).then_some(())
    }

    /// Computes the parts that follow from those that were read.
    fn finish(&mut self) {
        if self.is_afternoon == Some(true) {
            self.parts.hour = self.parts.hour % 12 + 12;
        }
        if let Some(century) = self.century {
            self.parts.year = century * 100 + self.parts.year % 100;
        }
        if self.has_year_day && !(self.has_month && self.has_day) && self.has_date {
            let last = if is_leap(self.parts.year) { 365 } else { 364 };
            let day = days(self.parts.year, 0, 1) + self.parts.year_day.min(last);
            let date = Parts::of(day * 86_400);
            (self.parts.month, self.parts.day) = (date.month, date.day);
        }
        let date = {
            let mut date = self.parts;
            date.set_days();
            date
        };
        if !self.has_weekday && self.has_date {
            self.parts.weekday = date.weekday;
        }
        if !self.has_year_day && self.has_date {
            self.parts.year_day = date.year_day;
        }
    }
}
