//! Runs one filter on one input.

use jaq_core::{
    Compiler, Ctx, Vars,
    compile::Filter,
    data::JustLut,
    load::{self, Arena, File, Loader},
    native::Fun,
    unwrap_valr,
};
use jaq_json::{Val, read};

use crate::prelude;

/// What reaches out of the sandbox, or into its host, by name.
const HOST_EFFECTS: &str = include_str!("../build/host_effects.txt");
/// How deep an input or a filter may nest. jq recurses over both.
pub const DEEPEST: usize = 256;
const MOST_OUTPUTS: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// Where in the filter, in bytes.
    pub offset: Option<usize>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: None }
    }

    fn at(whole: &str, part: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: Some(load::span(whole, part).start) }
    }
}

/// One output as it is, several as an array, none as `null`.
pub fn apply(filter: &str, input: &str) -> Result<String, Failure> {
    if depth(filter) > DEEPEST {
        return Err(Failure::new(format!("the filter nests deeper than {DEEPEST}")));
    }
    if depth(input) > DEEPEST {
        return Err(Failure::new(format!("the input nests deeper than {DEEPEST}")));
    }
    let input = read::parse_single(input.as_bytes())
        .map_err(|error| Failure::new(format!("the input is not JSON: {error}")))?;
    let (names, sources) = prelude::reached(filter);
    run(&compile(filter, &sources, |name| names.contains(name))?, input)
}

type Native = jaq_core::Native<JustLut<Val>>;

/// Compiles a filter on top of some definitions and the native filters that `wanted` names.
pub fn compile(filter: &str, definitions: &str, wanted: impl Fn(&str) -> bool) -> Result<Filter<Native>, Failure> {
    let prelude = load::parse(definitions, |parser| parser.defs())
        .ok_or_else(|| Failure::new("the standard definitions could not be read"))?;
    let arena = Arena::default();
    let modules = Loader::new(prelude).load(&arena, File { code: filter, path: () }).map_err(|errors| {
        let first = errors.into_iter().next().map(|(_, error)| error);
        match first {
            Some(load::Error::Lex(errors)) => errors
                .first()
                .map(|(expected, found)| Failure::at(filter, found, format!("expected {}", expected.as_str()))),
            Some(load::Error::Parse(errors)) => errors
                .first()
                .map(|(expected, found)| Failure::at(filter, found, format!("expected {}", expected.as_str()))),
            Some(load::Error::Io(_)) => Some(Failure::new("a mapping can't load modules")),
            None => None,
        }
        .unwrap_or_else(|| Failure::new("the filter could not be read"))
    })?;
    let denied = |name: &str| HOST_EFFECTS.lines().any(|denied| denied == name);
    let natives = natives().filter(|(name, ..)| wanted(name) && !denied(name));
    Compiler::default().with_funs(natives).compile(modules).map_err(|errors| {
        let undefined = errors.iter().flat_map(|(_, names)| names).next();
        undefined.map_or_else(
            || Failure::new("the filter could not be compiled"),
            |(name, kind)| {
                let why =
                    if denied(name) { "it reaches out of the sandbox" } else { "there is none of that name and arity" };
                Failure::at(filter, name, format!("undefined {} `{name}`: {why}", kind.as_str()))
            },
        )
    })
}

fn natives() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs())
}

/// Runs a compiled filter.
pub fn run(filter: &Filter<Native>, input: Val) -> Result<String, Failure> {
    let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut outputs: Vec<String> = Vec::new();
    let mut bytes = 0;
    for output in filter.id.run((context, input)).map(unwrap_valr) {
        let output = output.map_err(|error| Failure::new(error.to_string()))?.to_string();
        bytes += output.len();
        if outputs.len() == MOST_OUTPUTS || bytes > MOST_BYTES {
            return Err(Failure::new(format!(
                "the filter gives more than {MOST_OUTPUTS} outputs or {MOST_BYTES} bytes"
            )));
        }
        outputs.push(output);
    }
    Ok(match outputs.len() {
        0 => "null".to_owned(),
        1 => outputs.swap_remove(0),
        _ => format!("[{}]", outputs.join(",")),
    })
}

/// How deep brackets nest in a text; those within strings count too, which only errs on the safe side.
fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' | b'(' if !in_string || byte == b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' | b')' if !in_string || byte == b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
