//! Runs the instructions of a pattern. A stack of its own holds the points to backtrack to.

use super::{
    class::{Class, fold, is_word},
    parse::Assertion,
};

#[derive(Clone, Debug)]
pub enum Instruction {
    Character(char),
    /// A letter in any case.
    Folded(char),
    Any {
        line_ends: bool,
    },
    Class(usize),
    Split {
        first: usize,
        then: usize,
    },
    Jump(usize),
    /// Stores the position in a slot.
    Save(usize),
    /// Continues a loop, unless its last turn matched nothing.
    Progress {
        slot: usize,
        start: usize,
    },
    /// Matches the instructions up to `end` without trying alternatives later.
    Atomic {
        end: usize,
    },
    Look {
        end: usize,
        behind: bool,
        negated: bool,
    },
    Reference {
        groups: Vec<usize>,
        ignore_case: bool,
    },
    Call(usize),
    /// Returns from a call of the group, if it was called.
    Return(usize),
    Assert(Assertion),
    Match,
}

pub struct Program {
    pub code: Vec<Instruction>,
    pub classes: Vec<Class>,
    pub slots: usize,
    pub groups: usize,
    pub longest: bool,
    pub not_empty: bool,
}

/// Positions of a match and its groups, in bytes.
pub struct Match {
    pub start: usize,
    pub end: usize,
    pub groups: Vec<Option<(usize, usize)>>,
}

/// A state to backtrack to.
enum Back {
    Branch {
        at: usize,
        place: usize,
        calls: usize,
    },
    Slot {
        slot: usize,
        old: Option<usize>,
    },
    /// The calls that were active.
    Calls(Vec<Called>),
}

/// An active call of a group.
#[derive(Clone, Copy)]
struct Called {
    /// The instruction to continue with.
    back: usize,
    /// The start of the enclosing call, when a group calls itself.
    outer_start: Option<usize>,
}

struct Run<'r> {
    program: &'r Program,
    text: &'r str,
    search_start: usize,
    slots: Vec<Option<usize>>,
    calls: Vec<Called>,
}

impl Program {
    pub fn find(&self, text: &str, from: usize) -> Option<Match> {
        let first = match self.code.first() {
            Some(Instruction::Character(character)) => Some(*character),
            _ => None,
        };
        let mut start = from;
        loop {
            if let Some(first) = first {
                start += text.get(start..)?.find(first)?;
            }
            let mut run =
                Run { program: self, text, search_start: from, slots: vec![None; self.slots], calls: Vec::new() };
            if let Some(end) = run.run(0, start, None) {
                let groups = (1..=self.groups).map(|group| Some((run.slots[2 * group]?, run.slots[2 * group + 1]?)));
                return Some(Match { start: run.slots[0].unwrap_or(start), end, groups: groups.collect() });
            }
            start += text.get(start..)?.chars().next()?.len_utf8();
        }
    }
}

