//! CSV (RFC 4180) with a header line. A bare `NULL` is null.

use csv_core::{ReadFieldResult, Reader};
use serde_json::{Map, Value as Json};

use super::invalid;
use crate::{error::RestError, limits};

/// Reads rows as objects. `is_wanted` says of each name of the header whether its column is read, or refuses it: a header can
/// have very many names, and each row would hold them all.
pub fn objects(
    text: &str,
    is_wanted: &dyn Fn(&str) -> Result<bool, RestError>,
) -> Result<Vec<Map<String, Json>>, RestError> {
    let mut fields = Fields { reader: Reader::new(), input: text.as_bytes() };
    let mut header = Vec::new();
    let mut width = 0;
    loop {
        let (name, ends) = fields.read()?.ok_or_else(|| invalid("the CSV has no header"))?;
        if is_wanted(&name)? {
            header.push((width, name));
        }
        width += 1;
        if ends {
            break;
        }
    }
    let mut objects = Vec::new();
    let (mut object, mut at, mut wanted) = (Map::new(), 0, header.iter().peekable());
    while let Some((text, ends)) = fields.read()? {
        if let Some((_, name)) = wanted.next_if(|(place, _)| *place == at) {
            object.insert(name.clone(), if text == "NULL" { Json::Null } else { Json::String(text) });
        }
        at += 1;
        if at > width || (ends && at < width) {
            return Err(invalid("All lines must have same number of fields"));
        }
        if ends {
            if objects.len() == limits::WRITTEN {
                return Err(RestError::too_much(format!("a request writes {} rows at most", limits::WRITTEN)));
            }
            objects.push(std::mem::take(&mut object));
            (at, wanted) = (0, header.iter().peekable());
        }
    }
    Ok(objects)
}

/// The fields of a CSV, one after the other.
struct Fields<'t> {
    reader: Reader,
    input: &'t [u8],
}

impl Fields<'_> {
    /// The next field, and whether its record ends with it.
    fn read(&mut self) -> Result<Option<(String, bool)>, RestError> {
        let (mut field, mut buffer) = (Vec::new(), [0; 1024]);
        loop {
            let (result, read, written) = self.reader.read_field(self.input, &mut buffer);
            self.input = &self.input[read..];
            field.extend_from_slice(&buffer[..written]);
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => {
                    let text = String::from_utf8(field).map_err(|_| invalid("the CSV is not UTF-8"))?;
                    return Ok(Some((text, record_end)));
                }
                ReadFieldResult::End => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_not_wanted_are_not_read() {
        let wanted = |name: &str| match name {
            "unknown" => Err(invalid(name)),
            name => Ok(name != "other"),
        };
        let rows = objects("a,other,b\n1,x,NULL\n\"2\n\",y,\n", &wanted).unwrap();
        assert_eq!(serde_json::to_string(&rows).unwrap(), r#"[{"a":"1","b":null},{"a":"2\n","b":""}]"#);
        let refused = |text| objects(text, &wanted).unwrap_err().message;
        assert_eq!(refused("a,unknown\n1\n"), "unknown", "before any row is read");
        for uneven in ["a,b\n1\n", "a,b\n1,2,3\n", "a,other\n1,2\n3\n"] {
            assert_eq!(refused(uneven), "All lines must have same number of fields", "{uneven}");
        }
        assert_eq!(refused(""), "the CSV has no header");
        assert!(refused(&format!("a{}", "\n1".repeat(limits::WRITTEN + 1))).starts_with("a request writes"));
    }
}
