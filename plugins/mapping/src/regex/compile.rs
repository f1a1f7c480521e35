//! Compiles a pattern to instructions.

use super::{
    Options,
    class::{Class, fold},
    parse::{Assertion, How, Parsed, Part},
    run::{Instruction, Program},
};

/// The most instructions. Repetitions are written out up to this number.
const MOST: usize = 20_000;

struct Compiler {
    code: Vec<Instruction>,
    classes: Vec<Class>,
    /// Positions that the matcher stores: two for each group, and those of loops.
    slots: usize,
    /// The first instruction of each group that is called.
    groups: Vec<Option<usize>>,
    calls: Vec<(usize, usize)>,
}

pub fn compile(parsed: &Parsed, options: Options) -> Result<Program, String> {
    let groups = parsed.names.len();
    let mut compiler = Compiler {
        code: Vec::new(),
        classes: Vec::new(),
        slots: 2 * (groups + 1),
        groups: vec![None; groups + 1],
        calls: Vec::new(),
    };
    compiler.part(&parsed.part)?;
    compiler.push(Instruction::Match)?;
    for (at, group) in std::mem::take(&mut compiler.calls) {
        compiler.code[at] = Instruction::Call(compiler.groups[group].unwrap_or_default());
    }
    let Compiler { code, classes, slots, .. } = compiler;
    Ok(Program { code, classes, slots, groups, longest: options.longest, not_empty: options.not_empty })
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<usize, String> {
        if self.code.len() >= MOST {
            return Err("the pattern is too large".to_owned());
        }
        self.code.push(instruction);
        Ok(self.code.len() - 1)
    }

    fn part(&mut self, part: &Part) -> Result<(), String> {
        match part {
            Part::Empty => {}
            Part::Character { character, ignore_case } => {
                let alone = fold(*character) == *character && !character.is_alphabetic();
                self.push(if *ignore_case && !alone {
                    Instruction::Folded(fold(*character))
                } else {
                    Instruction::Character(*character)
                })?;
            }
            Part::Any { line_ends } => drop(self.push(Instruction::Any { line_ends: *line_ends })?),
            Part::Class(class) => {
                self.classes.push(class.clone());
                self.push(Instruction::Class(self.classes.len() - 1))?;
            }
            Part::Sequence(parts) => parts.iter().try_for_each(|part| self.part(part))?,
            Part::Choice(choices) => self.choice(choices)?,
            Part::Repeat { part, least, most, how: How::Possessive } => {
                let greedy = Part::Repeat { part: part.clone(), least: *least, most: *most, how: How::Greedy };
                self.atomic(&greedy)?;
            }
            Part::Repeat { part, least, most, how } => self.repeat(part, *least, *most, *how == How::Lazy)?,
            Part::Group(group, part) => {
                // A jump skips the group's code here, so that a call can return from it.
                self.groups[*group].get_or_insert(self.code.len());
                self.push(Instruction::Save(2 * group))?;
                self.part(part)?;
                self.push(Instruction::Save(2 * group + 1))?;
                self.push(Instruction::Return(*group))?;
            }
            Part::Atomic(part) => self.atomic(part)?,
            Part::Look { part, behind, negated } => {
                let start = self.push(Instruction::Match)?;
                self.part(part)?;
                self.push(Instruction::Match)?;
                self.code[start] = Instruction::Look { end: self.code.len(), behind: *behind, negated: *negated };
            }
            Part::Reference { groups, ignore_case } => {
                self.push(Instruction::Reference { groups: groups.clone(), ignore_case: *ignore_case })?;
            }
            Part::Call(group) => {
                let at = self.push(Instruction::Match)?;
                self.calls.push((at, *group));
            }
            Part::Assert(assertion) => self.assert(*assertion)?,
            Part::Keep => drop(self.push(Instruction::Save(0))?),
        }
        Ok(())
    }

    fn assert(&mut self, assertion: Assertion) -> Result<(), String> {
        self.push(Instruction::Assert(assertion)).map(drop)
    }

    fn atomic(&mut self, part: &Part) -> Result<(), String> {
        let start = self.push(Instruction::Match)?;
        self.part(part)?;
        self.push(Instruction::Match)?;
        self.code[start] = Instruction::Atomic { end: self.code.len() };
        Ok(())
    }

    fn choice(&mut self, choices: &[Part]) -> Result<(), String> {
        let mut ends = Vec::new();
        for (place, choice) in choices.iter().enumerate() {
            if place + 1 == choices.len() {
                self.part(choice)?;
                break;
            }
            let split = self.push(Instruction::Match)?;
            self.part(choice)?;
            ends.push(self.push(Instruction::Match)?);
            self.code[split] = Instruction::Split { first: split + 1, then: self.code.len() };
        }
        let end = self.code.len();
        ends.into_iter().for_each(|at| self.code[at] = Instruction::Jump(end));
        Ok(())
    }

    fn repeat(&mut self, part: &Part, least: u32, most: Option<u32>, lazy: bool) -> Result<(), String> {
        for _ in 0..least {
            self.part(part)?;
        }
        let split = |this: &mut Self, at: usize, end: usize| {
            let (first, then) = if lazy { (end, at + 1) } else { (at + 1, end) };
            this.code[at] = Instruction::Split { first, then };
        };
        let Some(most) = most else {
            // A loop ends after a turn that matches nothing.
            let slot = self.slots;
            self.slots += 1;
            let start = self.push(Instruction::Match)?;
            self.push(Instruction::Save(slot))?;
            self.part(part)?;
            self.push(Instruction::Progress { slot, start })?;
            let end = self.code.len();
            split(self, start, end);
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in least..most {
            splits.push(self.push(Instruction::Match)?);
            self.part(part)?;
        }
        let end = self.code.len();
        splits.into_iter().for_each(|at| split(self, at, end));
        Ok(())
    }
}
