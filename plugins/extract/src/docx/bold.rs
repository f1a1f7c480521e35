//! The headings of a document without styles for them: short paragraphs that are bold as a whole.

/// Letters of a heading.
const HEADING_MOST: usize = 80;

/// A text with its bold paragraphs as headings, and the heading that it begins with. A text that has headings stays as it
/// is.
pub fn headed(text: String) -> (String, Option<String>) {
    if text.lines().any(|line| line.starts_with('#')) {
        return (text, None);
    }
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let mut title = None;
    let headed = blocks.iter().enumerate().map(|(n, block)| match heading(block) {
        Some(heading) if n == 0 && blocks.len() > 1 => {
            title = Some(heading.to_owned());
            format!("# {heading}")
        }
        // One after the other are a list, or an address.
        Some(heading) if blocks.get(n + 1).is_some_and(|next| self::heading(next).is_none()) => format!("## {heading}"),
        _ => (*block).to_owned(),
    });
    let text = headed.collect::<Vec<_>>().join("\n\n");
    (text, title)
}

fn heading(block: &str) -> Option<&str> {
    let heading = block.strip_prefix("**")?.strip_suffix("**")?;
    let short = heading.chars().count() <= HEADING_MOST && !heading.contains("**") && !heading.contains('\n');
    (short && !heading.ends_with(['.', ',', ';', '!'])).then_some(heading)
}
