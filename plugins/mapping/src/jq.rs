//! Runs one filter on one input. The instance lives for this one call.

use std::mem::forget;

use crate::{json, machine::Machine, parse, read::read, value::Val, write::write};

pub use crate::{code::DEEPEST_TREE, parse::DEEPEST_FILTER};

/// The deepest nesting of input and output, the same as in the host's JSON reader.
pub const DEEPEST: usize = 127;
const MOST_OUTPUTS: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// The position of the mistake in the filter, in bytes.
    pub offset: Option<usize>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: None }
    }
}

/// Applies a filter. One output is returned as it is, several as an array, and none as `null`.
pub fn apply(filter: &str, input: String) -> Result<String, Failure> {
    let mut outputs = outputs(filter, input)?;
    Ok(match outputs.count {
        0 => "null".to_owned(),
        1 => outputs.json,
        _ => {
            outputs.json.insert(0, '[');
            outputs.json.push(']');
            outputs.json
        }
    })
}

/// Several outputs as JSON, separated by commas.
struct Outputs {
    json: String,
    count: usize,
}

fn outputs(filter: &str, input: String) -> Result<Outputs, Failure> {
    // The instance ends with this call, so leaked texts live exactly as long as the values that borrow from them.
    let filter: &'static str = filter.to_owned().leak();
    let input = read(input.leak(), DEEPEST)
        .map_err(|error| Failure::new(format!("the input is not JSON: {} at byte {}", error.reason, error.offset)))?;
    let (code, id) =
        parse::parse(filter).map_err(|error| Failure { message: error.message, offset: Some(error.offset) })?;
    let mut machine = Machine::new(&code, id, input);
    let mut out = Vec::new();
    let mut count = 0;
    for output in &mut machine {
        let output = output.map_err(|error| Failure::new(message(&error)))?;
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        let written = write(&output, &mut out, DEEPEST);
        // Dropping would recurse, and a value may be deeper than what can be written.
        forget(output);
        written.map_err(Failure::new)?;
        if count > MOST_OUTPUTS || out.len() > MOST_BYTES {
            return Err(Failure::new(format!(
                "the filter gives more than {MOST_OUTPUTS} outputs or {MOST_BYTES} bytes"
            )));
        }
    }
    forget(machine);
    forget(code);
    let json = String::from_utf8(out).map_err(|_| Failure::new("the output is not UTF-8"))?;
    Ok(Outputs { json, count })
}

/// The message of an error. jq can raise any value.
fn message(error: &Val) -> String {
    const LONGEST: usize = 500;
    let mut message = match error {
        Val::Text(text) => text.to_string(),
        Val::Null => "null (null) not a string".to_owned(),
        other => format!("(not a string): {}", json::to_text(other)),
    };
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}

#[cfg(test)]
pub mod testing {
    //! For tests that want to see each output.

    use super::{Machine, Val, json, parse, read};

    /// The outputs as JSON, and whether something was raised behind them; nothing when the filter can't be read.
    pub fn outputs(filter: &str, input: &str) -> Option<(Vec<String>, bool)> {
        let (code, id) = parse::parse(filter.to_owned().leak()).ok()?;
        let mut outputs = Vec::new();
        let Ok(input): Result<Val, _> = read(input.to_owned().leak(), 512) else { return Some((outputs, true)) };
        for output in Machine::new(&code, id, input) {
            match output {
                Ok(output) => outputs.push(json::to_text(&output)),
                Err(_) => return Some((outputs, true)),
            }
        }
        Some((outputs, false))
    }
}
