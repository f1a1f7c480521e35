//! Taking a model's thinking out of its text, where a server leaves it there: `<think>…</think>` and its kin.
//!
//! Thinking begins at the start of an answer or of a line, and then whatever follows it is thinking until it ends. A tag in
//! the middle of a line may also be what the answer is about: it is thinking only if it is closed, and not when it is code.

/// The names of such tags.
const NAMES: [&str; 3] = ["think", "thinking", "thought"];

/// How much of what follows a tag in the middle of a line is waited for.
const MOST_HELD: usize = 4 << 10;
/// How much thinking is kept for the server, which may want it back.
const MOST_THINKING: usize = 256 << 10;

/// Splits a stream of text. Pieces may be cut anywhere.
#[derive(Debug, Default)]
pub struct ThinkingSplitter {
    /// What came and isn't decided yet: the beginning of a tag, or what follows a tag in the middle of a line.
    held: String,
    state: State,
    line: Line,
    /// Within a fenced block of code.
    fenced: bool,
    /// Something was given out that is more than white space.
    begun: bool,
    /// The thinking with its tags, as it came.
    thinking: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Within a tag of this name. In the middle of a line, what is held is given out if it doesn't end soon.
    Thinking { name: &'static str, within_line: bool },
}

/// Where on its line the text is that was given out last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// At its start, after so many backticks.
    Start(u8),
    Middle,
    /// Within inline code.
    Code,
}

impl Default for Line {
    fn default() -> Self {
        Self::Start(0)
    }
}

impl ThinkingSplitter {
    /// Takes a piece and gives out what is text for sure.
    pub fn push(&mut self, piece: &str, out: &mut String) {
        if self.held.is_empty() && self.state == State::Text && self.begun && !piece.contains('<') {
            return self.give(piece, out);
        }
        self.held.push_str(piece);
        while self.step(out) {}
    }

    /// The answer has ended: gives out what is left that is text.
    pub fn end(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Thinking { within_line: false, .. } => self.keep(&held),
            State::Text if !self.begun && held.trim().is_empty() => {}
            State::Text | State::Thinking { within_line: true, .. } => out.push_str(&held),
        }
    }

    /// The thinking until now, with its tags. Nothing when it was too much to keep, since a part of it is of no use.
    pub fn take_thinking(&mut self) -> String {
        let thinking = std::mem::take(&mut self.thinking);
        if thinking.len() > MOST_THINKING { String::new() } else { thinking }
    }

    fn keep(&mut self, thinking: &str) {
        if self.thinking.len() <= MOST_THINKING {
            self.thinking.push_str(thinking);
        }
    }

    /// Decides about the beginning of what is held; false when more has to come first.
    fn step(&mut self, out: &mut String) -> bool {
        match self.state {
            State::Text => self.step_text(out),
            State::Thinking { name, within_line } => match closing(&self.held, name) {
                Some(end) => {
                    let thinking: String = self.held.drain(..end).collect();
                    self.keep(&thinking);
                    self.state = State::Text;
                    // What follows thinking begins with its first word.
                    if !within_line {
                        self.begun = false;
                    }
                    true
                }
                None if within_line && self.held.len() > MOST_HELD => {
                    let tag: String = self.held.drain(..name.len() + 2).collect();
                    self.state = State::Text;
                    self.give(&tag, out);
                    true
                }
                None if within_line => false,
                None => {
                    // What can't be the beginning of the closing tag is done with.
                    let done = self.held.floor_char_boundary(self.held.len().saturating_sub(name.len() + 2));
                    let thinking: String = self.held.drain(..done).collect();
                    self.keep(&thinking);
                    false
                }
            },
        }
    }

    fn step_text(&mut self, out: &mut String) -> bool {
        if !self.begun {
            // White space at the beginning waits for the word that follows it, which may be a tag.
            let blank = self.held.len() - self.held.trim_start().len();
            if blank == self.held.len() {
                return false;
            }
            if !self.thinking.is_empty() {
                self.held.drain(..blank);
            }
            let blank = self.held.len() - self.held.trim_start().len();
            if !could_open(&self.held[blank..]) {
                self.begun = true;
            }
        }
        let Some(at) = self.held.find('<') else {
            let text = std::mem::take(&mut self.held);
            self.give(&text, out);
            return false;
        };
        let before: String = self.held[..at].to_owned();
        match opening(&self.held[at..]) {
            Opening::Tag(name, length) => {
                if self.begun || !before.trim().is_empty() {
                    self.give(&before, out);
                }
                self.held.drain(..at);
                if self.fenced || matches!(self.line, Line::Code | Line::Start(1..)) {
                    let tag: String = self.held.drain(..length).collect();
                    self.give(&tag, out);
                } else {
                    self.state = State::Thinking { name, within_line: !matches!(self.line, Line::Start(_)) };
                }
                true
            }
            Opening::Maybe => {
                if self.begun {
                    self.give(&before, out);
                    self.held.drain(..at);
                }
                false
            }
            Opening::No => {
                let text: String = self.held.drain(..=at).collect();
                self.begun = true;
                self.give(&text, out);
                true
            }
        }
    }

    fn give(&mut self, text: &str, out: &mut String) {
        self.follow(text);
        out.push_str(text);
    }

    /// Keeps where on its line the text is.
    fn follow(&mut self, text: &str) {
        for character in text.chars() {
            self.line = match (character, self.line) {
                ('\n' | '\r', _) => Line::Start(0),
                (' ' | '\t', Line::Start(0)) => Line::Start(0),
                ('`', Line::Start(2)) => {
                    self.fenced = !self.fenced;
                    Line::Middle
                }
                ('`', Line::Start(ticks)) => Line::Start(ticks + 1),
                (_, Line::Start(1)) | ('`', Line::Middle) => Line::Code,
                ('`', Line::Code) => Line::Middle,
                (_, Line::Code) => Line::Code,
                (_, Line::Start(_) | Line::Middle) => Line::Middle,
            };
        }
    }
}

