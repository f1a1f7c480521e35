//! Server-sent events, read as the WHATWG HTML standard ("Server-sent events", "Parsing an event stream") defines them.
//!
//! Bytes go in as they come from the network, cut anywhere; whole events come out. An event whose data is one line
//! within one chunk, which is nearly every event of a model's stream, is a slice of that chunk: nothing is copied.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};

/// What a stream may ask us to hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one line.
    pub line: usize,
    /// Bytes of one event's data.
    pub event: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 1 << 20, event: 4 << 20 }
    }
}

/// One event that was closed by an empty line and has data. `id` and `retry` serve reconnecting, which nobody here does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    name: Bytes,
    data: Bytes,
}

impl Event {
    /// The event's type; `message` when the stream named none.
    pub fn name(&self) -> Cow<'_, str> {
        if self.name.is_empty() { Cow::Borrowed("message") } else { String::from_utf8_lossy(&self.name) }
    }

    /// The data lines, joined by line feeds. Bytes that are not UTF-8 become U+FFFD.
    pub fn data(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    #[error("a line of the event stream is longer than {0} bytes")]
    LineTooLong(usize),
    #[error("an event of the stream has more than {0} bytes of data")]
    EventTooLarge(usize),
}

/// Assembles events out of chunks: [`push`](Self::push) one, then take events with [`next`](Self::next) until there is
/// none. What is left when the stream ends is an unfinished event, which the standard discards.
#[derive(Debug, Default)]
pub struct Reader {
    limits: Limits,
    /// What of the last chunk is not yet read.
    chunk: Bytes,
    /// The start of a line whose end has not come yet.
    partial: BytesMut,
    /// The last line ended in CR, so a LF that follows belongs to it.
    after_cr: bool,
    /// The first line is behind us, and with it the place where a byte order mark may stand.
    started: bool,
    name: Bytes,
    data: Data,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Reader {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the next chunk. The one before is to be read to its end first; if it wasn't, they are joined.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// The next whole event; `None` until more bytes come.
    #[expect(clippy::should_implement_trait, reason = "an iterator's end is final, and this one's is not")]
    pub fn next(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    /// The next line without its end, which is LF, CR or CRLF.
    fn line(&mut self) -> Result<Option<Bytes>, SseError> {
        if self.after_cr && !self.chunk.is_empty() {
            self.after_cr = false;
            if self.chunk[0] == b'\n' {
                self.chunk.advance(1);
            }
        }
        let Some(end) = self.chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            if self.partial.len() + self.chunk.len() > self.limits.line {
                return Err(SseError::LineTooLong(self.limits.line));
            }
            self.partial.extend_from_slice(&self.chunk);
            self.chunk.clear();
            return Ok(None);
        };
        if self.partial.len() + end > self.limits.line {
            return Err(SseError::LineTooLong(self.limits.line));
        }
        let tail = self.chunk.split_to(end);
        self.after_cr = self.chunk[0] == b'\r';
        self.chunk.advance(1);
        let mut line = if self.partial.is_empty() {
            tail
        } else {
            self.partial.extend_from_slice(&tail);
            self.partial.split().freeze()
        };
        if !self.started {
            self.started = true;
            if line.starts_with(b"\xEF\xBB\xBF") {
                line.advance(3);
            }
        }
        Ok(Some(line))
    }

    fn field(&mut self, line: &Bytes) -> Result<(), SseError> {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let mut value = line.slice(colon + 1..);
                if value.first() == Some(&b' ') {
                    value.advance(1);
                }
                (&line[..colon], value)
            }
            None => (&line[..], Bytes::new()),
        };
        match name {
            b"data" => self.append(value),
            b"event" => {
                self.name = value;
                Ok(())
            }
            // A comment has an empty name; other names are to be ignored.
            _ => Ok(()),
        }
    }

    fn append(&mut self, value: Bytes) -> Result<(), SseError> {
        let held = match &self.data {
            Data::None => 0,
            Data::One(first) => first.len() + 1,
            Data::Many(all) => all.len() + 1,
        };
        if held + value.len() > self.limits.event {
            return Err(SseError::EventTooLarge(self.limits.event));
        }
        self.data = match std::mem::take(&mut self.data) {
            Data::None => Data::One(value),
            Data::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + 1 + value.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(b"\n");
                all.extend_from_slice(&value);
                Data::Many(all)
            }
            Data::Many(mut all) => {
                all.extend_from_slice(b"\n");
                all.extend_from_slice(&value);
                Data::Many(all)
            }
        };
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = match std::mem::take(&mut self.data) {
            Data::None => return None,
            Data::One(one) => one,
            Data::Many(all) => all.freeze(),
        };
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<(String, String)>, SseError> {
        reader.push(Bytes::copy_from_slice(bytes));
        let mut events = Vec::new();
        while let Some(event) = reader.next()? {
            events.push((event.name().into_owned(), event.data().into_owned()));
        }
        Ok(events)
    }

    fn data(stream: &[u8]) -> Vec<String> {
        let events = read(&mut Reader::default(), stream).unwrap();
        events.into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_end_counts() {
        assert_eq!(data(b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\ndata: e\n\r"), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn comments_other_fields_and_empty_events_say_nothing() {
        assert_eq!(
            data(b": hello\n\nid: 7\nretry: 10\nfoo: bar\n\ndata\n\ndata:\n\nevent: x\n\ndata: y\n\n"),
            ["", "", "y"]
        );
    }

    #[test]
    fn an_event_keeps_its_own_name_only() {
        let events = read(&mut Reader::default(), b"event: ping\ndata: 1\n\ndata: 2\n\n").unwrap();
        assert_eq!(events, [("ping".into(), "1".into()), ("message".into(), "2".into())]);
    }

    #[test]
    fn data_lines_are_joined_and_lose_one_space() {
        assert_eq!(data(b"data:  two\ndata:none\ndata: c: d\n\n"), [" two\nnone\nc: d"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_alone() {
        assert_eq!(data(b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"), ["a"]);
    }

    #[test]
    fn an_unfinished_event_is_discarded() {
        assert!(data(b"data: a\n").is_empty());
        assert!(data(b"data: a").is_empty());
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(data(b"data: a\xFFb\n\n"), ["a\u{FFFD}b"]);
    }

    /// The same events whatever the network does to the bytes, code points and CRLFs included.
    #[test]
    fn chunks_may_be_cut_anywhere() {
        let stream =
            "\u{FEFF}: c\r\ndata: gr\u{fc}\u{df}e \u{1F600}\r\ndata: zwei\r\n\r\nevent: e\rdata: x\r\rdata: y\n\n"
                .as_bytes();
        let whole = read(&mut Reader::default(), stream).unwrap();
        assert_eq!(whole.len(), 3);
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let mut reader = Reader::default();
                let mut events = Vec::new();
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    events.extend(read(&mut reader, part).unwrap());
                }
                assert_eq!(events, whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn lines_and_events_have_caps() {
        let limits = Limits { line: 16, event: 20 };
        let endless = read(&mut Reader::new(limits), b"data: 0123456789abcdef");
        assert_eq!(endless, Err(SseError::LineTooLong(16)));
        let ended = read(&mut Reader::new(limits), b"data: 0123456789abcdef\n\n");
        assert_eq!(ended, Err(SseError::LineTooLong(16)));
        let many = read(&mut Reader::new(limits), b"data: 0123456789\ndata: 0123456789\ndata: x\n\n");
        assert_eq!(many, Err(SseError::EventTooLarge(20)));
        let fits = read(&mut Reader::new(limits), b"data: 0123456789\ndata: 012345678\n\n").unwrap();
        assert_eq!(fits.len(), 1);
    }
}
