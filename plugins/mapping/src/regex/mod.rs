//! Regular expressions as jq has them, which are Oniguruma's with Perl's syntax: Unicode, named groups, looking around,
//! references to groups. Matching goes back and tries again, so a bad pattern takes long: the guest's fuel bounds it.

mod class;
mod compile;
mod parse;
mod run;

pub use run::Match;

use run::Program;

/// How a pattern matches, from jq's flags.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub ignore_case: bool,
    /// Spaces and comments in the pattern don't count.
    pub extended: bool,
    /// `.` matches a line's end.
    pub dot_all: bool,
    /// `^` and `$` also match at lines.
    pub lines: bool,
    pub longest: bool,
    pub not_empty: bool,
}

pub struct Regex {
    program: Program,
    /// The names of the groups, in their order.
    pub names: Vec<Option<String>>,
}

impl Regex {
    pub fn new(pattern: &str, options: Options) -> Result<Self, String> {
        let parsed = parse::parse(pattern, options)?;
        let program = compile::compile(&parsed, options)?;
        Ok(Self { program, names: parsed.names })
    }

    /// The first match at or behind a place, in bytes.
    pub fn find(&self, text: &str, from: usize) -> Option<Match> {
        self.program.find(text, from)
    }
}
