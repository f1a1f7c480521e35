//! A list as one value: its items with a separator between them.
//!
//! Where values are percent-encoded, the separator comma stands as it is and an item's own comma is `%2C`, so the service
//! tells them apart (RFC 6570, section 3.2.1). No other separator may stand in a URL as it is, and a header has no encoding:
//! there an item that contains its separator is a fault.

use percent_encoding::utf8_percent_encode;
use resly_sdk::{Fault, Result};

use crate::{definition::Separator, request::ENCODED};

/// For a URL or a form.
///
/// # Errors
/// When an item contains the separator and the service couldn't tell.
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

/// For a header.
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
