//! A parsed filter: nodes in an arena, with names resolved to slots in the environment.

use std::cell::Cell;

use crate::{natives::Native, value::Val};

/// Index of a node in the arena.
pub type Id = u32;

/// The deepest syntax tree. Parts without alternatives are evaluated by recursion over it.
pub const DEEPEST_TREE: u16 = 240;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// The operator of an update that uses the present value (`|=`, `+=`, `//=` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    Arithmetic(Operator),
    Alternative,
}

#[derive(Clone, Debug)]
pub enum Node {
    Identity,
    Empty,
    Error,
    Constant(Val),
    /// A variable, as the number of slots above it in the environment.
    Variable(u32),
    /// A function's parameter, in the same form.
    Parameter(u32),
    Pipe(Id, Id),
    Comma(Id, Id),
    /// `optional` means that a `?` follows directly, which ignores errors of this step only.
    Index {
        of: Id,
        key: Id,
        optional: bool,
    },
    Slice {
        of: Id,
        from: Option<Id>,
        to: Option<Id>,
        optional: bool,
    },
    Each {
        of: Id,
        optional: bool,
    },
    Try {
        body: Id,
        catch: Option<Id>,
    },
    Binary(Operator, Id, Id),
    Negate(Id),
    And(Id, Id),
    Or(Id, Id),
    Alternative(Id, Id),
    If {
        condition: Id,
        then: Id,
        otherwise: Id,
    },
    Array(Id),
    Object(Box<[(Id, Id)]>),
    /// A text made of several parts.
    Text(Box<[Id]>),
    /// Binds each output of `source` to a new slot for `body`.
    Bind {
        source: Id,
        body: Id,
    },
    /// Tries one pattern after the other (`?//`).
    Patterns(Box<[Id]>),
    /// Ends one pattern: the environment from `up` slots above, and these variables. A variable that the pattern
    /// doesn't bind is null.
    Rebind {
        up: u32,
        variables: Box<[Option<u32>]>,
        body: Id,
    },
    /// `reduce` and `foreach`. `step` gets the slot of the state and the slot of the item.
    Fold {
        source: Id,
        start: Id,
        step: Id,
    },
    /// Computes the next state from the state in a slot.
    Step {
        slot: u32,
        body: Id,
        then: Then,
    },
    Label(Id),
    Break(u32),
    Call {
        function: u32,
        up: u32,
        arguments: Box<[Id]>,
    },
    Native {
        native: Native,
        arguments: Box<[Id]>,
    },
    Path(Id),
    GetPath(Id),
    Range {
        from: Id,
        to: Id,
    },
    /// `paths = value`
    Assign {
        paths: Id,
        value: Id,
    },
    /// `paths |= update`
    Modify {
        paths: Id,
        update: Id,
    },
    /// `paths op= value`. `update` is an operator on the input and the newest slot.
    ModifyWith {
        paths: Id,
        value: Id,
        update: Id,
    },
}

/// What follows after a step of a fold.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The next item is processed.
    Next,
    /// The state is an output.
    Emit,
    /// This filter computes the outputs from the state.
    Extract(Id),
}

/// A definition. In its body, the parameters are the newest slots.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub body: Id,
    /// The number of slots in scope at the definition.
    pub depth: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    depth: u16,
    is_single: bool,
    /// Whether plain recursion can compute its outputs one after the other.
    is_stream: bool,
}

/// The arena of nodes and functions.
#[derive(Default)]
pub struct Code {
    nodes: Vec<Node>,
    traits: Vec<Traits>,
    pub functions: Vec<Function>,
}

impl Code {
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// Whether a node always has one output or an error, and no alternatives.
    pub fn is_single(&self, id: Id) -> bool {
        self.traits[id as usize].is_single
    }

    /// Adds a node. `None` when the tree would become too deep.
    pub fn add(&mut self, node: Node) -> Option<Id> {
        let mut traits = self.traits_of(&node);
        if traits.depth > DEEPEST_TREE {
            return None;
        }
        traits.is_stream |= traits.is_single;
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        self.traits.push(traits);
        Some(id)
    }

