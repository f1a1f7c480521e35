//! Runs a filter with all its alternatives, in jq's order and as lazily. A stack of forks holds the alternatives to
//! try, and a chain of frames holds what is to be done with an output. No function recurses with the filter's depth.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    arithmetic::{self, Raises, raise},
    code::{Code, Id, Node, Then},
    direct::{self, Direct, iterated},
    environment::{Environment, Slot, State},
    frame::{Cursor, Fork, Kind, Rest, Updated},
    map::Map,
    place,
    track::Track,
    value::Val,
};

/// The machine's next step.
enum Next {
    Evaluate(Id, Environment, Cursor, Rest),
    /// Passes an output to the next frame.
    Give(Cursor, Rest),
    /// Takes the newest fork.
    Back,
    Raise(Val),
    /// Leaves the body of a label.
    Break(u64),
}

pub struct Machine<'c> {
    direct: Direct<'c>,
    forks: Vec<Fork>,
    labels: u64,
    start: Option<(Id, Val)>,
}

impl<'c> Machine<'c> {
    pub fn new(code: &'c Code, filter: Id, input: Val) -> Self {
        Self { direct: Direct { code }, forks: Vec::new(), labels: 0, start: Some((filter, input)) }
    }

    fn step(&mut self, next: Next) -> Next {
        let next = match next {
            Next::Evaluate(id, environment, input, rest) => self.evaluate(id, environment, input, rest),
            Next::Give(output, rest) => match rest.take() {
                Some((kind, rest)) => self.give(kind, output, rest),
                None => Ok(Next::Give(output, Rest::default())),
            },
            Next::Back => self.back(),
            Next::Raise(error) => Ok(self.raise(error)),
            Next::Break(label) => {
                while let Some(fork) = self.forks.pop() {
                    if matches!(fork, Fork::Label(other) if other == label) {
                        break;
                    }
                }
                Ok(Next::Back)
            }
        };
        next.unwrap_or_else(Next::Raise)
    }

