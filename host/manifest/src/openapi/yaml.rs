//! Parses YAML into JSON, by the core schema of YAML 1.2.2 (section 10.3). Most OpenAPI documents are written in YAML.
//!
//! The result is bounded while it is read: its depth, what its aliases repeat, and how far the parser looks ahead.
//! Merge keys (`<<`), which YAML 1.2 no longer has, are supported as documents use them.

use std::{cell::Cell, collections::HashMap, rc::Rc};

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

/// The deepest nesting, the same as for JSON.
const DEPTH: usize = 128;
/// What a value weighs besides the bytes of its text.
const PLACE: usize = 16;
/// The most that a document may weigh, including what its aliases repeat.
const MOST: usize = 32 << 20;
/// The most characters that the parser may read for one event. It reads a list or object in brackets to its end first
/// when it may be a key.
const AHEAD: usize = 256 << 10;

/// Parses a text with one document.
///
/// # Errors
/// What is wrong, and in which line.
pub fn parse(text: &str) -> Result<Value, String> {
    let read = Rc::new(Cell::new(0_usize));
    let counted = text.chars().map_while({
        let read = Rc::clone(&read);
        move |letter| {
            read.set(read.get() + 1);
            (read.get() <= AHEAD).then_some(letter)
        }
    });
    let mut parser = Parser::new(BufferedInput::new(counted));
    let mut composer = Composer::default();
    loop {
        read.set(0);
        let Some(event) = parser.next_event() else { break };
        if read.get() > AHEAD {
            return Err(match &event {
                Ok((_, span)) => at(span.start.line(), TOO_LONG),
                Err(error) => at(error.marker().line(), TOO_LONG),
            });
        }
        let (event, span) = event.map_err(|error| at(error.marker().line(), error.info()))?;
        composer.take(event).map_err(|message| at(span.start.line(), message))?;
    }
    composer.root.ok_or_else(|| "there is nothing in it".to_owned())
}

const TOO_LONG: &str = "one text, or one list or object in brackets, is longer than 256 KiB; write it out in lines";

fn at(line: usize, message: &str) -> String {
    format!("line {line}: {message}")
}

#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    weight: usize,
    documents: usize,
    root: Option<Value>,
}

/// A list or an object that hasn't ended yet.
struct Open {
    anchor: usize,
    /// The weight of everything before it.
    before: usize,
    /// Its depth so far, including itself.
    height: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Value>),
    Object { members: Map<String, Value>, key: Option<Key>, merged: Vec<Map<String, Value>> },
}

enum Key {
    Name(String),
    Merge,
}

struct Anchored {
    value: Value,
    weight: usize,
    height: usize,
}

