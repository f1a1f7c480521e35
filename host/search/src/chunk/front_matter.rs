//! Front matter: settings before a Markdown text, in YAML between lines of `---` or in TOML between lines of `+++`.

use std::borrow::Cow;

/// Settings that tell a site's generator something, and a reader nothing.
const SETTINGS: &[&str] = &[
    "aliases",
    "author",
    "authors",
    "bookhidden",
    "comments",
    "cover",
    "created",
    "date",
    "draft",
    "edit_url",
    "feature",
    "featured",
    "has_children",
    "has_toc",
    "hide",
    "hide_table_of_contents",
    "hide_title",
    "hidden",
    "icon",
    "id",
    "image",
    "images",
    "index",
    "lang",
    "language",
    "last_modified_at",
    "lastmod",
    "last_update",
    "layout",
    "locale",
    "math",
    "menu",
    "nav_exclude",
    "nav_order",
    "navigation",
    "order",
    "pagination",
    "parent",
    "permalink",
    "position",
    "prev",
    "next",
    "published",
    "redirect_from",
    "redirect_to",
    "ref",
    "robots",
    "sidebar",
    "sidebar_class_name",
    "sidebar_position",
    "slug",
    "search_exclude",
    "status",
    "template",
    "theme",
    "toc",
    "translationkey",
    "type",
    "updated",
    "updated_at",
    "url",
    "uuid",
    "version",
    "visible",
    "weight",
];
/// No front matter of a page is longer. A text between two lines of `---` may be.
const LONGEST: usize = 16 << 10;

/// A Markdown text whose front matter has become text: its title a heading, where the text has no title of its own, and
/// the rest as it stands, without [`SETTINGS`].
pub(super) fn to_markdown(text: &str) -> Cow<'_, str> {
    let Some((front, body)) = split(text) else { return Cow::Borrowed(text) };
    let mut kept = String::new();
    let mut title = None;
    let mut setting = false;
    // A comment would be a heading.
    for line in front.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let key = key(line);
        if let Some(key) = &key {
            setting = SETTINGS.contains(&key.as_str());
            if key == "title" {
                title = Some(value(line));
                setting = true;
            }
        }
        // Lines of a list or an object belong to the key above them.
        if !setting && !line.trim().is_empty() {
            kept.push_str(line.trim_start());
            kept.push('\n');
        }
    }
    let title = title.filter(|title| !title.is_empty());
    let heading = match title {
        Some(title) if !has_title(body) => format!("# {title}\n\n"),
        Some(title) if !body.contains(title) => format!("{title}\n\n"),
        _ => String::new(),
    };
    Cow::Owned(format!("{heading}{kept}\n{body}"))
}

/// The front matter and what follows it.
fn split(text: &str) -> Option<(&str, &str)> {
    let mark = ["---\n", "+++\n"].into_iter().find(|mark| text.starts_with(mark))?;
    let front = &text[mark.len()..];
    let mut at = 0;
    for line in front.split_inclusive('\n').take_while(|line| !line.trim().is_empty() || mark == "+++\n") {
        if line.trim_end() == mark.trim_end() || (line.trim_end() == "..." && mark == "---\n") {
            // A text may begin with a rule. Front matter has keys.
            let has_key = front[..at].lines().any(|line| key(line).is_some());
            return has_key.then(|| (&front[..at], &front[at + line.len()..]));
        }
        at += line.len();
        if at > LONGEST {
            break;
        }
    }
    None
}

/// The key of a line such as `title: Refunds` or `title = "Refunds"`, in lower case.
fn key(line: &str) -> Option<String> {
    let end = line.find([':', '='])?;
    let key = line[..end].trim_end();
    let after = &line[end + 1..];
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let ends = line[end..].starts_with('=') || after.is_empty() || after.starts_with([' ', '\t']);
    (plain && ends).then(|| key.to_lowercase())
}

fn value(line: &str) -> &str {
    let value = line.split_once([':', '=']).map_or("", |(_, value)| value).trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

/// Whether a Markdown text has a heading of the first level. A comment in a block of code is none.
fn has_title(body: &str) -> bool {
    let (mut before, mut code) = ("", false);
    body.lines().any(|line| {
        code ^= line.starts_with("```") || line.starts_with("~~~");
        if code {
            return false;
        }
        let setext = !line.is_empty() && line.bytes().all(|byte| byte == b'=') && !before.trim().is_empty();
        before = line;
        line.starts_with("# ") || line.starts_with("<h1") || setext
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_becomes_a_heading_and_settings_go() {
        for (text, markdown) in [
            ("---\n# A comment\ntitle: \"Refunds\"\nlayout: page\n---\nText.", "# Refunds\n\n\nText."),
            ("---\ntitle: Refunds\ntags:\n  - money\nnav_order: 3\n---\n# Refunds\n", "tags:\n- money\n\n# Refunds\n"),
            ("---\ntitle: Refunds\n---\n```\n# A\n```\n", "# Refunds\n\n\n```\n# A\n```\n"),
            ("---\ntitle: All about refunds\n---\n# Refunds\n", "All about refunds\n\n\n# Refunds\n"),
            ("+++\ntitle = 'Refunds'\n\nweight = 3\n+++\nText.", "# Refunds\n\n\nText."),
            ("---\ndescription: How: it works\nimages:\n- a.png\n---\n", "description: How: it works\n\n"),
            ("---\n\nA rule above.\n\n---\n", "---\n\nA rule above.\n\n---\n"),
            ("---\nno key here\n---\n", "---\nno key here\n---\n"),
            ("---\ntitle: never closed\n", "---\ntitle: never closed\n"),
        ] {
            assert_eq!(to_markdown(text), markdown, "{text}");
        }
    }
}
