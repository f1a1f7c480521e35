//! Computes parts of a filter that have no alternatives, by recursion over the tree. It is faster than the machine and
//! handles most of what mappings contain.

use std::{cell::RefCell, rc::Rc};

use crate::{
    arithmetic::{self, Raises, describe, raise},
    code::{Code, Id, Node},
    environment::{Environment, Slot},
    map::Map,
    place,
    value::{Text, Val},
};

#[derive(Clone, Copy)]
pub struct Direct<'c> {
    pub code: &'c Code,
}

type Sink<'s> = &'s mut dyn FnMut(Val) -> Raises<()>;

impl Direct<'_> {
    /// The one output of a part that is [`Code::is_single`].
    pub fn single(&self, id: Id, environment: &Environment, input: &Val) -> Raises<Val> {
        match self.code.node(id) {
            Node::Identity => Ok(input.clone()),
            Node::Error => Err(input.clone()),
            Node::Constant(value) => Ok(value.clone()),
            Node::Variable(above) => Ok(environment.value(*above)),
            Node::Pipe(first, then) => {
                let mut then = *then;
                let mut value = self.single(*first, environment, input)?;
                while let Node::Pipe(first, rest) = self.code.node(then) {
                    value = self.single_owned(*first, environment, value)?;
                    then = *rest;
                }
                self.single_owned(then, environment, value)
            }
            Node::Index { of, key, .. } => match (self.code.node(*of), self.code.node(*key)) {
                (Node::Identity, Node::Constant(key)) => place::get(input, key),
                (Node::Identity, _) => place::get(input, &self.single(*key, environment, input)?),
                _ => {
                    let key = self.single(*key, environment, input)?;
                    place::get(&self.single(*of, environment, input)?, &key)
                }
            },
            Node::Slice { of, from, to, .. } => {
                let bound =
                    |bound: &Option<Id>| bound.map_or(Ok(Val::Null), |bound| self.single(bound, environment, input));
                let (from, to) = (bound(from)?, bound(to)?);
                place::slice(&self.single(*of, environment, input)?, &from, &to)
            }
            Node::Binary(operator, left, right) => {
                let right = self.single(*right, environment, input)?;
                let left = self.single(*left, environment, input)?;
                arithmetic::binary(*operator, left, right)
            }
            Node::Negate(inner) => arithmetic::negate(&self.single(*inner, environment, input)?),
            Node::And(left, right) => {
                let is_true = self.single(*left, environment, input)?.is_true()
                    && self.single(*right, environment, input)?.is_true();
                Ok(Val::Bool(is_true))
            }
            Node::Or(left, right) => {
                let is_true = self.single(*left, environment, input)?.is_true()
                    || self.single(*right, environment, input)?.is_true();
                Ok(Val::Bool(is_true))
            }
            Node::Alternative(left, right) => {
                let left = self.single(*left, environment, input)?;
                if left.is_true() { Ok(left) } else { self.single(*right, environment, input) }
            }
            Node::If { condition, then, otherwise } => {
                let branch = if self.single(*condition, environment, input)?.is_true() { then } else { otherwise };
                self.single(*branch, environment, input)
            }
            Node::Array(items) => {
                let mut list = Vec::new();
                self.stream(*items, environment, input, &mut |item| {
                    list.push(item);
                    Ok(())
                })?;
                Ok(Val::array(list))
            }
            Node::Object(members) => self.object(members, environment, input),
            Node::Text(parts) => {
                let texts: Raises<Vec<Val>> =
                    parts.iter().rev().map(|part| self.single(*part, environment, input)).collect();
                Ok(join(&texts?))
            }
            Node::Bind { source, body } => {
                let value = self.single(*source, environment, input)?;
                self.single(*body, &environment.with_value(value), input)
            }
            Node::Native { native, arguments } => {
                let mut values = vec![Val::Null; arguments.len() + 1];
                for (place, argument) in arguments.iter().enumerate().rev() {
                    values[place + 1] = self.single(*argument, environment, input)?;
                }
                values[0] = input.clone();
                native(&values)
            }
            Node::GetPath(path) => match self.single(*path, environment, input)? {
                Val::Array(path) => place::get_path(input, &path),
                _ => raise("Path must be specified as an array"),
            },
            Node::Fold { source, start, step } => {
                let state = Rc::new(RefCell::new(self.single(*start, environment, input)?));
                let folding = environment.with(Slot::State(Rc::clone(&state)));
                self.stream(*source, environment, input, &mut |item| {
                    self.single(*step, &folding.with_value(item), &Val::Null).map(drop)
                })?;
                Ok(state.take())
            }
            Node::Step { slot, body, .. } => {
                let state = environment.state(*slot);
                let old = state.take();
                let new = self.single_owned(*body, environment, old)?;
                state.replace(new);
                Ok(Val::Null)
            }
            Node::Assign { .. } | Node::Modify { .. } | Node::ModifyWith { .. } => {
                self.update(id, environment, input.clone())
            }
            _ => raise("a part of the filter was taken for another"),
        }
    }

    /// The same for an input that has no other user and may be changed in place.
    pub fn single_owned(&self, id: Id, environment: &Environment, input: Val) -> Raises<Val> {
        match self.code.node(id) {
            Node::Identity => Ok(input),
            Node::Binary(operator, left, right) => {
                let right = self.single(*right, environment, &input)?;
                let left = self.single_owned(*left, environment, input)?;
                arithmetic::binary(*operator, left, right)
            }
            Node::If { condition, then, otherwise } => {
                let branch = if self.single(*condition, environment, &input)?.is_true() { then } else { otherwise };
                self.single_owned(*branch, environment, input)
            }
            Node::Pipe(first, then) => {
                let value = self.single_owned(*first, environment, input)?;
                self.single_owned(*then, environment, value)
            }
            Node::Bind { source, body } => {
                let value = self.single(*source, environment, &input)?;
                self.single_owned(*body, &environment.with_value(value), input)
            }
            Node::Assign { .. } | Node::Modify { .. } | Node::ModifyWith { .. } => self.update(id, environment, input),
            _ => self.single(id, environment, &input),
        }
    }

    fn object(&self, members: &[(Id, Id)], environment: &Environment, input: &Val) -> Raises<Val> {
        let mut object = Map::with_capacity(members.len());
        for (key, value) in members {
            let name = name(&self.single(*key, environment, input)?)?;
            object.insert(name, self.single(*value, environment, input)?);
        }
        Ok(object.into())
    }

    /// Updates the one place that the paths describe.
    fn update(&self, id: Id, environment: &Environment, input: Val) -> Raises<Val> {
        let mut path = Vec::new();
        match self.code.node(id) {
            Node::Assign { paths, value } => {
                let value = self.single(*value, environment, &input)?;
                self.place(*paths, environment, &input, &mut path)?;
                place::update_path(input, &path, &mut |_| Ok(value.clone()))
            }
            Node::Modify { paths, update } => {
                self.place(*paths, environment, &input, &mut path)?;
                place::update_path(input, &path, &mut |old| self.single_owned(*update, environment, old))
            }
            Node::ModifyWith { paths, value, update } => {
                let value = self.single(*value, environment, &input)?;
                self.place(*paths, environment, &input, &mut path)?;
                let environment = environment.with_value(value);
                place::update_path(input, &path, &mut |old| self.single_owned(*update, &environment, old))
            }
            _ => Ok(input),
        }
    }

    /// The path of a part that is [`Code::is_place`], and the value there.
    fn place(&self, id: Id, environment: &Environment, input: &Val, path: &mut Vec<Val>) -> Raises<Val> {
        match self.code.node(id) {
            Node::Index { of, key, .. } => {
                let key = self.single(*key, environment, input)?;
                let value = place::get(&self.place(*of, environment, input, path)?, &key)?;
                path.push(key);
                Ok(value)
            }
            Node::Pipe(first, then) => {
                let value = self.place(*first, environment, input, path)?;
                self.place(*then, environment, &value, path)
            }
            _ => Ok(input.clone()),
        }
    }

    /// All outputs of a part that is [`Code::is_stream`].
    pub fn stream(&self, id: Id, environment: &Environment, input: &Val, sink: Sink<'_>) -> Raises<()> {
        if self.code.is_single(id) {
            return sink(self.single(id, environment, input)?);
        }
        match self.code.node(id) {
            Node::Empty => Ok(()),
            Node::Comma(first, then) => {
                self.stream(*first, environment, input, sink)?;
                self.stream(*then, environment, input, sink)
            }
            Node::Pipe(first, then) => {
                self.stream(*first, environment, input, &mut |value| self.stream(*then, environment, &value, sink))
            }
            Node::Each { of, optional } => self.stream(*of, environment, input, &mut |of| each(&of, *optional, sink)),
            Node::Index { of, key, optional } => {
                let key = self.single(*key, environment, input)?;
                self.stream(*of, environment, input, &mut |of| match place::get(&of, &key) {
                    Ok(value) => sink(value),
                    Err(_) if *optional => Ok(()),
                    Err(error) => Err(error),
                })
            }
            Node::Slice { of, from, to, optional } => {
                let bound =
                    |bound: &Option<Id>| bound.map_or(Ok(Val::Null), |bound| self.single(bound, environment, input));
                let (from, to) = (bound(from)?, bound(to)?);
                self.stream(*of, environment, input, &mut |of| match place::slice(&of, &from, &to) {
                    Ok(value) => sink(value),
                    Err(_) if *optional => Ok(()),
                    Err(error) => Err(error),
                })
            }
            Node::If { condition, then, otherwise } => {
                let branch = if self.single(*condition, environment, input)?.is_true() { then } else { otherwise };
                self.stream(*branch, environment, input, sink)
            }
            Node::Bind { source, body } => {
                let value = self.single(*source, environment, input)?;
                self.stream(*body, &environment.with_value(value), input, sink)
            }
            Node::Range { from, to } => {
                let from = self.single(*from, environment, input)?;
                let to = self.single(*to, environment, input)?;
                let (mut at, to) = range(&from, &to)?;
                while at < to {
                    sink(Val::Num(at))?;
                    at += 1.0;
                }
                Ok(())
            }
            _ => raise("a part of the filter was taken for another"),
        }
    }
}

