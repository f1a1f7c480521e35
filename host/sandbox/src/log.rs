//! A call's log. Its lines and bytes are bounded. It is redacted when the call ends.

use std::sync::{Arc, Mutex, PoisonError};

use resly_core::connector::sandbox::{LogLevel, LogLine};

use crate::limits::{LOG_BYTES, LOG_LINE};

/// Bytes that are kept beyond the cut of a line until it is redacted. Otherwise half a secret would stay unrecognised.
const MARGIN: usize = 1 << 10;

/// The call and its guest's streams share it.
#[derive(Clone, Debug)]
pub struct CallLog(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    lines: Vec<(LogLevel, String, bool)>,
    most: usize,
    bytes: usize,
    dropped: u64,
    /// What the standard streams wrote since their last end of line.
    out: Vec<u8>,
    err: Vec<u8>,
}

impl CallLog {
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            lines: Vec::new(),
            most,
            bytes: 0,
            dropped: 0,
            out: Vec::new(),
            err: Vec::new(),
        })))
    }

    /// Whether another line would be kept. If not, it is counted as dropped.
    pub fn has_room(&self) -> bool {
        self.with(|lines| {
            let room = lines.has_room();
            if !room {
                lines.dropped += 1;
            }
            room
        })
    }

    pub fn line(&self, level: LogLevel, message: &str) {
        self.with(|lines| lines.push(level, message));
    }

    /// Adds what a guest wrote to its standard output or error.
    pub fn write(&self, level: LogLevel, bytes: &[u8]) {
        self.with(|lines| {
            let mut partial = std::mem::take(lines.partial(level));
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
                let room = (LOG_LINE + MARGIN).saturating_sub(partial.len());
                partial.extend_from_slice(&text[..text.len().min(room)]);
                if ended {
                    lines.push(level, &String::from_utf8_lossy(&partial));
                    partial.clear();
                }
            }
            *lines.partial(level) = partial;
        });
    }

    /// Takes the lines out, each redacted and then cut.
    pub fn finish(&self, redact: impl Fn(&str) -> String) -> Vec<LogLine> {
        self.with(|lines| {
            for level in [LogLevel::Info, LogLevel::Error] {
                let partial = std::mem::take(lines.partial(level));
                if !partial.is_empty() {
                    lines.push(level, &String::from_utf8_lossy(&partial));
                }
            }
            let mut log: Vec<_> = std::mem::take(&mut lines.lines)
                .into_iter()
                .map(|(level, text, cut)| LogLine { level, message: shorten(redact(&text), LOG_LINE, cut) })
                .collect();
            if lines.dropped > 0 && lines.most > 0 {
                let message = format!(
                    "{} more lines were dropped: a call may log {} lines and {} KiB",
                    lines.dropped,
                    lines.most,
                    LOG_BYTES >> 10
                );
                log.push(LogLine { level: LogLevel::Warn, message });
            }
            log
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Lines) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lines {
    fn has_room(&self) -> bool {
        self.lines.len() < self.most && self.bytes < LOG_BYTES
    }

    fn push(&mut self, level: LogLevel, message: &str) {
        if !self.has_room() {
            self.dropped += 1;
            return;
        }
        let kept = prefix(message, LOG_LINE + MARGIN);
        self.bytes += stored_size(prefix(kept, LOG_LINE));
        self.lines.push((level, kept.to_owned(), kept.len() < message.len()));
    }

    fn partial(&mut self, level: LogLevel) -> &mut Vec<u8> {
        if level == LogLevel::Error { &mut self.err } else { &mut self.out }
    }
}

/// Bytes of a line as it is stored. It is stored as JSON, in which a control character takes six.
fn stored_size(text: &str) -> usize {
    let size = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(size).sum()
}

/// Cuts a redacted text to `most` bytes. If the text was `cut` before, its margin is cut off, too.
pub fn shorten(text: String, most: usize, cut: bool) -> String {
    let most = if cut { most.min(text.len().saturating_sub(MARGIN)) } else { most };
    if text.len() <= most { text } else { format!("{}…", prefix(&text, most)) }
}

/// The longest prefix of a text that has at most this many bytes.
pub fn prefix(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(most: usize, write: impl FnOnce(&CallLog)) -> Vec<LogLine> {
        let log = CallLog::new(most);
        write(&log);
        log.finish(|text| text.replace("secret", "***"))
    }

    #[test]
    fn lines_beyond_the_cap_are_counted_and_said() {
        let lines = log(2, |log| (0..5).for_each(|n| log.line(LogLevel::Info, &n.to_string())));
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["0", "1", "3 more lines were dropped: a call may log 2 lines and 64 KiB"]);
    }

    #[test]
    fn lines_are_bounded_in_bytes_too() {
        let lines = log(100, |log| (0..100).for_each(|_| log.line(LogLevel::Info, &"x".repeat(5_000))));
        let bytes: usize = lines.iter().map(|line| line.message.len()).sum();
        assert!(lines.len() == 17 && bytes < LOG_BYTES + 200, "{} lines, {bytes} bytes", lines.len());
        let control = log(100, |log| (0..100).for_each(|_| log.line(LogLevel::Info, &"\u{1}".repeat(5_000))));
        assert_eq!(control.len(), 4, "what JSON escapes takes more of it");
        assert!(lines[16].message.starts_with("84 more lines were dropped"), "{}", lines[16].message);
    }

    #[test]
    fn a_secret_across_the_cut_is_redacted_whole() {
        let message = format!("{}secret{}", "x".repeat(LOG_LINE - 3), "y".repeat(9000));
        let lines = log(9, |log| log.line(LogLevel::Info, &message));
        assert!(!lines[0].message.contains("sec"), "{}", lines[0].message);
        let message = format!("{}secret", "x".repeat(LOG_LINE + MARGIN - 3));
        let lines = log(9, |log| log.line(LogLevel::Info, &message));
        assert!(!lines[0].message.contains("sec"));
    }

    #[test]
    fn streams_become_lines_and_the_rest_one_more() {
        let lines = log(9, |log| {
            log.write(LogLevel::Error, b"panicked at ");
            log.write(LogLevel::Info, b"a\nb");
            log.write(LogLevel::Error, b"src\nnote");
        });
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["a", "panicked at src", "b", "note"]);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let lines = log(9, |log| (0..10_000).for_each(|_| log.write(LogLevel::Info, &[b'x'; 1000])));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].message.len() <= LOG_LINE + 4);
    }
}
