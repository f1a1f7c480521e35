//! Parses patterns: `as $x`, `as [$a, {b: $c}]`, and alternatives with `?//`.
//!
//! A pattern is a chain of bindings. Each part takes a value out of another value that already has a slot.

use crate::{
    code::{Id, Node},
    lex::Token,
    parse::{Parsed, Parser},
    scope::Entry,
    value::Val,
};

impl Parser {
    /// Parses the patterns after `as`, for each output of `source`. Their variables are in scope of `body`.
    pub fn patterns(&mut self, source: Id, body: impl FnOnce(&mut Self) -> Parsed<Id>) -> Parsed<Id> {
        let body = self.patterns_of_item(body)?;
        self.add(Node::Bind { source, body })
    }

    /// The same for a value that gets the next slot.
    pub fn patterns_of_item(&mut self, body: impl FnOnce(&mut Self) -> Parsed<Id>) -> Parsed<Id> {
        let item = self.scope.mark();
        let mut alternatives = Vec::new();
        loop {
            self.scope.reset(item);
            self.scope.push(Entry::Hidden);
            let below = self.scope.depth();
            let mut sources = Vec::new();
            self.pattern(item, &mut sources)?;
            alternatives.push((sources, self.scope.depth() - below, self.scope.variables_since(item)));
            if !matches!(self.peek(), Token::Symbol("?//")) {
                break;
            }
            self.at = crate::lex::skip_space(self.source, self.at + 3);
        }
        if alternatives.len() == 1 {
            let body = body(self)?;
            let (sources, ..) = alternatives.pop().unwrap_or_default();
            return self.bind_all(sources, body);
        }
        // The body has the variables of all alternatives, in one order.
        let mut names: Vec<&'static str> = Vec::new();
        for (name, _) in alternatives.iter().flat_map(|(.., variables)| variables) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        self.scope.reset(item);
        self.scope.push(Entry::Hidden);
        names.iter().for_each(|name| self.scope.push(Entry::Variable(name)));
        let body = body(self)?;
        let mut chains = Vec::new();
        for (sources, up, variables) in alternatives {
            let above = |name: &&str| variables.iter().find(|(other, _)| other == name).map(|(_, above)| *above);
            let leaf = self.add(Node::Rebind { up, variables: names.iter().map(above).collect(), body })?;
            chains.push(self.bind_all(sources, leaf)?);
        }
        self.add(Node::Patterns(chains.into()))
    }

    fn bind_all(&mut self, sources: Vec<Id>, body: Id) -> Parsed<Id> {
        sources.into_iter().rev().try_fold(body, |body, source| self.add(Node::Bind { source, body }))
    }

    /// Parses one pattern for the value at the entry `item`. Adds the values that it takes out of it to `sources`.
    fn pattern(&mut self, item: usize, sources: &mut Vec<Id>) -> Parsed<()> {
        match self.peek() {
            Token::Variable(name) => {
                self.advance();
                self.scope.rename(item, Entry::Variable(name));
                Ok(())
            }
            Token::Symbol("[") => {
                self.advance();
                let slot = self.slot(item);
                let mut place = 0;
                loop {
                    let key = self.add(Node::Constant(Val::count(place)))?;
                    let inner = self.take(slot, key, sources)?;
                    self.pattern_within(inner, sources)?;
                    place += 1;
                    if !self.eat(",") {
                        break;
                    }
                }
                self.expect("]")
            }
            Token::Symbol("{") => {
                self.advance();
                let slot = self.slot(item);
                loop {
                    self.pattern_member(slot, sources)?;
                    if !self.eat(",") {
                        break;
                    }
                }
                self.expect("}")
            }
            _ => self.fail("expected a pattern"),
        }
    }

    fn pattern_within(&mut self, item: usize, sources: &mut Vec<Id>) -> Parsed<()> {
        if sources.len() > crate::parse::DEEPEST_FILTER {
            return self.fail("the pattern has too many parts");
        }
        self.pattern(item, sources)
    }

    fn pattern_member(&mut self, slot: u32, sources: &mut Vec<Id>) -> Parsed<()> {
        let key = match self.peek() {
            Token::Variable(name) => {
                self.advance();
                let key = self.constant(name)?;
                let member = self.take(slot, key, sources)?;
                self.scope.rename(member, Entry::Variable(name));
                if !self.eat(":") {
                    return Ok(());
                }
                // The same value again, for the pattern.
                let value = self.slot(member);
                let above = self.scope.depth() - 1 - value;
                sources.push(self.add(Node::Variable(above))?);
                let again = self.scope.mark();
                self.scope.push(Entry::Hidden);
                return self.pattern_within(again, sources);
            }
            Token::Name(name) => {
                self.advance();
                self.constant(name)?
            }
            Token::Quote | Token::Format(_) => {
                let key = self.text_term()?;
                self.on_value(slot, key)?
            }
            Token::Symbol("(") => {
                self.advance();
                let key = self.query()?;
                self.expect(")")?;
                self.on_value(slot, key)?
            }
            _ => return self.fail("expected a member's name"),
        };
        self.expect(":")?;
        let member = self.take(slot, key, sources)?;
        self.pattern_within(member, sources)
    }

    /// A key is computed from the value that the pattern matches.
    fn on_value(&mut self, slot: u32, key: Id) -> Parsed<Id> {
        let value = self.add(Node::Variable(self.scope.depth() - 1 - slot))?;
        self.add(Node::Pipe(value, key))
    }

    /// Takes a part out of a value into the next slot. Returns its entry.
    fn take(&mut self, slot: u32, key: Id, sources: &mut Vec<Id>) -> Parsed<usize> {
        let of = self.add(Node::Variable(self.scope.depth() - 1 - slot))?;
        sources.push(self.add(Node::Index { of, key, optional: false })?);
        let entry = self.scope.mark();
        self.scope.push(Entry::Hidden);
        Ok(entry)
    }

    /// The slot of an entry.
    fn slot(&self, entry: usize) -> u32 {
        self.scope.slot(entry)
    }
}