/// Joins texts that are listed from the last to the first.
pub fn join(texts: &[Val]) -> Val {
    Val::from(texts.iter().rev().filter_map(Val::as_text).map(|text| &**text).collect::<String>())
}

/// The member's name for a key.
pub fn name(key: &Val) -> Raises<Text> {
    match key {
        Val::Text(name) => Ok(name.clone()),
        key => raise(format!("Cannot use {} as object key", describe(key))),
    }
}

pub fn range(from: &Val, to: &Val) -> Raises<(f64, f64)> {
    match (from.as_number(), to.as_number()) {
        (Some(from), Some(to)) => Ok((from, to)),
        _ => raise("Range bounds must be numeric"),
    }
}

fn each(of: &Val, optional: bool, sink: Sink<'_>) -> Raises<()> {
    match of {
        Val::Array(items) => items.iter().try_for_each(|item| sink(item.clone())),
        Val::Object(members) => members.iter().try_for_each(|(_, value)| sink(value.clone())),
        _ if optional => Ok(()),
        other => raise(format!("Cannot iterate over {}", iterated(other))),
    }
}

/// A value that can't be iterated over, for an error message.
pub fn iterated(value: &Val) -> String {
    match value {
        Val::Null => "null (null)".to_owned(),
        value => describe(value),
    }
}
