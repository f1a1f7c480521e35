//! Shopify's search syntax (Shopify, "API search syntax"). A customer's text is only ever used as a value in it.

/// The most words of a search. More words only cost more.
const MOST_WORDS: usize = 8;

/// `field:"value"`. The value is quoted and escaped, so no operator in it can widen the search.
pub fn term(field: &str, value: &str) -> String {
    format!("{field}:{}", quoted(value))
}

/// A value as one phrase.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Each word as a term. Plain words match from their start, so `boot` finds boots. Other words are phrases.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| !word.is_empty()).take(MOST_WORDS).map(|word| one(&word.to_lowercase())).collect()
}

fn one(word: &str) -> String {
    let plain = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain && !["and", "not"].contains(&word) { format!("{word}*") } else { quoted(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(term("name", "#1001"), r##"name:"#1001""##);
        assert_eq!(term("name", r##"#1001" OR name:"*"##), r##"name:"#1001\" OR name:\"*""##);
        assert_eq!(quoted("a\\\" OR b"), r#""a\\\" OR b""#);
        assert_eq!(quoted("a\nb"), "\"a b\"");
    }

    #[test]
    fn words_are_words_and_never_operators() {
        assert_eq!(words("Red OR shoes?"), ["red*", r#""or""#, "shoes*"]);
        assert_eq!(words("and NOT -status:draft (tent"), [r#""and""#, r#""not""#, r#""status:draft""#, "tent*"]);
        assert_eq!(words("größe * \"x\" t-shirt"), [r#""größe""#, r#""x""#, r#""t-shirt""#]);
        assert_eq!(words(&"boots ".repeat(50)).len(), MOST_WORDS);
    }
}
