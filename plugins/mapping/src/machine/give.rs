//! Does with an output what its frame says.

use std::{cell::RefCell, rc::Rc};

use super::{Machine, Next};
use crate::{
    arithmetic::{self, Raises, raise},
    code::{Node, Then},
    direct::{self, iterated},
    environment::{Slot, State},
    frame::{Cursor, Fork, Kind, Rest, Updated},
    place,
    value::Val,
};

impl Machine<'_> {
    pub(super) fn give(&mut self, kind: Kind, output: Cursor, rest: Rest) -> Raises<Next> {
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
}
