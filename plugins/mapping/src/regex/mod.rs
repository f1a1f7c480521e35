//! Regular expressions in the dialect of jq, which is Oniguruma's with Perl's syntax: Unicode, named groups,
//! look-around, back-references. Matching backtracks, so a bad pattern can take long. The guest's fuel bounds that.

mod class;
mod compile;
mod parse;
mod run;

pub use run::Match;

use run::Program;

/// Options of matching, from jq's flags.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub ignore_case: bool,
    /// Spaces and comments in the pattern are ignored.
    pub extended: bool,
    /// `.` also matches a line end.
    pub dot_all: bool,
    /// `^` and `$` also match at line ends.
    pub lines: bool,
    pub longest: bool,
    pub not_empty: bool,
}

pub struct Regex {
    program: Program,
    /// The names of the groups in their order.
    pub names: Vec<Option<String>>,
}

impl Regex {
    pub fn new(pattern: &str, options: Options) -> Result<Self, String> {
        let parsed = parse::parse(pattern, options)?;
        let program = compile::compile(&parsed, options)?;
        Ok(Self { program, names: parsed.names })
    }

    /// The first match at or after a position, in bytes.
    pub fn find(&self, text: &str, from: usize) -> Option<Match> {
        self.program.find(text, from)
    }
}
