//! Evaluates a node for one input: gives its output, or the part of it to evaluate first.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{Machine, Next};
use crate::{
    arithmetic::{Raises, raise},
    code::{Id, Node},
    direct,
    environment::{Environment, Slot},
    frame::{Cursor, Fork, Kind, Rest, Updated},
    map::Map,
    track::Track,
    value::Val,
};

impl Machine<'_> {
    pub(super) fn evaluate(&mut self, id: Id, environment: Environment, input: Cursor, rest: Rest) -> Raises<Next> {
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
    pub(super) fn part(&self, id: Id, kind: Kind, rest: Rest, environment: &Environment, input: &Cursor) -> Next {
        Next::Evaluate(id, environment.clone(), Cursor::untracked(input.value.clone()), rest.then(kind))
    }

    pub(super) fn evaluate_paths(&self, paths: Id, environment: Environment, value: Val, rest: Rest) -> Next {
        let tracked = Cursor { track: Track::start(&value), value };
        Next::Evaluate(paths, environment, tracked, rest.then(Kind::Path(None)))
    }

    pub(super) fn modify(
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

    pub(super) fn member(
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
    pub(super) fn text_part(
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
    pub(super) fn argument(
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
    pub(super) fn pattern(
        &mut self,
        id: Id,
        place: usize,
        environment: Environment,
        input: Cursor,
        rest: Rest,
    ) -> Next {
        let Node::Patterns(patterns) = self.direct.code.node(id) else { return Next::Back };
        if place + 1 < patterns.len() {
            self.forks.push(Fork::Pattern(id, place + 1, environment.clone(), input.clone(), rest.clone()));
        }
        Next::Evaluate(patterns[place], environment, input, rest)
    }
}
