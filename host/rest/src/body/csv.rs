//! CSV (RFC 4180) with a header line. A bare `NULL` is null.

use csv_core::{ReadFieldResult, Reader};
use serde_json::{Map, Value as Json};

use super::invalid;
use crate::{error::RestError, limits};

pub fn objects(text: &str) -> Result<Vec<Map<String, Json>>, RestError> {
    let mut records = records(text)?.into_iter();
    let header = records.next().ok_or_else(|| invalid("the CSV has no header"))?;
    let object = |record: Vec<String>| {
        if record.len() != header.len() {
            return Err(invalid("All lines must have same number of fields"));
        }
        let value = |text: String| if text == "NULL" { Json::Null } else { Json::String(text) };
        Ok(header.iter().cloned().zip(record.into_iter().map(value)).collect())
    };
    records.map(object).collect()
}

fn records(text: &str) -> Result<Vec<Vec<String>>, RestError> {
    let mut reader = Reader::new();
    let mut input = text.as_bytes();
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffer = [0; 1024];
    loop {
        let (result, read, written) = reader.read_field(input, &mut buffer);
        input = &input[read..];
        field.extend_from_slice(&buffer[..written]);
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                let text =
                    String::from_utf8(std::mem::take(&mut field)).map_err(|_| invalid("the CSV is not UTF-8"))?;
                record.push(text);
                if record_end {
                    records.push(std::mem::take(&mut record));
                    if records.len() > limits::WRITTEN + 1 {
                        return Err(RestError::too_much(format!("a request writes {} rows at most", limits::WRITTEN)));
                    }
                }
            }
            ReadFieldResult::End => return Ok(records),
        }
    }
}
