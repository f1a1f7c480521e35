//! The machine's data: the current value, the frames that still process an output, and the forks that are still to be
//! tried.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    arithmetic::Raises,
    code::{Id, Operator},
    environment::{Environment, State},
    map::Map,
    natives::Native,
    place,
    track::Track,
    value::{Text, Val},
};

/// A value, with its path when paths are tracked.
#[derive(Clone)]
pub struct Cursor {
    pub value: Val,
    pub track: Option<Rc<Track>>,
}

impl Cursor {
    pub fn untracked(value: Val) -> Self {
        Self { value, track: None }
    }

    /// A computed value. The path still describes the old value.
    pub fn with(self, value: Val) -> Self {
        Self { value, track: self.track }
    }

    pub fn index(self, key: Val) -> Raises<Self> {
        if let Some(track) = &self.track {
            track.check(&self.value, || format!("access element {}", crate::json::to_text(&key)))?;
        }
        let value = place::get(&self.value, &key)?;
        Ok(self.child_at(key, value))
    }

    pub fn child_at(&self, key: Val, value: Val) -> Self {
        let track = self.track.as_ref().map(|track| track.step(key, &value));
        Self { value, track }
    }

    pub fn get_path(self, path: &[Val]) -> Raises<Self> {
        let value = place::get_path(&self.value, path)?;
        let Some(track) = self.track else { return Ok(Self::untracked(value)) };
        track.check(&self.value, || "access an element by its path".to_owned())?;
        let track = path.iter().fold(track, |track, key| track.step(key.clone(), &value));
        Ok(Self { value, track: Some(track) })
    }

    /// Key and value of a child, by its position.
    pub fn child(&self, place: usize) -> Option<(Val, Val)> {
        match &self.value {
            Val::Array(items) => items.get(place).map(|item| (Val::count(place), item.clone())),
            Val::Object(members) => members.at(place).map(|(name, value)| (Val::Text(name.clone()), value.clone())),
            _ => None,
        }
    }
}

/// A value whose paths are updated one after the other.
#[derive(Default)]
pub struct Updated {
    pub value: Val,
    /// Paths for which an update had no output.
    pub deleted: Vec<Val>,
}

/// What is still to be done with an output: frames, the next one first.
#[derive(Clone, Default)]
pub struct Rest(Option<Rc<Frame>>);

pub struct Frame {
    kind: Kind,
    rest: Rest,
}

impl Rest {
    pub fn then(self, kind: Kind) -> Self {
        Self(Some(Rc::new(Frame { kind, rest: self })))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The next frame, and the frames after it.
    pub fn take(mut self) -> Option<(Kind, Self)> {
        self.0.take().map(|frame| match Rc::try_unwrap(frame) {
            Ok(Frame { kind, rest }) => (kind, rest),
            Err(frame) => (frame.kind.clone(), frame.rest.clone()),
        })
    }
}

/// Dropped by a loop, because a recursive filter makes chains that are too long to be dropped by recursion.
impl Drop for Rest {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(frame) = next {
            next = Rc::try_unwrap(frame).ok().and_then(|mut frame| frame.rest.0.take());
        }
    }
}

/// One step of processing an output. An `Id` is the node that the frame belongs to, and a `Cursor` is that node's
/// input.
#[derive(Clone)]
pub enum Kind {
    Pipe(Id, Environment),
    Key(Id, Environment, Cursor),
    From(Id, Environment, Cursor),
    To(Id, Val, Environment, Cursor),
    Index(Val, bool),
    Each(bool),
    /// Ends the body of the `try` whose fork is at this index.
    LeaveTry(usize),
    Right(Id, Environment, Cursor),
    Operate(Operator, Val, Option<Rc<Track>>),
    Negate(Cursor),
    Left(Id, Environment, Cursor),
    Truth(Cursor),
    Alternative(Rc<Cell<bool>>),
    Condition(Id, Environment, Cursor),
    Push(Rc<RefCell<Vec<Val>>>),
    MemberName(Id, usize, Rc<Map>, Environment, Cursor),
    MemberValue(Id, usize, Rc<Map>, Text, Environment, Cursor),
    Part(Id, usize, Vec<Val>, Environment, Cursor),
    Bind(Id, Environment, Cursor),
    Start(Id, Environment, Cursor),
    Item(Id, Environment),
    Step(Id, Environment, State),
    /// The output is stored elsewhere.
    Stop,
    Argument(Id, Native, usize, Vec<Val>, Environment, Cursor),
    Path(Option<Rc<Track>>),
    GetPath(Cursor),
    RangeFrom(Id, Environment, Cursor),
    RangeTo(Val, Option<Rc<Track>>),
    Update(Id, Environment, Cursor),
    Assign(Rc<RefCell<Updated>>, Val),
    ModifyAt(Rc<RefCell<Updated>>, Id, Environment),
    Modified(Rc<RefCell<Updated>>, Rc<Vec<Val>>, usize),
}

/// An alternative to try when there are no more outputs, or after an error.
pub enum Fork {
    Evaluate(Id, Environment, Cursor, Rest),
    Each(Cursor, usize, Rest),
    Range(f64, f64, Option<Rc<Track>>, Rest),
    Try(Option<Id>, Environment, Option<Rc<Track>>, Rest),
    /// An output has left the `try` whose fork is at this index.
    LeftTry(usize),
    Label(u64),
    Alternative(Rc<Cell<bool>>, (Id, Environment, Cursor, Rest)),
    Pattern(Id, usize, Environment, Cursor, Rest),
    Array(Rc<RefCell<Vec<Val>>>, Option<Rc<Track>>, Rest),
    Folded(Id, State, Option<Rc<Track>>, Rest),
    Updated(Rc<RefCell<Updated>>, Option<Rc<Track>>, Rest),
    /// An update at a path had no output.
    Deleted(Rc<RefCell<Updated>>, Rc<Vec<Val>>),
}