enum Opening {
    /// An opening tag of this name and length.
    Tag(&'static str, usize),
    /// More has to come to tell.
    Maybe,
    No,
}

/// What a text that begins with `<` opens.
fn opening(text: &str) -> Opening {
    for name in NAMES {
        let tag = text.as_bytes().get(1..=name.len());
        if tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
            && text.as_bytes().get(name.len() + 1) == Some(&b'>')
        {
            return Opening::Tag(name, name.len() + 2);
        }
    }
    if could_open(text) { Opening::Maybe } else { Opening::No }
}

/// Whether a text is the beginning of an opening tag, or one.
fn could_open(text: &str) -> bool {
    let text = text.as_bytes();
    NAMES.into_iter().any(|name| {
        let tag = [b"<", name.as_bytes(), b">"].concat();
        let most = text.len().min(tag.len());
        text[..most].eq_ignore_ascii_case(&tag[..most])
    })
}

/// Where the closing tag of a name ends.
fn closing(text: &str, name: &str) -> Option<usize> {
    let tag = format!("</{name}>");
    let at = text.as_bytes().windows(tag.len()).position(|part| part.eq_ignore_ascii_case(tag.as_bytes()))?;
    Some(at + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (String, String) {
        let (mut splitter, mut text) = (ThinkingSplitter::default(), String::new());
        pieces.iter().for_each(|piece| splitter.push(piece, &mut text));
        splitter.end(&mut text);
        (text, splitter.take_thinking())
    }

    const CASES: &[(&str, &str)] = &[
        ("<think>hm\n<b>\n</think>\n\nHello there.", "Hello there."),
        ("\n <think>\n</think>\n\nHello", "Hello"),
        ("<THINKING>a</THINKING><think>b</think> c", "c"),
        ("<thought>**Plan**\nlook</thought>It ships.", "It ships."),
        ("<think>never closed, with a secret", ""),
        ("First.\n<think>hm</think>\nSecond.", "First.\nSecond."),
        ("First.\n\n<think>never closed", "First.\n\n"),
        ("Sure. <think>hm</think>Done.", "Sure. Done."),
        ("The tag <think> opens it.", "The tag <think> opens it."),
        ("```html\n<think>\n```\nIs how it looks.", "```html\n<think>\n```\nIs how it looks."),
        ("`<think>` opens it.", "`<think>` opens it."),
        ("<think>x</think>\n\n", ""),
        ("<think>x</think>\n\n<b>y</b>", "<b>y</b>"),
        ("Write `<think>` and `</think>` so.", "Write `<think>` and `</think>` so."),
        ("a < b, <b>bold</b>, <thin", "a < b, <b>bold</b>, <thin"),
        ("  plain", "  plain"),
        ("<b>x</b>", "<b>x</b>"),
        ("", ""),
    ];

    #[test]
    fn thinking_is_taken_out_wherever_the_stream_is_cut() {
        for (whole, expected) in CASES {
            assert_eq!(split(&[whole]).0, *expected, "{whole}");
            let each: Vec<String> = whole.chars().map(String::from).collect();
            let each: Vec<&str> = each.iter().map(String::as_str).collect();
            assert_eq!(split(&each).0, *expected, "{whole} by characters");
            for at in whole.char_indices().map(|(at, _)| at) {
                assert_eq!(split(&[&whole[..at], &whole[at..]]).0, *expected, "{whole} cut at {at}");
            }
        }
    }

    #[test]
    fn thinking_is_kept_with_its_tags() {
        assert_eq!(split(&["<think>hm</think>Hi"]).1, "<think>hm</think>");
        assert_eq!(split(&["<think>hm"]).1, "<think>hm");
    }

    #[test]
    fn text_is_given_out_as_it_comes() {
        let mut splitter = ThinkingSplitter::default();
        for (piece, given) in [("Hel", "Hel"), ("lo <", "Hello "), ("3", "Hello <3")] {
            let mut text = given.to_owned();
            text.clear();
            splitter.push(piece, &mut text);
            assert!(given.ends_with(&text) && !text.is_empty(), "{piece}: {text}");
        }
        // A tag that is never closed is text again soon.
        let (mut splitter, mut text) = (ThinkingSplitter::default(), String::new());
        splitter.push("About <think> there is ", &mut text);
        assert_eq!(text, "About ");
        splitter.push(&"much to say. ".repeat(400), &mut text);
        assert!(text.starts_with("About <think> there is much"), "{text}");
    }
}
