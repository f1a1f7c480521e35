//! Parses terms, the steps after them, and what stands between brackets or keywords.

use super::{Parsed, Parser};
use crate::{
    code::{Id, Node, Then},
    lex::{Token, is_keyword},
    scope::Entry,
    value::Val,
};

impl Parser {
    /// Parses a term and the steps after it.
    pub(super) fn postfix(&mut self) -> Parsed<Id> {
        let mut term = self.term()?;
        loop {
            match self.peek() {
                Token::Field(name) => {
                    self.advance();
                    let key = self.constant(name)?;
                    term = self.index(term, key)?;
                }
                Token::Symbol(".") => {
                    self.advance();
                    match self.peek() {
                        Token::Quote | Token::Format(_) => {
                            let key = self.text_term()?;
                            term = self.index(term, key)?;
                        }
                        Token::Symbol("[") => {}
                        _ => return self.fail("expected a name, a text or `[`"),
                    }
                }
                Token::Symbol("[") => term = self.brackets(term)?,
                Token::Symbol("?") => {
                    self.advance();
                    term = self.add(Node::Try { body: term, catch: None })?;
                }
                _ => return Ok(term),
            }
        }
    }

    /// Adds a step. A `?` directly after it ignores errors of this step only, not of earlier ones.
    fn index(&mut self, of: Id, key: Id) -> Parsed<Id> {
        let optional = self.eat("?");
        self.add(Node::Index { of, key, optional })
    }

    fn brackets(&mut self, of: Id) -> Parsed<Id> {
        self.expect("[")?;
        if self.eat("]") {
            let optional = self.eat("?");
            return self.add(Node::Each { of, optional });
        }
        let from = if self.is(":") { None } else { Some(self.query()?) };
        if self.eat(":") {
            let to = if self.is("]") && from.is_some() { None } else { Some(self.query()?) };
            self.expect("]")?;
            let optional = self.eat("?");
            return self.add(Node::Slice { of, from, to, optional });
        }
        self.expect("]")?;
        self.index(of, from.unwrap_or_default())
    }

