//! Bytes to text. The charset is that of a byte order mark, else the declared one, else what the bytes look like.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that the detector looks at.
const SAMPLE: usize = 256 << 10;

/// Decodes a text. `declared` are the labels that came with it, the most trusted first. Without a byte order mark, valid
/// UTF-8 with other than ASCII letters is UTF-8 whatever was declared: hardly any other text happens to be that.
pub fn decode(bytes: &[u8], declared: &[Option<&str>]) -> String {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0,
        None => encoding(bytes, declared).decode_without_bom_handling(bytes).0,
    };
    text.trim_start_matches('\u{feff}').replace('\0', "")
}

fn encoding(bytes: &[u8], declared: &[Option<&str>]) -> &'static Encoding {
    if let Some(encoding) = utf16(bytes) {
        return encoding;
    }
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    let escapes = bytes.contains(&0x1b);
    if is_utf8 && !bytes.is_ascii() {
        return UTF_8;
    }
    let labels = declared.iter().flatten();
    if let Some(encoding) = labels.filter_map(|label| Encoding::for_label(label.trim().as_bytes())).next() {
        // A declared UTF-8 that the bytes aren't is a wrong label, unless little is wrong.
        if encoding != UTF_8 || is_utf8 || mostly_utf8(bytes) {
            return encoding;
        }
    }
    if is_utf8 && !escapes {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    detector.feed(sample, sample.len() == bytes.len());
    detector.guess(None, if mostly_utf8(bytes) { Utf8Detection::Allow } else { Utf8Detection::Deny })
}

/// UTF-16 without a byte order mark: every other byte of a text in Latin letters is zero.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(1_024)];
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), sample.len() / 2);
    if pairs < 4 {
        None
    } else if odd * 10 > pairs * 7 && even == 0 {
        Some(UTF_16LE)
    } else if even * 10 > pairs * 7 && odd == 0 {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Whether at most one in a hundred bytes beyond ASCII breaks UTF-8, as where a text was cut.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let beyond = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let broken = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    broken * 100 <= beyond
}

/// The parameter `charset` of a media type.
pub fn of_content_type(content_type: Option<&str>) -> Option<&str> {
    let (_, rest) = content_type?.split_once(';')?;
    rest.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// The label that the beginning of a page or an XML text declares: `<meta charset>`, `<meta http-equiv>` or
/// `<?xml encoding`.
pub fn declared_within(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4_096)]).to_ascii_lowercase();
    let after = |text: &str, name: &str| -> Option<String> {
        let at = text.find(name)? + name.len();
        let value = text[at..].trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        let end = value.find(['"', '\'', ';', '>', ' ', '/', '?']).unwrap_or(value.len());
        Some(value[..end].to_owned())
    };
    if let Some(declaration) = head.strip_prefix("<?xml")
        && let Some(label) = declaration.split('>').next().and_then(|text| after(text, "encoding"))
    {
        return Some(label);
    }
    let metas = head.split("<meta").skip(1).filter_map(|tag| tag.split('>').next());
    let label = metas.filter(|tag| tag.contains("charset")).find_map(|tag| after(tag, "charset"))?;
    // Whoever could read the declaration reads no UTF-16 (HTML, "Determining the character encoding").
    Some(if label.starts_with("utf-16") { "utf-8".to_owned() } else { label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_marked_declared_or_guessed() {
        let word = "Größe";
        assert_eq!(decode(b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe", &[Some("latin1")]), word);
        assert_eq!(decode(b"Gr\xf6\xdfe", &[None, Some("iso-8859-1")]), word);
        assert_eq!(decode("Größe".as_bytes(), &[Some("windows-1252")]), word);
        let utf16: Vec<u8> = "Hello, Größe".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16, &[]), "Hello, Größe");
        let russian = "Гарантия действует два года со дня покупки. ".repeat(4);
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(&russian);
        assert_eq!(decode(&bytes, &[None]), russian);
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("保証期間は購入日から二年間です。返品は三十日以内に。");
        assert_eq!(decode(&bytes, &[]), "保証期間は購入日から二年間です。返品は三十日以内に。");
    }

    #[test]
    fn pages_and_xml_declare_it_within() {
        for (head, label) in [
            ("<html><meta charset='GBK'>", "gbk"),
            ("<META HTTP-EQUIV=Content-Type CONTENT=\"text/html; charset=koi8-r\">", "koi8-r"),
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-2\"?>", "iso-8859-2"),
        ] {
            assert_eq!(declared_within(head.as_bytes()).as_deref(), Some(label));
        }
        assert_eq!(of_content_type(Some("text/html; Charset=\"utf-8\"; x=y")), Some("utf-8"));
    }
}