    fn evaluate(&mut self, id: Id, environment: Environment, input: Cursor, rest: Rest) -> Raises<Next> {
        let code = self.direct.code;
        if input.track.is_none() && code.is_single(id) {
            let value = self.direct.single_owned(id, &environment, input.value)?;
            return Ok(Next::Give(Cursor::untracked(value), rest));
        }
        Ok(match code.node(id) {
            Node::Identity => Next::Give(input, rest),
            Node::Empty => Next::Back,
            Node::Error => Next::Raise(input.value),
            Node::Constant(value) => Next::Give(input.with(value.clone()), rest),
            Node::Variable(above) => Next::Give(input.with(environment.value(*above)), rest),
            Node::Parameter(above) => match environment.slot(*above) {
                Some(Slot::Closure(id, inner)) => Next::Evaluate(*id, inner.clone(), input, rest),
                _ => return raise("a parameter has no argument"),
            },
            Node::Pipe(first, then) => {
                let rest = rest.then(Kind::Pipe(*then, environment.clone()));
                Next::Evaluate(*first, environment, input, rest)
            }
            Node::Comma(first, then) => {
                self.forks.push(Fork::Evaluate(*then, environment.clone(), input.clone(), rest.clone()));
                Next::Evaluate(*first, environment, input, rest)
            }
            Node::Index { key, .. } => {
                self.part(*key, Kind::Key(id, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Slice { from, .. } => match from {
                Some(from) => {
                    self.part(*from, Kind::From(id, environment.clone(), input.clone()), rest, &environment, &input)
                }
                None => return self.give(Kind::From(id, environment, input.clone()), input.with(Val::Null), rest),
            },
            Node::Each { of, optional } => Next::Evaluate(*of, environment, input, rest.then(Kind::Each(*optional))),
            Node::Try { body, catch } => {
                let mark = self.forks.len();
                self.forks.push(Fork::Try(*catch, environment.clone(), input.track.clone(), rest.clone()));
                Next::Evaluate(*body, environment, input, rest.then(Kind::LeaveTry(mark)))
            }
            Node::Binary(_, _, right) => {
                self.part(*right, Kind::Right(id, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Negate(inner) => self.part(*inner, Kind::Negate(input.clone()), rest, &environment, &input),
            Node::And(left, _) | Node::Or(left, _) => {
                self.part(*left, Kind::Left(id, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Alternative(left, right) => {
                let found = Rc::new(Cell::new(false));
                let otherwise = (*right, environment.clone(), input.clone(), rest.clone());
                self.forks.push(Fork::Alternative(Rc::clone(&found), otherwise));
                Next::Evaluate(*left, environment, input, rest.then(Kind::Alternative(found)))
            }
            Node::If { condition, .. } => self.part(
                *condition,
                Kind::Condition(id, environment.clone(), input.clone()),
                rest,
                &environment,
                &input,
            ),
            Node::Array(items) => {
                let list = Rc::new(RefCell::new(Vec::new()));
                self.forks.push(Fork::Array(Rc::clone(&list), input.track.clone(), rest));
                Next::Evaluate(*items, environment, input, Rest::default().then(Kind::Push(list)))
            }
            Node::Object(_) => self.member(id, 0, Rc::default(), environment, input, rest)?,
            Node::Text(parts) => self.text_part(id, parts.len(), Vec::new(), environment, input, rest),
            Node::Bind { source, body } => {
                self.part(*source, Kind::Bind(*body, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Patterns(_) => self.pattern(id, 0, environment, input, rest),
            Node::Rebind { up, variables, body } => {
                let values =
                    variables.iter().map(|above| above.map(|above| environment.value(above)).unwrap_or_default());
                let environment = values.fold(environment.up(*up), |below, value| below.with_value(value));
                Next::Evaluate(*body, environment, input, rest)
            }
            Node::Fold { start, .. } => {
                let rest = rest.then(Kind::Start(id, environment.clone(), input.clone()));
                Next::Evaluate(*start, environment, input, rest)
            }
            Node::Step { slot, body, .. } => {
                let state = environment.state(*slot);
                let old = input.with(state.take());
                let rest = rest.then(Kind::Step(id, environment.clone(), state));
                Next::Evaluate(*body, environment, old, rest)
            }
            Node::Label(body) => {
                self.labels += 1;
                self.forks.push(Fork::Label(self.labels));
                Next::Evaluate(*body, environment.with(Slot::Label(self.labels)), input, rest)
            }
            Node::Break(above) => match environment.slot(*above) {
                Some(Slot::Label(label)) => Next::Break(*label),
                _ => return raise("a label is missing"),
            },
            Node::Call { function, up, arguments } => {
                let function = code.functions[*function as usize];
                let inner = arguments
                    .iter()
                    .fold(environment.up(*up), |inner, argument| inner.with(self.closure(*argument, &environment)));
                Next::Evaluate(function.body, inner, input, rest)
            }
            Node::Native { native, arguments } => {
                let values = vec![Val::Null; arguments.len() + 1];
                self.argument(id, *native, arguments.len(), values, environment, input, rest)?
            }
            Node::Path(paths) => {
                let tracked = Cursor { track: Track::start(&input.value), value: input.value.clone() };
                Next::Evaluate(*paths, environment, tracked, rest.then(Kind::Path(input.track)))
            }
            Node::GetPath(path) => self.part(*path, Kind::GetPath(input.clone()), rest, &environment, &input),
            Node::Range { from, .. } => {
                self.part(*from, Kind::RangeFrom(id, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Assign { value, .. } | Node::ModifyWith { value, .. } => {
                self.part(*value, Kind::Update(id, environment.clone(), input.clone()), rest, &environment, &input)
            }
            Node::Modify { paths, update } => {
                self.modify(*paths, *update, environment.clone(), environment, input, rest)
            }
        })
    }

    /// The closure of an argument. A parameter that is passed on isn't wrapped again.
    fn closure(&self, argument: Id, environment: &Environment) -> Slot {
        match self.direct.code.node(argument) {
            Node::Parameter(above) => match environment.slot(*above) {
                Some(slot) => slot.clone(),
                None => Slot::Closure(argument, environment.clone()),
            },
            _ => Slot::Closure(argument, environment.clone()),
        }
    }

    /// Evaluates a part whose outputs are values without paths.
    fn part(&self, id: Id, kind: Kind, rest: Rest, environment: &Environment, input: &Cursor) -> Next {
        Next::Evaluate(id, environment.clone(), Cursor::untracked(input.value.clone()), rest.then(kind))
    }

    fn give(&mut self, kind: Kind, output: Cursor, rest: Rest) -> Raises<Next> {
        let code = self.direct.code;
        Ok(match kind {
            Kind::Pipe(then, environment) => Next::Evaluate(then, environment, output, rest),
            Kind::Key(id, environment, input) => match code.node(id) {
                Node::Index { of, optional, .. } => {
                    Next::Evaluate(*of, environment, input, rest.then(Kind::Index(output.value, *optional)))
                }
                _ => Next::Back,
            },
            Kind::From(id, environment, input) => match code.node(id) {
                Node::Slice { to: Some(to), .. } => {
                    let kind = Kind::To(id, output.value, environment.clone(), input.clone());
                    self.part(*to, kind, rest, &environment, &input)
                }
                _ => {
                    let kind = Kind::To(id, output.value, environment, input.clone());
                    return self.give(kind, input.with(Val::Null), rest);
                }
            },
            Kind::To(id, from, environment, input) => match code.node(id) {
                Node::Slice { of, optional, .. } => {
                    let key = place::slice_key(from, output.value);
                    Next::Evaluate(*of, environment, input, rest.then(Kind::Index(key, *optional)))
                }
                _ => Next::Back,
            },
            Kind::Index(key, optional) => match output.index(key) {
                Ok(output) => Next::Give(output, rest),
                Err(_) if optional => Next::Back,
                Err(error) => return Err(error),
            },
            Kind::Each(optional) => match &output.value {
                Val::Array(_) | Val::Object(_) => {
                    if let Some(track) = &output.track {
                        track.check(&output.value, || "iterate through".to_owned())?;
                    }
                    self.forks.push(Fork::Each(output, 0, rest));
                    Next::Back
                }
                _ if optional => Next::Back,
                other => return raise(format!("Cannot iterate over {}", iterated(other))),
            },
            Kind::LeaveTry(mark) => {
                // Later errors are outside of the `try`.
                if mark + 1 == self.forks.len() {
                    self.forks.pop();
                } else {
                    self.forks.push(Fork::LeftTry(mark));
                }
                Next::Give(output, rest)
            }
            Kind::Right(id, environment, input) => match code.node(id) {
                Node::Binary(operator, left, _) => {
                    let kind = Kind::Operate(*operator, output.value, input.track.clone());
                    self.part(*left, kind, rest, &environment, &input)
                }
                _ => Next::Back,
            },
            Kind::Operate(operator, right, track) => {
                let value = arithmetic::binary(operator, output.value, right)?;
                Next::Give(Cursor { value, track }, rest)
            }
            Kind::Negate(input) => Next::Give(input.with(arithmetic::negate(&output.value)?), rest),
            Kind::Left(id, environment, input) => match (code.node(id), output.value.is_true()) {
                (Node::And(..), false) => Next::Give(input.with(Val::Bool(false)), rest),
                (Node::Or(..), true) => Next::Give(input.with(Val::Bool(true)), rest),
                (Node::And(_, right) | Node::Or(_, right), _) => {
                    self.part(*right, Kind::Truth(input.clone()), rest, &environment, &input)
                }
                _ => Next::Back,
            },
            Kind::Truth(input) => {
                let is_true = output.value.is_true();
                Next::Give(input.with(Val::Bool(is_true)), rest)
            }
            Kind::Alternative(found) => {
                if !output.value.is_true() {
                    return Ok(Next::Back);
                }
                found.set(true);
                Next::Give(output, rest)
            }
            Kind::Condition(id, environment, input) => match code.node(id) {
                Node::If { then, otherwise, .. } => {
                    let branch = if output.value.is_true() { then } else { otherwise };
                    Next::Evaluate(*branch, environment, input, rest)
                }
                _ => Next::Back,
            },
            Kind::Push(list) => {
                list.borrow_mut().push(output.value);
                Next::Back
            }
            Kind::MemberName(id, place, members, environment, input) => match code.node(id) {
                Node::Object(parts) => {
                    let name = direct::name(&output.value)?;
                    let kind = Kind::MemberValue(id, place, members, name, environment.clone(), input.clone());
                    self.part(parts[place].1, kind, rest, &environment, &input)
                }
                _ => Next::Back,
            },
            Kind::MemberValue(id, place, mut members, name, environment, input) => {
                Rc::make_mut(&mut members).insert(name, output.value);
                self.member(id, place + 1, members, environment, input, rest)?
            }
            Kind::Part(id, place, mut texts, environment, input) => {
                texts.push(output.value);
                self.text_part(id, place, texts, environment, input, rest)
            }
            Kind::Bind(body, environment, input) => {
                Next::Evaluate(body, environment.with_value(output.value), input, rest)
            }
            Kind::Start(id, environment, input) => match code.node(id) {
                Node::Fold { source, .. } => {
                    let state: State = Rc::new(RefCell::new(output.value));
                    let input = Cursor { value: input.value, track: output.track };
                    let kind = Kind::Item(id, environment.with(Slot::State(Rc::clone(&state))));
                    self.forks.push(Fork::Folded(id, state, input.track.clone(), rest.clone()));
                    Next::Evaluate(*source, environment, input, rest.then(kind))
                }
                _ => Next::Back,
            },
            Kind::Item(id, folding) => match code.node(id) {
                Node::Fold { step, .. } => {
                    let item = folding.with_value(output.value);
                    let rest = if self.is_reduce(*step) { Rest::default().then(Kind::Stop) } else { rest };
                    Next::Evaluate(*step, item, Cursor { value: Val::Null, track: output.track }, rest)
                }
                _ => Next::Back,
            },
            Kind::Stop => Next::Back,
            Kind::Step(id, environment, state) => {
                state.replace(output.value.clone());
                match code.node(id) {
                    Node::Step { then: Then::Emit, .. } => Next::Give(output, rest),
                    Node::Step { then: Then::Extract(extract), .. } => {
                        Next::Evaluate(*extract, environment, output, rest)
                    }
                    _ => Next::Back,
                }
            }
            Kind::Argument(id, native, place, mut values, environment, input) => {
                values[place] = output.value;
                self.argument(id, native, place - 1, values, environment, input, rest)?
            }
            Kind::Path(outer) => {
                let path = match &output.track {
                    Some(track) => track.end(&output.value)?,
                    None => Val::array(Vec::new()),
                };
                Next::Give(Cursor { value: path, track: outer }, rest)
            }
            Kind::GetPath(input) => match output.value {
                Val::Array(path) => Next::Give(input.get_path(&path)?, rest),
                _ => return raise("Path must be specified as an array"),
            },
            Kind::RangeFrom(id, environment, input) => match code.node(id) {
                Node::Range { to, .. } => {
                    let kind = Kind::RangeTo(output.value, input.track.clone());
                    self.part(*to, kind, rest, &environment, &input)
                }
                _ => Next::Back,
            },
            Kind::RangeTo(from, track) => {
                let (from, to) = direct::range(&from, &output.value)?;
                self.forks.push(Fork::Range(from, to, track, rest));
                Next::Back
            }
            Kind::Update(id, environment, input) => match code.node(id) {
                Node::Assign { paths, .. } => {
                    let state = Rc::new(RefCell::new(Updated { value: input.value.clone(), deleted: Vec::new() }));
                    self.forks.push(Fork::Updated(Rc::clone(&state), input.track.clone(), rest));
                    let rest = Rest::default().then(Kind::Assign(state, output.value));
                    self.evaluate_paths(*paths, environment, input.value, rest)
                }
                Node::ModifyWith { paths, update, .. } => {
                    let inner = environment.with_value(output.value);
                    self.modify(*paths, *update, environment, inner, input, rest)
                }
                _ => Next::Back,
            },
            Kind::Assign(state, value) => {
                let Val::Array(path) = output.value else { return Ok(Next::Back) };
                let mut state = state.borrow_mut();
                let old = std::mem::take(&mut state.value);
                state.value = place::set_path(old, &path, &value)?;
                Next::Back
            }
            Kind::ModifyAt(state, update, environment) => {
                let Val::Array(path) = output.value else { return Ok(Next::Back) };
                let old = place::get_path(&state.borrow().value, &path)?;
                let mark = self.forks.len();
                self.forks.push(Fork::Deleted(Rc::clone(&state), Rc::clone(&path)));
                let rest = Rest::default().then(Kind::Modified(state, path, mark));
                Next::Evaluate(update, environment, Cursor::untracked(old), rest)
            }
            Kind::Modified(state, path, mark) => {
                // The first output counts.
                self.forks.truncate(mark);
                let mut state = state.borrow_mut();
                let old = std::mem::take(&mut state.value);
                state.value = place::set_path(old, &path, &output.value)?;
                Next::Back
            }
        })
    }

    fn evaluate_paths(&self, paths: Id, environment: Environment, value: Val, rest: Rest) -> Next {
        let tracked = Cursor { track: Track::start(&value), value };
        Next::Evaluate(paths, environment, tracked, rest.then(Kind::Path(None)))
    }

    fn modify(
        &mut self,
        paths: Id,
        update: Id,
        environment: Environment,
        inner: Environment,
        input: Cursor,
        rest: Rest,
    ) -> Next {
        let state = Rc::new(RefCell::new(Updated { value: input.value.clone(), deleted: Vec::new() }));
        self.forks.push(Fork::Updated(Rc::clone(&state), input.track, rest));
        let rest = Rest::default().then(Kind::ModifyAt(state, update, inner));
        self.evaluate_paths(paths, environment, input.value, rest)
    }

    fn member(
        &mut self,
        id: Id,
        place: usize,
        members: Rc<Map>,
        environment: Environment,
        input: Cursor,
        rest: Rest,
    ) -> Raises<Next> {
        let Node::Object(parts) = self.direct.code.node(id) else { return Ok(Next::Back) };
        let Some((key, _)) = parts.get(place) else {
            return Ok(Next::Give(input.with(Val::Object(members)), rest));
        };
        let kind = Kind::MemberName(id, place, members, environment.clone(), input.clone());
        Ok(self.part(*key, kind, rest, &environment, &input))
    }

    /// Texts are joined from their ends, as in jq.
    fn text_part(
        &mut self,
        id: Id,
        place: usize,
        texts: Vec<Val>,
        environment: Environment,
        input: Cursor,
        rest: Rest,
    ) -> Next {
        let Node::Text(parts) = self.direct.code.node(id) else { return Next::Back };
        let Some(place) = place.checked_sub(1) else { return Next::Give(input.with(direct::join(&texts)), rest) };
        let kind = Kind::Part(id, place, texts, environment.clone(), input.clone());
        self.part(parts[place], kind, rest, &environment, &input)
    }

    /// Evaluates the arguments of a native function, the last one first.
    #[expect(clippy::too_many_arguments, reason = "what a frame holds")]
    fn argument(
        &mut self,
        id: Id,
        native: crate::natives::Native,
        place: usize,
        mut values: Vec<Val>,
        environment: Environment,
        input: Cursor,
        rest: Rest,
    ) -> Raises<Next> {
        if place == 0 {
            values[0] = input.value.clone();
            return Ok(Next::Give(input.with(native(&values)?), rest));
        }
        let Node::Native { arguments, .. } = self.direct.code.node(id) else { return Ok(Next::Back) };
        let kind = Kind::Argument(id, native, place, values, environment.clone(), input.clone());
        Ok(self.part(arguments[place - 1], kind, rest, &environment, &input))
    }

    /// Tries one of several patterns. An error in it, or in the body, leads to the next one.
    fn pattern(&mut self, id: Id, place: usize, environment: Environment, input: Cursor, rest: Rest) -> Next {
        let Node::Patterns(patterns) = self.direct.code.node(id) else { return Next::Back };
        if place + 1 < patterns.len() {
            self.forks.push(Fork::Pattern(id, place + 1, environment.clone(), input.clone(), rest.clone()));
        }
        Next::Evaluate(patterns[place], environment, input, rest)
    }

    fn back(&mut self) -> Raises<Next> {
        let Some(fork) = self.forks.last_mut() else { return Ok(Next::Back) };
        // Forks with more alternatives stay.
        match fork {
            Fork::Each(of, place, rest) => {
                if let Some((key, value)) = of.child(*place) {
                    *place += 1;
                    let output = of.child_at(key, value);
                    let rest = rest.clone();
                    return Ok(Next::Give(output, rest));
                }
            }
            Fork::Range(at, to, track, rest) if *at < *to => {
                let output = Cursor { value: Val::Num(*at), track: track.clone() };
                *at += 1.0;
                let rest = rest.clone();
                return Ok(Next::Give(output, rest));
            }
            _ => {}
        }
        let Some(fork) = self.forks.pop() else { return Ok(Next::Back) };
        Ok(match fork {
            Fork::Evaluate(id, environment, input, rest) => Next::Evaluate(id, environment, input, rest),
            Fork::Alternative(found, (id, environment, input, rest)) => {
                if found.get() {
                    Next::Back
                } else {
                    Next::Evaluate(id, environment, input, rest)
                }
            }
            Fork::Array(list, track, rest) => {
                let value = Val::array(list.take());
                Next::Give(Cursor { value, track }, rest)
            }
            Fork::Folded(id, state, track, rest) => match self.direct.code.node(id) {
                Node::Fold { step, .. } if self.is_reduce(*step) => {
                    Next::Give(Cursor { value: state.take(), track }, rest)
                }
                _ => Next::Back,
            },
            Fork::Updated(state, track, rest) => {
                let Updated { value, deleted } = state.take();
                let value = if deleted.is_empty() { value } else { place::delete_paths(value, &deleted)? };
                Next::Give(Cursor { value, track }, rest)
            }
            Fork::Deleted(state, path) => {
                state.borrow_mut().deleted.push(Val::Array(path));
                Next::Back
            }
            Fork::Try(..)
            | Fork::LeftTry(_)
            | Fork::Label(_)
            | Fork::Pattern(..)
            | Fork::Each(..)
            | Fork::Range(..) => Next::Back,
        })
    }

    /// Whether each item of a fold leads to one next state and no output.
    fn is_reduce(&self, step: Id) -> bool {
        match self.direct.code.node(step) {
            Node::Bind { body, .. } | Node::Rebind { body, .. } => self.is_reduce(*body),
            Node::Patterns(patterns) => patterns.first().is_some_and(|pattern| self.is_reduce(*pattern)),
            Node::Step { then, .. } => matches!(then, Then::Next),
            _ => false,
        }
    }

    fn raise(&mut self, error: Val) -> Next {
        while let Some(fork) = self.forks.pop() {
            match fork {
                Fork::LeftTry(mark) => self.forks.truncate(mark),
                Fork::Try(None, ..) => return Next::Back,
                Fork::Try(Some(catch), environment, track, rest) => {
                    return Next::Evaluate(catch, environment, Cursor { value: error, track }, rest);
                }
                Fork::Pattern(id, place, environment, input, rest) => {
                    return self.pattern(id, place, environment, input, rest);
                }
                _ => {}
            }
        }
        Next::Raise(error)
    }
}

impl Iterator for Machine<'_> {
    type Item = Raises<Val>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next = match self.start.take() {
            Some((filter, input)) => {
                Next::Evaluate(filter, Environment::default(), Cursor::untracked(input), Rest::default())
            }
            None => Next::Back,
        };
        loop {
            next = match next {
                Next::Back if self.forks.is_empty() => return None,
                Next::Give(output, rest) if rest.is_empty() => return Some(Ok(output.value)),
                Next::Raise(error) if self.forks.is_empty() => return Some(Err(error)),
                next => self.step(next),
            };
        }
    }
}
