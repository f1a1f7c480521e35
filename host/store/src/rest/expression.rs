//! Regular expressions, each of whose comparisons ends soon. An automaton compares them whose states are made as a text needs
//! them. An expression that needs too many for a text is refused: any other way of comparing it could take minutes.

use regex_automata::{
    Input,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson::{self, WhichCaptures},
    util::syntax,
};
use resly_rest::RestError;

/// Bytes of a compiled expression.
const SIZE: usize = 1 << 20;
/// Bytes of the automaton's states. They may be thrown away once, and be made anew, for one text.
const STATES: usize = 1 << 20;

pub(super) struct Expression {
    automaton: DFA,
    states: Cache,
}

impl Expression {
    pub fn new(pattern: &str, ignore_case: bool) -> Result<Self, RestError> {
        let states =
            DFA::config().cache_capacity(STATES).skip_cache_capacity_check(true).minimum_cache_clear_count(Some(1));
        let size = thompson::Config::new().nfa_size_limit(Some(SIZE)).which_captures(WhichCaptures::None);
        let automaton = DFA::builder()
            .configure(states)
            .thompson(size)
            .syntax(syntax::Config::new().case_insensitive(ignore_case).dot_matches_new_line(true))
            .build(pattern)
            .map_err(|_| RestError::new(400, "2201B", "invalid regular expression: it is too large"))?;
        let states = automaton.create_cache();
        Ok(Self { automaton, states })
    }

    pub fn is_match(&mut self, text: &str) -> Result<bool, RestError> {
        if self.states.clear_count() > 0 {
            self.states.reset(&self.automaton);
        }
        match self.automaton.try_search_fwd(&mut self.states, &Input::new(text).earliest(true)) {
            Ok(found) => Ok(found.is_some()),
            Err(_) => Err(RestError::too_much(format!(
                "the pattern is too complex for a text of {} bytes that it is compared with",
                text.len()
            ))
            .hint("Use fewer or smaller repetitions, or narrow the texts by another condition.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_needs_too_many_states_is_refused() {
        let mut text = String::new();
        let mut random = 1_u32;
        for _ in 0..1_000_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(if random >> 31 == 0 { 'a' } else { 'b' });
        }
        let mut large = Expression::new(&format!("a{}[c-z]", "[ab]{255}".repeat(12)), false).unwrap();
        assert_eq!(large.is_match(&text).unwrap_err().code, "54000");
        assert!(!large.is_match("abab").unwrap(), "it still serves short texts");
        let mut small = Expression::new("a(a|b)*[0-9]+x?$", false).unwrap();
        assert!(!small.is_match(&text).unwrap());
        text.push('7');
        assert!(small.is_match(&text).unwrap());
        assert!(Expression::new(".ÄPFEL$", true).unwrap().is_match("\näpfel").unwrap());
    }
}