    fn term(&mut self) -> Parsed<Id> {
        let start = self.at;
        match self.peek() {
            Token::Number(text) => {
                self.advance();
                let value = crate::number::read_loose(text);
                self.add(Node::Constant(value.unwrap_or_default()))
            }
            Token::Quote => self.text_term(),
            Token::Format(name) => {
                self.advance();
                if self.peek() == Token::Quote {
                    self.at = start;
                    return self.text_term();
                }
                self.format(name, start)
            }
            Token::Field(name) => {
                self.advance();
                let of = self.add(Node::Identity)?;
                let key = self.constant(name)?;
                self.index(of, key)
            }
            Token::Variable(name) => {
                self.advance();
                self.look_up_variable(name, start)
            }
            Token::Symbol("..") => {
                self.advance();
                self.call("recurse", Vec::new(), start)
            }
            Token::Symbol(".") => {
                self.advance();
                let of = self.add(Node::Identity)?;
                if matches!(self.peek(), Token::Quote) {
                    let key = self.text_term()?;
                    return self.index(of, key);
                }
                Ok(of)
            }
            Token::Symbol("$") => {
                self.advance();
                self.fail_at(start, "expected the name of a variable")
            }
            Token::Symbol("(") => {
                self.advance();
                let inner = self.query()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol("[") => {
                self.advance();
                if self.eat("]") {
                    return self.add(Node::Constant(Val::array(Vec::new())));
                }
                let inner = self.query()?;
                self.expect("]")?;
                self.add(Node::Array(inner))
            }
            Token::Symbol("{") => self.nested(Self::object),
            Token::Name("if") => self.nested(Self::conditional),
            Token::Name("reduce" | "foreach") => self.fold(),
            Token::Name("break") => {
                self.advance();
                let name = self.variable()?;
                match self.scope.label(name) {
                    Some(above) => self.add(Node::Break(above)),
                    None => self.fail_at(start, &format!("undefined label `${name}`")),
                }
            }
            Token::Name(word @ ("null" | "true" | "false")) => {
                self.advance();
                self.add(Node::Constant(if word == "null" { Val::Null } else { Val::Bool(word == "true") }))
            }
            Token::Name(name) if !is_keyword(name) => {
                self.advance();
                let mut arguments = Vec::new();
                if self.eat("(") {
                    loop {
                        arguments.push(self.query()?);
                        if !self.eat(";") {
                            break;
                        }
                    }
                    self.expect(")")?;
                }
                self.call(name, arguments, start)
            }
            Token::End => self.fail("expected a filter, and it ends here"),
            _ => self.fail("expected a filter"),
        }
    }

    pub fn look_up_variable(&mut self, name: &'static str, start: usize) -> Parsed<Id> {
        if let Some(above) = self.scope.variable(name) {
            return self.add(Node::Variable(above));
        }
        match name {
            "__loc__" => {
                let line = 1 + self.source[..start.min(self.source.len())].matches('\n').count();
                let mut place = crate::map::Map::default();
                place.insert("file".into(), "<top-level>".into());
                place.insert("line".into(), Val::count(line));
                self.constant(Val::from(place))
            }
            "ENV" | "__prog_args" => {
                self.fail_at(start, &format!("undefined variable `${name}`: it reaches out of the sandbox"))
            }
            _ => self.fail_at(start, &format!("undefined variable `${name}`: there is none of that name")),
        }
    }

    fn conditional(&mut self) -> Parsed<Id> {
        self.advance();
        let mut branches = Vec::new();
        let otherwise = loop {
            let condition = self.query()?;
            self.expect_word("then")?;
            let then = self.query()?;
            branches.push((condition, then));
            if self.eat_word("elif") {
                continue;
            }
            if self.eat_word("else") {
                let otherwise = self.query()?;
                self.expect_word("end")?;
                break otherwise;
            }
            self.expect_word("end")?;
            break self.add(Node::Identity)?;
        };
        branches
            .into_iter()
            .rev()
            .try_fold(otherwise, |otherwise, (condition, then)| self.add(Node::If { condition, then, otherwise }))
    }

    fn fold(&mut self) -> Parsed<Id> {
        let emits = self.peek() == Token::Name("foreach");
        self.advance();
        let outside = self.scope.mark();
        let source = self.expression(0)?;
        self.expect_word("as")?;
        let slot = self.scope.depth();
        self.scope.push(Entry::Hidden);
        let mut start = 0;
        let step = self.patterns_of_item(|this| {
            this.expect("(")?;
            // The start value can't use the item's variables.
            let inside = this.scope.split(outside);
            start = this.query()?;
            this.scope.join(inside);
            this.expect(";")?;
            let body = this.query()?;
            let then = if !emits {
                Then::Next
            } else if this.eat(";") {
                Then::Extract(this.query()?)
            } else {
                Then::Emit
            };
            this.expect(")")?;
            let slot = this.scope.depth() - 1 - slot;
            this.add(Node::Step { slot, body, then })
        })?;
        self.scope.reset(outside);
        self.add(Node::Fold { source, start, step })
    }

    fn object(&mut self) -> Parsed<Id> {
        self.advance();
        let mut members = Vec::new();
        while !self.eat("}") {
            members.push(self.member()?);
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.add(Node::Object(members.into()))
    }

    fn member(&mut self) -> Parsed<(Id, Id)> {
        let start = self.at;
        let key = match self.peek() {
            Token::Variable(name) => {
                self.advance();
                let value = self.look_up_variable(name, start)?;
                return Ok((self.constant(name)?, value));
            }
            Token::Name(name) => {
                self.advance();
                self.constant(name)?
            }
            Token::Quote | Token::Format(_) => self.text_term()?,
            Token::Symbol("(") => {
                self.advance();
                let key = self.query()?;
                self.expect(")")?;
                self.expect(":")?;
                return Ok((key, self.member_value()?));
            }
            _ => return self.fail("expected a member's name or `}`"),
        };
        if self.eat(":") {
            return Ok((key, self.member_value()?));
        }
        let of = self.add(Node::Identity)?;
        Ok((key, self.add(Node::Index { of, key, optional: false })?))
    }

    /// Parses a member's value: expressions with pipes between them, without commas.
    fn member_value(&mut self) -> Parsed<Id> {
        let first = self.nested(|this| this.expression(0))?;
        if !self.eat("|") {
            return Ok(first);
        }
        let rest = self.nested(Self::member_value)?;
        self.add(Node::Pipe(first, rest))
    }
}
