//! Quoted-printable (RFC 2045, section 6.7): encodes text of any language in lines that every mail server accepts.

/// Characters of an encoded line, including its soft line break.
const LINE: usize = 76;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes a text with any line ends. The result has CRLF.
pub fn encode(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut encoded = String::with_capacity(text.len() + text.len() / 8);
    for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
        let bytes = line.as_bytes();
        let mut width = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let last = at + 1 == bytes.len();
            let plain = match byte {
                // Mail servers may remove white space at a line's end.
                b' ' | b'\t' => !last,
                b'=' => false,
                byte => byte.is_ascii_graphic(),
            };
            let size = if plain { 1 } else { 3 };
            // Leave space for the soft break, unless this is the end.
            if width + size > LINE - usize::from(!last) {
                encoded.push_str("=\r\n");
                width = 0;
            }
            width += size;
            if plain {
                encoded.push(char::from(byte));
            } else {
                let digit = |nibble: u8| char::from(HEX[usize::from(nibble & 15)]);
                encoded.extend(['=', digit(byte >> 4), digit(byte)]);
            }
        }
        encoded.push_str("\r\n");
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_stays_and_the_rest_is_hex() {
        assert_eq!(encode("Hi Ada,\n\n2 + 2 = 4\r\nbye"), "Hi Ada,\r\n\r\n2 + 2 =3D 4\r\nbye\r\n");
        assert_eq!(encode("Zoë "), "Zo=C3=AB=20\r\n");
        assert_eq!(encode("a\t\rb\n"), "a=09\r\nb\r\n");
        assert_eq!(encode(""), "\r\n");
    }

    #[test]
    fn long_lines_are_broken_softly() {
        let long = encode(&"a".repeat(76));
        assert_eq!(long, format!("{}\r\n", "a".repeat(76)));
        let longer = encode(&"a".repeat(77));
        assert_eq!(longer, format!("{}=\r\naa\r\n", "a".repeat(75)));
        for text in ["ü".repeat(500), "x ".repeat(500), "=".repeat(500), " ".repeat(500)] {
            let encoded = encode(&text);
            assert!(encoded.split("\r\n").all(|line| line.len() <= LINE && !line.ends_with(' ')), "{encoded}");
            assert_eq!(decode(&encoded), format!("{text}\r\n"));
        }
    }

    /// The reverse, as the standard tells it.
    fn decode(encoded: &str) -> String {
        let joined = encoded.replace("=\r\n", "");
        let mut bytes = Vec::new();
        let mut rest = joined.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            if *first == b'=' {
                let hex = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &rest[2..];
            } else {
                bytes.push(*first);
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
