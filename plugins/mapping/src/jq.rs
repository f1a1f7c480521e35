//! Runs one filter on one input, in an instance that lives for this one call.

use std::mem::forget;

use jaq_core::{
    Compiler, Ctx, Vars,
    compile::Filter,
    data::JustLut,
    load::{self, Arena, File, Loader, parse::Def},
    native::Fun,
    unwrap_valr,
};
use jaq_json::Val;

use crate::{
    prelude::{self, Reached, reached},
    read::read,
    write::write,
};

/// What reaches out of the sandbox, or into its host, by name.
const HOST_EFFECTS: &str = include_str!("../build/host_effects.txt");
/// How deep an input and an output may nest: as deep as the host's own JSON reader goes.
pub const DEEPEST: usize = 127;
/// How deep a filter may nest, as [`too_deep`] counts.
pub const DEEPEST_FILTER: usize = 64;
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
pub fn apply(filter: &str, input: String) -> Result<String, Failure> {
    if let Some(offset) = too_deep(filter) {
        let message = format!(
            "the filter nests deeper than {DEEPEST_FILTER}, or is as much too wide: name a part of it with `def`"
        );
        return Err(Failure { message, offset: Some(offset) });
    }
    // The instance ends with this call: texts may borrow from the input, and what lives to the end is left to it.
    let input = read(input.leak(), DEEPEST)
        .map_err(|error| Failure::new(format!("the input is not JSON: {} at byte {}", error.reason, error.offset)))?;
    let Reached { names, sources } = reached(filter);
    let natives = (0..LIBRARIES.len()).filter(|library| prelude::wants(&names, *library)).flat_map(natives);
    let definitions = load::parse(&sources, |parser| parser.defs())
        .ok_or_else(|| Failure::new("the standard definitions could not be read"))?;
    let filter = compile(filter, definitions, natives.filter(|(name, ..)| names.contains(name)))?;
    let output = run(&filter, input);
    forget(filter);
    output
}

type Native = jaq_core::Native<JustLut<Val>>;
type Natives = Box<dyn Iterator<Item = Fun<JustLut<Val>>>>;

/// The libraries of native filters, in the order of `prelude::NATIVES`.
static LIBRARIES: [fn() -> Natives; 3] =
    [|| Box::new(jaq_core::funs()), || Box::new(jaq_std::funs()), || Box::new(jaq_json::funs())];

/// The native filters of one library.
pub fn natives(library: usize) -> Natives {
    LIBRARIES[library]()
}

fn is_denied(name: &str) -> bool {
    HOST_EFFECTS.lines().any(|denied| denied == name)
}

/// Compiles a filter on top of some definitions and native filters, less those that reach out of the sandbox.
pub fn compile<'s>(
    filter: &'s str,
    definitions: impl IntoIterator<Item = Def<&'s str>>,
    natives: impl Iterator<Item = Fun<JustLut<Val>>>,
) -> Result<Filter<Native>, Failure> {
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: filter, path: () }).map_err(|errors| {
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
    let natives = natives.filter(|(name, ..)| !is_denied(name));
    Compiler::default().with_funs(natives).compile(modules).map_err(|errors| {
        let undefined = errors.iter().flat_map(|(_, names)| names).next();
        undefined.map_or_else(
            || Failure::new("the filter could not be compiled"),
            |(name, kind)| {
                let why = if is_denied(name) {
                    "it reaches out of the sandbox"
                } else {
                    "there is none of that name and arity"
                };
                Failure::at(filter, name, format!("undefined {} `{name}`: {why}", kind.as_str()))
            },
        )
    })
}

/// Runs a compiled filter.
pub fn run(filter: &Filter<Native>, input: Val) -> Result<String, Failure> {
    let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut out = vec![b'['];
    let mut outputs = 0;
    for output in filter.id.run((context, input)).map(unwrap_valr) {
        let output = output.map_err(|error| Failure::new(brief(error.to_string())))?;
        if outputs > 0 {
            out.push(b',');
        }
        outputs += 1;
        let written = write(&output, &mut out, DEEPEST);
        // Dropping it would recurse as deep as it is, and it may be deeper than what can be written.
        forget(output);
        written.map_err(Failure::new)?;
        if outputs > MOST_OUTPUTS || out.len() > MOST_BYTES {
            return Err(Failure::new(format!(
                "the filter gives more than {MOST_OUTPUTS} outputs or {MOST_BYTES} bytes"
            )));
        }
    }
    match outputs {
        0 => return Ok("null".to_owned()),
        1 => drop(out.drain(..1)),
        _ => out.push(b']'),
    }
    // jq's texts may have been cut within a character.
    Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// jq puts whole values into its messages.
fn brief(mut message: String) -> String {
    const LONGEST: usize = 500;
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}

/// Something open in a filter: a bracket, a text, or the filter itself.
struct Open {
    bracket: u8,
    /// What it adds to the depth: itself, and the operators so far directly within it.
    adds: usize,
    /// The members of an object, or the interpolations of a text, which nest too, but shallower.
    parts: usize,
}

const PARTS_PER_LEVEL: usize = 4;

/// Where a filter nests deeper than it may: how deep its syntax tree can be, counted from its brackets and from the
/// operators and keywords between them, each of which may hold all that follows it.
fn too_deep(filter: &str) -> Option<usize> {
    let mut open = vec![Open { bracket: b' ', adds: 0, parts: 0 }];
    let mut depth = 0_usize;
    let mut word = None;
    let mut bytes = filter.bytes().chain([b' ']).enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let innermost = open.last_mut()?;
        let mut opens = false;
        let mut closes = false;
        if innermost.bracket == b'"' {
            closes = byte == b'"';
            // An interpolation is a filter within the text; any other escape is one character.
            if byte == b'\\' && matches!(bytes.next(), Some((_, b'('))) {
                innermost.parts += 1;
                let wider = usize::from(innermost.parts.is_multiple_of(PARTS_PER_LEVEL));
                innermost.adds += wider;
                depth += wider + 1;
                open.push(Open { bracket: b'(', adds: 1, parts: 0 });
            }
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            word.get_or_insert(at);
        } else {
            let keyword = matches!(
                word.take().map(|start| &filter[start..at]),
                Some("if" | "elif" | "reduce" | "foreach" | "def" | "try" | "label" | "and" | "or")
            );
            let mut operator = false;
            match byte {
                b'"' | b'[' | b'{' | b'(' => opens = true,
                b']' | b'}' | b')' => closes = true,
                // A comment.
                b'#' => while bytes.next_if(|(_, byte)| *byte != b'\n').is_some() {},
                // Between the members of an object: what follows doesn't nest in what was before.
                b',' if innermost.bracket == b'{' => {
                    innermost.parts += 1;
                    depth -= innermost.adds;
                    innermost.adds = 1 + innermost.parts / PARTS_PER_LEVEL;
                    depth += innermost.adds;
                }
                b',' | b'|' | b'+' | b'-' | b'*' | b'/' | b'%' | b'=' | b'<' | b'>' => {
                    // `//=` is one.
                    while bytes.next_if(|(_, byte)| matches!(byte, b'|' | b'/' | b'=')).is_some() {}
                    operator = true;
                }
                _ => {}
            }
            let more = usize::from(keyword) + usize::from(operator);
            innermost.adds += more;
            depth += more;
        }
        if opens {
            open.push(Open { bracket: byte, adds: 1, parts: 0 });
            depth += 1;
        }
        if closes && open.len() > 1 {
            depth -= open.pop().map_or(0, |closed| closed.adds);
        }
        if depth > DEEPEST_FILTER {
            return Some(at.min(filter.len()));
        }
    }
    None
}