impl Composer {
    fn take(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins here; give one");
                }
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).ok_or("an alias stands within what it names")?;
                let (weight, height) = (known.weight, known.height);
                if self.open.len() + height > DEPTH {
                    return Err("it lies too deep");
                }
                weigh(&mut self.weight, weight)?;
                let value = known.value.clone();
                self.put(value, height)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                weigh(&mut self.weight, PLACE + text.len())?;
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref());
                if let Some(Open { holds: Holds::Object { key: key @ None, .. }, .. }) = self.open.last_mut() {
                    *key = Some(if plain && text == "<<" { Key::Merge } else { Key::Name(text.to_string()) });
                    return self.name(anchor, || Value::String(text.into_owned()), PLACE, 0);
                }
                let value = if plain { resolved(&text) } else { Value::String(text.into_owned()) };
                let weight = PLACE + value.as_str().map_or(0, str::len);
                self.name(anchor, || value.clone(), weight, 0)?;
                self.put(value, 0)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(anchor, Holds::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                self.begin(anchor, Holds::Object { members: Map::new(), key: None, merged: Vec::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, holds: Holds) -> Result<(), &'static str> {
        if matches!(self.open.last(), Some(Open { holds: Holds::Object { key: None, .. }, .. })) {
            return Err("a key has to be a text");
        }
        if self.open.len() >= DEPTH {
            return Err("it lies too deep");
        }
        let before = self.weight;
        weigh(&mut self.weight, PLACE)?;
        self.open.push(Open { anchor, before, height: 1, holds });
        Ok(())
    }

    fn end(&mut self) -> Result<(), &'static str> {
        let Some(Open { anchor, before, height, holds }) = self.open.pop() else { return Ok(()) };
        let value = match holds {
            Holds::List(items) => Value::Array(items),
            Holds::Object { mut members, merged, .. } => {
                for (name, member) in merged.into_iter().flatten() {
                    members.entry(name).or_insert(member);
                }
                Value::Object(members)
            }
        };
        self.name(anchor, || value.clone(), self.weight - before, height)?;
        self.put(value, height)
    }

    /// Stores the value of an anchor; 0 is no anchor. The copy weighs as much as the value.
    fn name(
        &mut self,
        anchor: usize,
        value: impl FnOnce() -> Value,
        weight: usize,
        height: usize,
    ) -> Result<(), &'static str> {
        if anchor > 0 {
            weigh(&mut self.weight, weight)?;
            self.anchors.insert(anchor, Anchored { value: value(), weight, height });
        }
        Ok(())
    }

    /// Puts a value into the open list or object.
    fn put(&mut self, value: Value, height: usize) -> Result<(), &'static str> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        match &mut open.holds {
            Holds::List(items) => items.push(value),
            Holds::Object { members, key, merged } => match (key.take(), value) {
                (Some(Key::Name(name)), value) => {
                    if members.insert(name, value).is_some() {
                        return Err("a key stands twice in this object");
                    }
                }
                (Some(Key::Merge), Value::Object(more)) => merged.push(more),
                (Some(Key::Merge), Value::Array(several)) => {
                    for one in several {
                        let Value::Object(more) = one else { return Err("`<<` takes objects") };
                        merged.push(more);
                    }
                }
                (Some(Key::Merge), _) => return Err("`<<` takes objects"),
                // An alias in the place of a key.
                (None, Value::String(name)) => *key = Some(Key::Name(name)),
                (None, _) => return Err("a key has to be a text"),
            },
        }
        Ok(())
    }
}

fn weigh(weight: &mut usize, more: usize) -> Result<(), &'static str> {
    *weight = weight.saturating_add(more);
    if *weight > MOST { Err("with what its aliases repeat, the document is too large") } else { Ok(()) }
}

/// Whether a tag declares a scalar as text: `!!str`, or `!` alone.
fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| {
        (tag.is_yaml_core_schema() && tag.suffix == "str") || (tag.handle.is_empty() && tag.suffix == "!")
    })
}

