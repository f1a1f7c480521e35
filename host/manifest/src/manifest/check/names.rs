//! Checks names and short texts.

/// Lower-case letters, digits and dashes, 1 to 64, with a letter or digit at both ends.
pub fn is_connector_id(id: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| letter(byte) || byte == b'-')
        && !id.starts_with('-')
        && !id.ends_with('-')
}

/// Lower-case letters, digits and underscores, 1 to 64.
pub fn is_action_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Semantic versioning 2.0.0.
pub fn is_version(version: &str) -> bool {
    if version.len() > 64 {
        return false;
    }
    let (version, build) = version.split_once('+').map_or((version, None), |(version, build)| (version, Some(build)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(core, pre)| (core, Some(pre)));
    let identifier =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0')) && part.len() <= 18;
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(|part| identifier(part) && (!digits(part) || number(part))))
        && build.is_none_or(|build| build.split('.').all(identifier))
}

/// A token (RFC 9110, section 5.6.2), as methods and header names are.
pub fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Printable ASCII and tabs, which is all that a header's value may contain.
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// At least one and at most `most` characters, not only spaces, without control characters.
pub fn plain_text(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// A name in a schema's `properties` that a template can write.
pub fn is_member(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Headers that belong to the connection or to the message's framing. Only the host sets them.
pub fn is_host_header(name: &str) -> bool {
    const HOST: [&str; 14] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    HOST.iter().any(|host| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_versions() {
        for good in ["a", "acme-crm", "7", "a1-b2"] {
            assert!(is_connector_id(good), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a b", "ä", &"a".repeat(65)] {
            assert!(!is_connector_id(bad), "{bad}");
        }
        for good in ["0.0.1", "1.0.0", "1.10.3-rc.1", "1.0.0+build.5", "1.0.0-x-y.7+z"] {
            assert!(is_version(good), "{good}");
        }
        for bad in
            ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0.0", "1.0.0-a..b", "1.0.x"]
        {
            assert!(!is_version(bad), "{bad}");
        }
        assert!(is_token("X-Api-Key") && !is_token("x key") && !is_token("") && !is_token("x:") && !is_token("ü"));
        assert!(is_member("a_1") && !is_member("1a") && !is_member("a-b") && !is_member(""));
    }
}