    fn traits_of(&self, node: &Node) -> Traits {
        let (depth, all_single, all_stream) = (Cell::new(0), Cell::new(true), Cell::new(true));
        let see = |id: Id| {
            let child = self.traits[id as usize];
            depth.set(depth.get().max(child.depth));
            all_single.set(all_single.get() && child.is_single);
            all_stream.set(all_stream.get() && child.is_stream);
        };
        let mut is_single = true;
        let mut is_stream = true;
        match node {
            Node::Identity | Node::Constant(_) | Node::Variable(_) | Node::Error => {}
            Node::Empty => is_single = false,
            Node::Parameter(_) | Node::Break(_) => (is_single, is_stream) = (false, false),
            Node::Pipe(a, b) => [*a, *b].into_iter().for_each(see),
            Node::Comma(a, b) => {
                [*a, *b].into_iter().for_each(see);
                is_single = false;
            }
            Node::Index { of, key, optional } => {
                see(*key);
                is_stream = all_single.get();
                see(*of);
                is_single = !optional;
            }
            Node::Slice { of, from, to, optional } => {
                [*from, *to].into_iter().flatten().for_each(see);
                is_stream = all_single.get();
                see(*of);
                is_single = !optional;
            }
            Node::Each { of, .. } => {
                see(*of);
                is_single = false;
            }
            Node::If { condition, then, otherwise } => {
                see(*condition);
                is_stream = all_single.get();
                [*then, *otherwise].into_iter().for_each(see);
            }
            Node::Binary(_, a, b) | Node::And(a, b) | Node::Or(a, b) | Node::Alternative(a, b) => {
                [*a, *b].into_iter().for_each(see);
                is_stream = all_single.get();
            }
            Node::Negate(inner) | Node::GetPath(inner) => {
                see(*inner);
                is_stream = all_single.get();
            }
            // An array is single when its items can be computed one after the other.
            Node::Array(inner) => {
                see(*inner);
                (is_single, is_stream) = (all_stream.get(), all_stream.get());
                all_single.set(true);
            }
            Node::Object(members) => {
                members.iter().for_each(|(key, value)| [*key, *value].into_iter().for_each(see));
                is_stream = all_single.get();
            }
            Node::Text(parts) => {
                parts.iter().for_each(|part| see(*part));
                is_stream = all_single.get();
            }
            Node::Native { arguments, .. } => {
                arguments.iter().for_each(|argument| see(*argument));
                is_stream = all_single.get();
            }
            Node::Range { from, to } => {
                [*from, *to].into_iter().for_each(see);
                is_single = false;
                is_stream = all_single.get();
            }
            Node::Bind { source, body } => {
                see(*source);
                is_stream = all_single.get();
                see(*body);
            }
            Node::Step { body, then, .. } => {
                see(*body);
                is_single = matches!(then, Then::Next);
                is_stream = false;
            }
            // A `reduce` is single when each item leads to one next state.
            Node::Fold { source, start, step } => {
                see(*source);
                let items = all_stream.get();
                [*start, *step].into_iter().for_each(see);
                is_single = items && [*start, *step].iter().all(|id| self.is_single(*id));
                is_stream = is_single;
                all_single.set(true);
            }
            // An update of a single place, which its path describes.
            Node::Assign { paths, value } | Node::Modify { paths, update: value } => {
                is_single = self.is_place(*paths);
                [*paths, *value].into_iter().for_each(see);
                is_stream = is_single && all_single.get();
            }
            Node::ModifyWith { paths, value, update } => {
                is_single = self.is_place(*paths);
                [*paths, *value, *update].into_iter().for_each(see);
                is_stream = is_single && all_single.get();
            }
            Node::Try { body, catch } => {
                see(*body);
                catch.iter().for_each(|catch| see(*catch));
                (is_single, is_stream) = (false, false);
            }
            Node::Patterns(alternatives) => {
                alternatives.iter().for_each(|id| see(*id));
                (is_single, is_stream) = (false, false);
            }
            Node::Rebind { body, .. } | Node::Label(body) | Node::Path(body) => {
                see(*body);
                (is_single, is_stream) = (false, false);
            }
            Node::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| see(*argument));
                (is_single, is_stream) = (false, false);
            }
        }
        Traits {
            depth: depth.get() + 1,
            is_single: is_single && all_single.get(),
            is_stream: is_stream && all_stream.get(),
        }
    }

    /// Whether a node describes exactly one place by a chain of keys.
    pub fn is_place(&self, id: Id) -> bool {
        match self.node(id) {
            Node::Identity => true,
            Node::Index { of, key, optional: false } => self.is_single(*key) && self.is_place(*of),
            Node::Pipe(a, b) => self.is_place(*a) && self.is_place(*b),
            _ => false,
        }
    }
}