/// The value of a plain scalar.
fn resolved(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Parses a number. `.inf` and `.nan`, which JSON can't write, stay texts.
fn number(text: &str) -> Option<Number> {
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))?;
        u64::from_str_radix(digits, radix).ok().map(Number::from)
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        let small = whole.parse::<i64>().ok().map(Number::from);
        if let Some(whole) = small.or_else(|| whole.parse::<u64>().ok().map(Number::from)) {
            return Some(whole);
        }
        if let Ok(whole) = whole.parse() {
            return Some(whole);
        }
    }
    let begins = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let decimal = begins && unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    // Digits stay as they are where JSON writes them in the same way.
    let exact = || text.parse::<Number>().ok().filter(|_| !text.contains(['e', 'E']));
    let rounded = || text.parse::<f64>().ok().and_then(Number::from_f64);
    let decimal = || decimal.then(|| exact().or_else(rounded)).flatten();
    radix("0x", 16).or_else(|| radix("0o", 8)).or_else(decimal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_the_json_that_it_stands_for() {
        let text = "\
# A comment.
openapi: 3.0.3
info: {title: 'Pets: all', version: \"1.0\", x: [1, -2, +3, 1.5, 1e3, .5, 0x1F, 0o17, 18446744073709551615]}
paths:
  /pets/{id}:
    get:
      responses:
        200: {description: ok}
        default:
          description: >-
            folded
            text
      tags: [no, yes, on, ~, null, True, .inf, 2026-11-24, 1_000, 12:30, !!str 5, 0x-1]
text: |
  kept
    as it is
empty:
";
        let told = parse(text).unwrap();
        assert_eq!(told["openapi"], "3.0.3");
        assert_eq!(
            told["info"],
            json!({"title": "Pets: all", "version": "1.0", "x": [1, -2, 3, 1.5, 1000.0, 0.5, 31, 15, 18_446_744_073_709_551_615_u64]})
        );
        let get = &told["paths"]["/pets/{id}"]["get"];
        assert_eq!(get["responses"]["200"]["description"], "ok");
        assert_eq!(get["responses"]["default"]["description"], "folded text");
        assert_eq!(
            get["tags"],
            json!(["no", "yes", "on", null, null, true, ".inf", "2026-11-24", "1_000", "12:30", "5", "0x-1"])
        );
        assert_eq!((&told["text"], &told["empty"]), (&json!("kept\n  as it is\n"), &Value::Null));
    }

    #[test]
    fn aliases_and_merge_keys_repeat_what_they_name() {
        let told =
            parse("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\nd: {<<: [*a, {z: 4}]}\n&k name: 1\n").unwrap();
        assert_eq!((&told["b"], &told["c"]), (&json!({"x": 1, "y": 2}), &json!({"x": 1, "y": 3})));
        assert_eq!((&told["d"], &told["name"]), (&json!({"x": 1, "y": 2, "z": 4}), &json!(1)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("a: 1\nb: 2\na: 3\n", "line 3: a key stands twice"),
            ("a: 1\n---\nb: 1\n", "line 2: a second document"),
            ("a: &a [*a]\n", "line 1: an alias stands within"),
            ("a: *b\n", "line 1: "),
            ("[a]: 1\n", "line 1: a key has to be a text"),
            ("<<: 1\n", "line 1: `<<` takes objects"),
            ("a: [1\nb: 2\n", "line 2: "),
            ("a:\n\t- 1\n", "line 2: "),
            ("", "there is nothing in it"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(told), "{text:?}: {error}");
        }
    }

    /// Small texts that stand for large documents, deep ones, and ones that a parser would take in whole.
    #[test]
    fn bombs_are_refused() {
        let refused = |text: &str| parse(text).err().unwrap_or_default();
        let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for n in 1..20 {
            let again = format!("*a{}, ", n - 1).repeat(9);
            laughs.push_str(&format!("a{n}: &a{n} [{}]\n", again.trim_end_matches(", ")));
        }
        assert!(refused(&laughs).contains("aliases repeat"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(10_000));
        assert!(refused(&long).contains("aliases repeat"));
        let mut merged = format!("a: &a {{{}}}\n", (0..5_000).map(|n| format!("k{n}: 1,")).collect::<String>());
        merged.push_str(&(0..5_000).map(|n| format!("m{n}: {{<<: *a}}\n")).collect::<String>());
        assert!(refused(&merged).contains("aliases repeat"));

        assert!(refused(&"- ".repeat(100_000)).contains("too deep"));
        assert!(parse(&"? ".repeat(100_000)).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"{a: ".repeat(100_000)).is_err());
        let lines: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(refused(&lines).contains("too deep"));
        // Each alias adds what lies below it.
        let mut tower = "a0: &a0 1\n".to_owned();
        for n in 1..2_000 {
            tower.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert!(refused(&tower).contains("too deep"));
        assert!(refused(&format!("[{}]", "1,".repeat(1_000_000))).contains("256 KiB"));
        assert!(refused(&format!("a: {}", "x".repeat(1_000_000))).contains("256 KiB"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_text_ends(text in "([-?:,\\[\\]{}#&*!|>'\"%@`~<a0. \\n\\t]|---|\\.\\.\\.|&a |\\*a |: |- |\n  ){0,80}") {
            let _ = parse(&text);
        }

        /// JSON is YAML.
        #[test]
        fn json_means_the_same(texts in proptest::collection::vec("[ -~\\n\\t\u{e9}\u{1f600}]{0,12}", 0..6), numbers in proptest::collection::vec(any::<i64>(), 0..4)) {
            let members: Map<String, Value> = texts.iter().enumerate().map(|(n, text)| (format!("k{n}"), json!([text, numbers]))).collect();
            let value = Value::Object(members);
            prop_assert_eq!(parse(&value.to_string()).unwrap(), value.clone());
            prop_assert_eq!(parse(&format!("{value:#}")).unwrap(), value);
        }
    }
}
