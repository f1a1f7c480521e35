//! Finds the foreign key by which a relation is embedded.

use crate::{
    error::{RestError, short},
    registry::{self, ForeignKey, Table},
    syntax::select::RawEmbed,
};

/// The key, whether it is on the embedding table, and the embedded table.
///
/// The target is a table, or the key's column or name, which leads to the table that it refers to.
pub fn relation(
    table: &'static Table,
    raw: &RawEmbed,
) -> Result<(&'static ForeignKey, bool, &'static Table), RestError> {
    let hinted = |key: &ForeignKey| raw.hint.as_deref().is_none_or(|hint| hint == key.name || hint == key.column);
    for key in table.foreign_keys.iter().filter(|key| hinted(key)) {
        if [key.target, key.column, key.name].contains(&raw.target.as_str())
            && let Some(target) = registry::table(key.target)
        {
            return Ok((key, true, target));
        }
    }
    if let Some(target) = registry::table(&raw.target) {
        let mut keys = target.foreign_keys.iter().filter(|key| key.target == table.name && hinted(key));
        if let Some(key) = keys.next() {
            return Ok((key, false, target));
        }
    }
    let (from, to) = (table.name, short(&raw.target));
    let searched = match &raw.hint {
        None => format!("between '{from}' and '{to}' in the schema 'public'"),
        Some(hint) => format!("between '{from}' and '{to}' using the hint '{}' in the schema 'public'", short(hint)),
    };
    Err(RestError::new(
        400,
        "PGRST200",
        format!("Could not find a relationship between '{from}' and '{to}' in the schema cache"),
    )
    .details(format!("Searched for a foreign key relationship {searched}, but no matches were found.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_are_related_twice() {
        // A second key between two tables would make an embedding ambiguous: then `PGRST201` has to be answered.
        for table in registry::TABLES {
            for key in table.foreign_keys {
                let related =
                    |other: &&Table, from: &str| other.foreign_keys.iter().filter(|other| other.target == from).count();
                let target = registry::table(key.target).unwrap();
                assert_eq!(related(&table, key.target) + related(&target, table.name), 1, "{}", key.name);
            }
        }
    }
}
