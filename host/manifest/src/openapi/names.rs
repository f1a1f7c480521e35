//! Turns a document's names into names for a definition and a model.

use std::collections::BTreeSet;

/// `listUsers`, `issues/list-for-repo`, `GetCustomers` as `list_users`, `issues_list_for_repo`, `get_customers`.
pub fn snake(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    let mut rest = name.chars().peekable();
    while let Some(letter) = rest.next() {
        if !letter.is_ascii_alphanumeric() {
            words.push('_');
        } else {
            let next_is_small = rest.peek().is_some_and(char::is_ascii_lowercase);
            let begins = before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase() && next_is_small);
            if letter.is_ascii_uppercase() && begins {
                words.push('_');
            }
            words.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    cut_ascii(&words.join("_"), 60).trim_end_matches('_').to_owned()
}

/// Makes a connector's id of a title.
pub fn connector_id(title: &str) -> String {
    let id = snake(title).replace('_', "-");
    let id = id.trim_matches('-');
    if id.is_empty() { "imported".to_owned() } else { id.to_owned() }
}

/// Makes a name that templates and models can write: letters, digits and underscores.
pub fn member(name: &str) -> String {
    let spelled: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = spelled.split('_').filter(|word| !word.is_empty()).collect();
    let spelled = cut_ascii(&words.join("_"), 60).to_owned();
    match spelled.bytes().next() {
        None => "value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{spelled}"),
        Some(_) => spelled,
    }
}

/// Makes a name unique and adds it to `taken`.
pub fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut unique = name.clone();
    let mut nth = 1_u32;
    while !taken.insert(unique.clone()) {
        nth += 1;
        unique = format!("{name}_{nth}");
    }
    unique
}

/// One line of at most `most` characters, without markup and control characters.
pub fn line(text: &str, most: usize) -> String {
    plain(text, most).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without HTML tags. A long one is cut, with a sign of that.
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    let mut count = 0;
    // A text that is mostly tags isn't read to its end.
    let mut rest = &text[..text.floor_char_boundary(most.saturating_mul(64))];
    while let Some(letter) = rest.chars().next() {
        let tag =
            rest.strip_prefix('<').filter(|after| after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'));
        if let Some(end) = tag.and_then(|after| after.find('>')) {
            rest = &rest[end + 2..];
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        if letter.is_control() && letter != '\n' {
            continue;
        }
        if count == most {
            plain.truncate(plain.trim_end().len());
            // One character less leaves space for the sign that the text was cut.
            plain.pop();
            plain.push('…');
            return plain;
        }
        plain.push(letter);
        count += 1;
    }
    plain.trim().to_owned()
}

fn cut_ascii(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        for (name, id) in [
            ("listUsers", "list_users"),
            ("issues/list-for-repo", "issues_list_for_repo"),
            ("GetCustomers", "get_customers"),
            ("gmail.users.messages.send", "gmail_users_messages_send"),
            ("getHTTPStatus2Go", "get_http_status2_go"),
            ("GET /v1/{id}", "get_v1_id"),
            ("über", "ber"),
            ("日本", ""),
        ] {
            assert_eq!(snake(name), id);
        }
        assert_eq!(snake(&"a".repeat(100)).len(), 60);
        assert_eq!((connector_id("Acme CRM (v2)").as_str(), connector_id("—").as_str()), ("acme-crm-v2", "imported"));
    }

    #[test]
    fn parameters_become_members() {
        for (name, spelled) in [
            ("per-page", "per_page"),
            ("filter[x]", "filter_x"),
            ("$filter", "filter"),
            ("2fa", "n2fa"),
            ("_.xgafv", "xgafv"),
            ("ü", "value"),
            ("userId", "userId"),
        ] {
            assert_eq!(member(name), spelled);
        }
        let mut taken = BTreeSet::new();
        let mut named = |name: &str| unique(name.to_owned(), &mut taken);
        assert_eq!([named("id"), named("id"), named("id")], ["id", "id_2", "id_3"]);
    }

    #[test]
    fn texts_lose_their_markup() {
        assert_eq!(line("<p>Returns <b>all</b>\n a < b &\u{7} c</p>", 100), "Returns all a < b & c");
        assert_eq!(plain("abcdef", 4), "abc…");
        assert_eq!(plain("abcd", 4), "abcd");
    }
}
