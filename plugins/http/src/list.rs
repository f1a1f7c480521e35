//! Writes a list as one value: its items with a separator between them.
//!
//! In percent-encoded values, the separator comma is literal and an item's own comma is `%2C`, so the service can tell
//! them apart (RFC 6570, section 3.2.1). Other separators can't be literal in a URL, and headers have no encoding.
//! There, an item that contains the separator is a fault.

use percent_encoding::utf8_percent_encode;
use resly_sdk::{Fault, Result};

use crate::{definition::Separator, request::ENCODED};

/// Writes a list for a URL or a form.
///
/// # Errors
/// When an item contains the separator and the service couldn't tell them apart.
pub fn encoded(items: &[String], separator: Separator, name: &str) -> Result<String> {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let between = if separator == Separator::Comma {
        separator.as_str().to_owned()
    } else {
        unmixed(items, separator, name)?;
        encode(separator.as_str())
    };
    Ok(items.iter().map(|item| encode(item)).collect::<Vec<_>>().join(&between))
}

/// Writes a list for a header.
///
/// # Errors
/// When an item contains the separator.
pub fn plain(items: &[String], separator: Separator, name: &str) -> Result<String> {
    unmixed(items, separator, name)?;
    Ok(items.join(separator.as_str()))
}

fn unmixed(items: &[String], separator: Separator, name: &str) -> Result<()> {
    match items.iter().find(|item| item.contains(separator.as_str())) {
        None => Ok(()),
        Some(item) => {
            let item: String = item.chars().take(60).collect();
            Err(Fault::invalid_input(format!(
                "an item of `{name}`, `{item}`, contains the character {:?} that separates the items: the service \
                 can't tell the two apart. Call once for each item, or leave the character out",
                separator.as_str()
            )))
        }
    }
}
