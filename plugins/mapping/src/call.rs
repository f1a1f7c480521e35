//! Resolves a name with arguments: a function of the filter, a node, a native function or a standard definition.

use crate::{
    code::{Id, Node},
    lex::skip_space,
    natives,
    parse::{Parsed, Parser},
    scope::{Callee, Scope},
    standard,
    value::Val,
};

/// Functions with an effect outside the sandbox, or that read the host's state.
const HOST_EFFECTS: [&str; 17] = [
    "env",
    "now",
    "halt",
    "halt_error",
    "debug",
    "stderr",
    "input",
    "inputs",
    "input_line_number",
    "get_search_list",
    "get_jq_origin",
    "get_prog_origin",
    "modulemeta",
    "builtins",
    "repl",
    "debug_empty",
    "stderr_empty",
];

impl Parser {
    pub fn call(&mut self, name: &'static str, arguments: Vec<Id>, start: usize) -> Parsed<Id> {
        match self.scope.callee(name, arguments.len()) {
            Some(Callee::Parameter(above)) => return self.add(Node::Parameter(above)),
            Some(Callee::Function(function)) => return self.call_function(function, arguments),
            None => {}
        }
        if let Some(node) = self.built_in(name, &arguments)? {
            return self.add(node);
        }
        if let Some(native) = natives::find(name, arguments.len()) {
            return self.add(Node::Native { native, arguments: arguments.into() });
        }
        if let Some(function) = self.standard_definition(name, arguments.len())? {
            return self.call_function(function, arguments);
        }
        let arity = arguments.len();
        let message = if HOST_EFFECTS.contains(&name) {
            format!("undefined filter `{name}`: it reaches out of the sandbox")
        } else {
            format!("undefined filter `{name}/{arity}`: there is none of that name and number of arguments")
        };
        self.fail_at(start, &message)
    }

    fn call_function(&mut self, function: u32, arguments: Vec<Id>) -> Parsed<Id> {
        let up = self.scope.depth() - self.code.functions[function as usize].depth;
        self.add(Node::Call { function, up, arguments: arguments.into() })
    }

    /// Resolves a format by its name, including `@`.
    pub fn format(&mut self, name: &'static str, start: usize) -> Parsed<Id> {
        let Some(native) = natives::format(name) else {
            return self.fail_at(start, &format!("`{name}` is not a format"));
        };
        self.add(Node::Native { native, arguments: Box::default() })
    }

    /// Resolves filters that are nodes or are composed of nodes, without a call.
    fn built_in(&mut self, name: &str, arguments: &[Id]) -> Parsed<Option<Node>> {
        Ok(Some(match (name, arguments) {
            ("empty", []) => Node::Empty,
            ("error", []) => Node::Error,
            ("error", [message]) => Node::Pipe(*message, self.add(Node::Error)?),
            ("path", [paths]) => Node::Path(*paths),
            ("getpath", [path]) => Node::GetPath(*path),
            ("range", [to]) => Node::Range { from: self.add(Node::Constant(Val::Num(0.0)))?, to: *to },
            ("range", [from, to]) => {
                // As in jq, all ends are computed for each start.
                Node::Range { from: *from, to: *to }
            }
            ("map", [body]) => {
                let each = self.each()?;
                Node::Array(self.add(Node::Pipe(each, *body))?)
            }
            ("map_values", [update]) => Node::Modify { paths: self.each()?, update: *update },
            ("select", [condition]) => {
                let (then, otherwise) = (self.add(Node::Identity)?, self.add(Node::Empty)?);
                Node::If { condition: *condition, then, otherwise }
            }
            ("with_entries", [body]) => {
                let entries = self.native("to_entries", &[])?;
                let map = self.built_in("map", &[*body])?.map(|map| self.add(map)).transpose()?.unwrap_or_default();
                let from = self.native("from_entries", &[])?;
                let rest = self.add(Node::Pipe(map, from))?;
                Node::Pipe(entries, rest)
            }
            ("sort_by" | "group_by" | "unique_by" | "min_by" | "max_by", [key]) => {
                let keys = self.add(Node::Array(*key))?;
                let each = self.each()?;
                let keys = self.add(Node::Pipe(each, keys))?;
                let keys = self.add(Node::Array(keys))?;
                let native = natives::find(name, 1);
                let Some(native) = native else { return Ok(None) };
                Node::Native { native, arguments: Box::new([keys]) }
            }
            ("first", []) => self.item_at(0.0)?,
            ("last", []) => self.item_at(-1.0)?,
            ("nth", [place]) => Node::Index { of: self.add(Node::Identity)?, key: *place, optional: false },
            _ => return Ok(None),
        }))
    }

    fn item_at(&mut self, place: f64) -> Parsed<Node> {
        let key = self.add(Node::Constant(Val::Num(place)))?;
        Ok(Node::Index { of: self.add(Node::Identity)?, key, optional: false })
    }

    fn each(&mut self) -> Parsed<Id> {
        let of = self.add(Node::Identity)?;
        self.add(Node::Each { of, optional: false })
    }

    fn native(&mut self, name: &str, arguments: &[Id]) -> Parsed<Id> {
        match natives::find(name, arguments.len()) {
            Some(native) => self.add(Node::Native { native, arguments: arguments.into() }),
            None => self.fail("there is no such filter"),
        }
    }

    /// Parses a standard definition when a filter first uses it.
    fn standard_definition(&mut self, name: &'static str, arity: usize) -> Parsed<Option<u32>> {
        if let Some((.., function)) = self.reached.iter().find(|(other, takes, _)| *other == name && *takes == arity) {
            return Ok(Some(*function));
        }
        let Some(source) = standard::find(name, arity) else { return Ok(None) };
        // Its number is known before its body is parsed, for definitions that call each other.
        self.reached.push((name, arity, self.code.functions.len() as u32));
        let outside = (self.source, self.at, std::mem::take(&mut self.scope));
        let outermost = self.standard.is_none();
        self.standard.get_or_insert(self.at);
        (self.source, self.at) = (source, skip_space(source, 0));
        let function = self.definition()?;
        let (source, at, scope): (_, _, Scope) = outside;
        (self.source, self.at, self.scope) = (source, at, scope);
        if outermost {
            self.standard = None;
        }
        Ok(Some(function))
    }
}