impl Run<'_> {
    fn next(&self, place: usize) -> Option<char> {
        self.text[place..].chars().next()
    }

    fn before(&self, place: usize) -> Option<char> {
        self.text[..place].chars().next_back()
    }

    /// Runs from an instruction to a `Match`, which has to be at `must_end` if that is given. The positions that were
    /// stored are kept when it matches.
    fn run(&mut self, start: usize, from: usize, must_end: Option<usize>) -> Option<usize> {
        let mut stack: Vec<Back> = Vec::new();
        let (mut at, mut place) = (start, from);
        let outermost = start == 0 && must_end.is_none();
        let mut longest: Option<(usize, Vec<Option<usize>>)> = None;
        let program = self.program;
        loop {
            let goes_on = match &program.code[at] {
                Instruction::Match => {
                    let is_end =
                        must_end.is_none_or(|end| end == place) && !(outermost && program.not_empty && place == from);
                    if is_end && !(outermost && program.longest) {
                        return Some(place);
                    }
                    if is_end && longest.as_ref().is_none_or(|(end, _)| *end < place) {
                        longest = Some((place, self.slots.clone()));
                    }
                    None
                }
                Instruction::Character(character) => {
                    let rest = self.text.as_bytes().get(place).copied();
                    let found = if character.is_ascii() {
                        rest == Some(*character as u8)
                    } else {
                        self.next(place) == Some(*character)
                    };
                    found.then(|| (at + 1, place + character.len_utf8()))
                }
                Instruction::Folded(character) => self
                    .next(place)
                    .filter(|next| fold(*next) == *character)
                    .map(|next| (at + 1, place + next.len_utf8())),
                Instruction::Any { line_ends } => self
                    .next(place)
                    .filter(|next| *line_ends || *next != '\n')
                    .map(|next| (at + 1, place + next.len_utf8())),
                Instruction::Class(class) => self
                    .next(place)
                    .filter(|next| program.classes[*class].contains(*next))
                    .map(|next| (at + 1, place + next.len_utf8())),
                Instruction::Split { first, then } => {
                    stack.push(Back::Branch { at: *then, place, calls: self.calls.len() });
                    Some((*first, place))
                }
                Instruction::Jump(to) => Some((*to, place)),
                Instruction::Save(slot) => {
                    stack.push(Back::Slot { slot: *slot, old: self.slots[*slot] });
                    self.slots[*slot] = Some(place);
                    Some((at + 1, place))
                }
                Instruction::Progress { slot, start } => {
                    Some((if self.slots[*slot] == Some(place) { at + 1 } else { *start }, place))
                }
                Instruction::Atomic { end } => {
                    let before = self.slots.clone();
                    let matched = self.run(at + 1, place, None);
                    self.remember(before, matched.is_some(), &mut stack);
                    matched.map(|place| (*end, place))
                }
                Instruction::Look { end, behind, negated } => {
                    let before = self.slots.clone();
                    let matched = if *behind {
                        let starts = self.text[..place].char_indices().map(|(start, _)| start).rev();
                        [place].into_iter().chain(starts).any(|start| self.run(at + 1, start, Some(place)).is_some())
                    } else {
                        self.run(at + 1, place, None).is_some()
                    };
                    self.remember(before, matched && !negated, &mut stack);
                    (matched != *negated).then_some((*end, place))
                }
                Instruction::Reference { groups, ignore_case } => {
                    self.reference(groups, *ignore_case, place).map(|place| (at + 1, place))
                }
                Instruction::Call(group) => {
                    const DEEPEST: usize = 10_000;
                    stack.push(Back::Calls(self.calls.clone()));
                    self.calls.push(Called { back: at + 1, outer_start: self.open_start(*group) });
                    (self.calls.len() < DEEPEST).then_some((*group, place))
                }
                Instruction::Return(group) => {
                    let called = self.calls.last().copied().filter(|called| {
                        matches!(&program.code[called.back - 1], Instruction::Call(to)
                            if matches!(&program.code[*to], Instruction::Save(slot) if *slot == 2 * group))
                    });
                    match called {
                        Some(Called { back, outer_start }) => {
                            stack.push(Back::Calls(self.calls.clone()));
                            self.calls.pop();
                            if let Some(start) = outer_start {
                                stack.push(Back::Slot { slot: 2 * group, old: self.slots[2 * group] });
                                self.slots[2 * group] = Some(start);
                            }
                            Some((back, place))
                        }
                        None => Some((at + 1, place)),
                    }
                }
                Instruction::Assert(assertion) => self.holds(*assertion, place).then_some((at + 1, place)),
            };
            match goes_on.or_else(|| self.back(&mut stack)) {
                Some(next) => (at, place) = next,
                None => {
                    let (end, slots) = longest?;
                    self.slots = slots;
                    return Some(end);
                }
            }
        }
    }

    /// The start of a group that hasn't ended, by the group's first instruction.
    fn open_start(&self, begins: usize) -> Option<usize> {
        let Instruction::Save(slot) = self.program.code[begins] else { return None };
        let start = self.slots[slot]?;
        self.slots[slot + 1].is_none_or(|end| end < start).then_some(start)
    }

    /// Stores how to undo what an inner run has stored, or undoes it now.
    fn remember(&mut self, before: Vec<Option<usize>>, keep: bool, stack: &mut Vec<Back>) {
        if !keep {
            self.slots = before;
            return;
        }
        for (slot, old) in before.into_iter().enumerate() {
            if self.slots[slot] != old {
                stack.push(Back::Slot { slot, old });
            }
        }
    }

    fn back(&mut self, stack: &mut Vec<Back>) -> Option<(usize, usize)> {
        loop {
            match stack.pop()? {
                Back::Branch { at, place, calls } => {
                    self.calls.truncate(calls);
                    return Some((at, place));
                }
                Back::Slot { slot, old } => self.slots[slot] = old,
                Back::Calls(calls) => self.calls = calls,
            }
        }
    }

    /// Matches the text of a group again. Returns its end.
    fn reference(&self, groups: &[usize], ignore_case: bool, place: usize) -> Option<usize> {
        groups.iter().rev().find_map(|group| {
            let matched = &self.text[self.slots[2 * group]?..self.slots[2 * group + 1]?];
            let rest = &self.text[place..];
            if !ignore_case {
                return rest.starts_with(matched).then(|| place + matched.len());
            }
            let mut end = place;
            for character in matched.chars() {
                let next = self.next(end).filter(|next| fold(*next) == fold(character))?;
                end += next.len_utf8();
            }
            Some(end)
        })
    }

    fn holds(&self, assertion: Assertion, place: usize) -> bool {
        let at_end = place == self.text.len();
        match assertion {
            Assertion::TextStart => place == 0,
            Assertion::TextEnd => at_end,
            Assertion::LastLineEnd => at_end || (place + 1 == self.text.len() && self.text.ends_with('\n')),
            Assertion::LineStart => place == 0 || (self.before(place) == Some('\n') && !at_end),
            Assertion::LineEnd => at_end || self.next(place) == Some('\n'),
            Assertion::SearchStart => place == self.search_start,
            Assertion::Boundary | Assertion::NoBoundary => {
                let before = self.before(place).is_some_and(is_word);
                let after = self.next(place).is_some_and(is_word);
                (before != after) == (assertion == Assertion::Boundary)
            }
        }
    }
}
