//! Reads the heads of HTTP/1 requests as they arrive, to find requests with both `Content-Length` and
//! `Transfer-Encoding`. Hyper drops the length without a word, and such a request may be an attempt to smuggle another
//! one (RFC 9112, section 6.3).

/// The names that matter have at most this many letters.
const LONGEST: usize = "transfer-encoding".len();

/// The state of reading a connection's heads.
#[derive(Debug, Default)]
pub struct HeadScan {
    /// The start of the current line, in lower case, until its colon or end.
    name: [u8; LONGEST],
    len: usize,
    line: Line,
    request_line_over: bool,
    has_length: bool,
    has_coding: bool,
    /// A body follows the last head. Bytes are ignored until its response is over.
    in_body: bool,
    heads: u64,
    conflict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Name,
    /// The rest of a line after its colon, or after a name that is too long to matter.
    Rest,
}

impl HeadScan {
    /// How many heads have been read to their end.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether a request gave both a length and a transfer coding.
    pub fn conflict(&self) -> bool {
        self.conflict
    }

    /// Whether a request line has begun and not ended.
    pub fn in_request_line(&self) -> bool {
        !self.request_line_over && (self.len > 0 || self.line == Line::Rest)
    }

    /// A response is over, so a head comes next.
    pub fn next_request(&mut self) {
        if std::mem::take(&mut self.in_body) {
            self.start_line();
        }
    }

    pub fn read(&mut self, bytes: &[u8]) {
        if self.in_body {
            return;
        }
        for &byte in bytes {
            match (byte, self.line) {
                (b'\n', _) => {
                    if self.end_line() {
                        return;
                    }
                }
                (_, Line::Rest) => {}
                (b':', Line::Name) => {
                    if self.request_line_over {
                        self.note_field();
                    }
                    self.line = Line::Rest;
                }
                (byte, Line::Name) => {
                    if let Some(place) = self.name.get_mut(self.len) {
                        *place = byte.to_ascii_lowercase();
                        self.len += 1;
                    } else {
                        self.line = Line::Rest;
                    }
                }
            }
        }
    }

    fn note_field(&mut self) {
        match &self.name[..self.len] {
            b"content-length" => self.has_length = true,
            b"transfer-encoding" => self.has_coding = true,
            _ => {}
        }
    }

    /// Returns whether the rest is a body.
    fn end_line(&mut self) -> bool {
        let empty = self.line == Line::Name && (self.len == 0 || self.name[..self.len] == *b"\r");
        self.start_line();
        if !empty {
            self.request_line_over = true;
            return false;
        }
        // Empty lines before a request line are ignored (RFC 9112, section 2.2).
        if !std::mem::take(&mut self.request_line_over) {
            return false;
        }
        self.heads += 1;
        let (length, coding) = (std::mem::take(&mut self.has_length), std::mem::take(&mut self.has_coding));
        self.conflict |= length && coding;
        self.in_body = length || coding;
        self.in_body
    }

    fn start_line(&mut self) {
        self.len = 0;
        self.line = Line::Name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(parts: &[&str]) -> HeadScan {
        let mut scan = HeadScan::default();
        parts.iter().for_each(|part| scan.read(part.as_bytes()));
        scan
    }

    #[test]
    fn a_length_beside_a_coding_is_a_conflict_in_either_order() {
        for head in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\nTRANSFER-ENCODING:chunked\nHost: a\ncontent-length:5\n\n",
        ] {
            assert!(scan(&[head]).conflict());
            let bytes: Vec<String> = head.chars().map(String::from).collect();
            let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
            assert!(scan(&bytes).conflict(), "byte by byte");
        }
    }

    #[test]
    fn bodies_and_separate_requests_are_no_conflict() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(!scan(&[chunked, "5\r\ncontent-length: 5\r\n\r\n"]).conflict());
        assert!(!scan(&["GET / HTTP/1.1\r\nX: content-length: 5\r\n\r\n", chunked]).conflict());
        let mut scan = scan(&["\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"]);
        scan.next_request();
        scan.read(b"\r\n");
        scan.read(chunked.as_bytes());
        assert_eq!((scan.heads(), scan.conflict()), (2, false));
    }

    #[test]
    fn a_request_line_is_told_from_fields() {
        assert!(scan(&["GET /long"]).in_request_line());
        assert!(scan(&["GET http://a/", "b"]).in_request_line());
        assert!(!scan(&["GET / HTTP/1.1\r\nX"]).in_request_line());
        assert!(!scan(&[]).in_request_line());
    }
}
