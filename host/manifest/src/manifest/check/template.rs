//! Reads the templates of a declarative request: `{{ expression }}` within a text.

/// The end of an expression, in bytes: the first `}}` outside its quotes.
pub fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if byte == b'}' && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            None => {}
        }
    }
    None
}

/// Whether a template is exactly one expression, so that its value keeps its type.
pub fn is_one_expression(template: &str) -> bool {
    template.strip_prefix("{{").is_some_and(|after| end_of_expression(after).is_some_and(|end| end + 2 == after.len()))
}

/// The text of a template without its expressions.
pub fn outside_templates(template: &str) -> String {
    let mut outside = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        outside.push_str(before);
        rest = end_of_expression(after).and_then(|end| after.get(end + 2..)).unwrap_or_default();
    }
    outside.push_str(rest);
    outside
}

/// The pairs `root.name` in an expression, outside its strings.
pub fn named(expression: &str) -> Vec<(&str, &str)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = expression.as_bytes();
    let mut found = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        if let Some(open) = quote {
            match byte {
                b'\\' => at += 1,
                byte if byte == open => quote = None,
                _ => {}
            }
        } else if byte == b'"' || byte == b'\'' {
            quote = Some(byte);
        } else if is_word(byte) {
            let end = |from: usize| from + bytes[from..].iter().take_while(|byte| is_word(**byte)).count();
            let root = end(start);
            at = root;
            // A member of something else, such as `x.input`, is no root.
            let is_root = start == 0 || bytes[start - 1] != b'.';
            if is_root && bytes.get(root) == Some(&b'.') {
                at = end(root + 1);
                found.push((&expression[start..root], &expression[root + 1..at]));
            }
        }
    }
    found
}
