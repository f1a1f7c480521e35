//! `ToUnicode`: which text a font's codes show (ISO 32000-2, section 9.10.3).

use std::collections::HashMap;

/// Codes of one font.
const CODES_MOST: usize = 200_000;
/// Letters of one code.
const LETTERS_MOST: usize = 64;

#[derive(Default)]
pub struct CMap {
    texts: HashMap<u32, String>,
    ranges: Vec<(u32, u32, String)>,
}

enum Token<'a> {
    Hex(Vec<u8>),
    Word(&'a [u8]),
    Open,
    Close,
}

impl CMap {
    pub fn parse(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        let tokens = Tokens(bytes);
        let mut held: Vec<Vec<u8>> = Vec::new();
        let mut section: &[u8] = b"";
        let mut list: Option<Vec<Vec<u8>>> = None;
        for token in tokens {
            if map.texts.len() + map.ranges.len() > CODES_MOST {
                break;
            }
            match token {
                Token::Word(word) => {
                    section = match word {
                        b"beginbfchar" | b"beginbfrange" => word,
                        b"endbfchar" | b"endbfrange" => b"",
                        _ => section,
                    };
                    held.clear();
                }
                Token::Open => list = Some(Vec::new()),
                Token::Hex(code) => match &mut list {
                    Some(list) => list.push(code),
                    None => held.push(code),
                },
                Token::Close => {
                    if let (Some(list), [low, _]) = (list.take(), held.as_slice()) {
                        let low = number(low);
                        for (code, text) in (low..).zip(&list) {
                            map.texts.insert(code, text_of(text));
                        }
                        held.clear();
                    }
                }
            }
            match (section, held.as_slice()) {
                (b"beginbfchar", [code, text]) => {
                    map.texts.insert(number(code), text_of(text));
                    held.clear();
                }
                (b"beginbfrange", [low, high, text]) => {
                    map.ranges.push((number(low), number(high), text_of(text)));
                    held.clear();
                }
                _ => {}
            }
        }
        map
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.ranges.is_empty()
    }

    pub fn text(&self, code: u32) -> Option<String> {
        if let Some(text) = self.texts.get(&code) {
            return Some(text.clone());
        }
        let (low, _, first) = self.ranges.iter().find(|(low, high, _)| (*low..=*high).contains(&code))?;
        // The last letter counts on.
        let mut letters: Vec<char> = first.chars().collect();
        let last = letters.pop()?;
        letters.push(char::from_u32(u32::from(last).checked_add(code - low)?)?);
        Some(letters.into_iter().collect())
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

fn text_of(bytes: &[u8]) -> String {
    if let [byte] = bytes {
        return char::from(*byte).to_string();
    }
    let units: Vec<u16> =
        bytes.chunks_exact(2).take(LETTERS_MOST).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.0.iter().position(|byte| !byte.is_ascii_whitespace())?;
            self.0 = &self.0[start..];
            let end = |stop: fn(u8) -> bool| {
                self.0[1..].iter().position(|byte| stop(*byte)).map_or(self.0.len(), |at| at + 1)
            };
            match self.0[0] {
                b'%' => self.0 = &self.0[end(|byte| byte == b'\n' || byte == b'\r')..],
                b'<' if self.0.get(1) == Some(&b'<') => self.0 = &self.0[2..],
                b'<' => {
                    let end = end(|byte| byte == b'>');
                    let digits: Vec<u8> = self.0[1..end]
                        .iter()
                        .filter_map(|byte| char::from(*byte).to_digit(16))
                        .map(|digit| digit as u8)
                        .collect();
                    self.0 = &self.0[(end + 1).min(self.0.len())..];
                    let pair = |pair: &[u8]| (pair[0] << 4) | pair.get(1).copied().unwrap_or(0);
                    return Some(Token::Hex(digits.chunks(2).map(pair).collect()));
                }
                b'>' | b'(' | b')' | b'{' | b'}' => self.0 = &self.0[1..],
                b'[' => {
                    self.0 = &self.0[1..];
                    return Some(Token::Open);
                }
                b']' => {
                    self.0 = &self.0[1..];
                    return Some(Token::Close);
                }
                _ => {
                    let end = end(|byte| byte.is_ascii_whitespace() || b"<>[]%()".contains(&byte));
                    let (word, rest) = self.0.split_at(end);
                    self.0 = rest;
                    return Some(Token::Word(word));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_show_what_the_map_says() {
        let map = CMap::parse(
            b"/CIDInit /ProcSet findresource begin 1 begincodespacerange <0000> <FFFF> endcodespacerange\n\
              2 beginbfchar <0003> <0020> <0004><00660069> endbfchar % x\n\
              2 beginbfrange <0010> <0012> <0041> <0020> <0021> [<0061> <D83DDE00>] endbfrange",
        );
        let texts: Vec<Option<String>> = [3, 4, 0x11, 0x21, 0x13].map(|code| map.text(code)).to_vec();
        let expected = [Some(" "), Some("fi"), Some("B"), Some("\u{1f600}"), None];
        assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    }
}
