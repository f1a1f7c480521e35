//! Parses a filter into nodes, and resolves every name. Here are definitions, bindings and operators.

mod term;
mod text;

use crate::{
    code::{Code, Id, Node, Operator, Update},
    lex::{Token, is_keyword, skip_space, token},
    scope::{Entry, Scope},
    value::Val,
};

/// The deepest nesting of brackets, definitions and bindings in a filter.
pub const DEEPEST_FILTER: usize = 64;

/// Why a filter can't be parsed, and the position in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub offset: usize,
    pub message: String,
}

pub type Parsed<T> = Result<T, Unreadable>;

pub struct Parser {
    pub source: &'static str,
    /// The start of the next token.
    pub at: usize,
    pub scope: Scope,
    pub code: Code,
    /// Standard definitions in use: name, number of parameters, function.
    pub reached: Vec<(&'static str, usize, u32)>,
    nesting: usize,
    /// The position in the filter while a standard definition is parsed.
    pub standard: Option<usize>,
}

/// Parses a whole filter.
pub fn parse(source: &'static str) -> Parsed<(Code, Id)> {
    let mut parser = Parser {
        source,
        at: skip_space(source, 0),
        scope: Scope::default(),
        code: Code::default(),
        reached: Vec::new(),
        nesting: 0,
        standard: None,
    };
    if matches!(parser.peek(), Token::Name("import" | "include" | "module")) {
        return parser.fail("a mapping can't load modules");
    }
    let id = parser.query()?;
    if parser.peek() != Token::End {
        return parser.fail("expected an operator or the end");
    }
    Ok((parser.code, id))
}

impl Parser {
    pub fn peek(&self) -> Token {
        token(self.source, self.at).0
    }

    pub fn advance(&mut self) {
        self.at = skip_space(self.source, self.at + token(self.source, self.at).1);
    }

    pub fn fail<T>(&self, message: &str) -> Parsed<T> {
        self.fail_at(self.at, message)
    }

    pub fn fail_at<T>(&self, offset: usize, message: &str) -> Parsed<T> {
        Err(Unreadable { offset: self.standard.unwrap_or(offset), message: message.to_owned() })
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if found == symbol)
    }

    pub fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat(symbol) { Ok(()) } else { self.fail(&format!("expected `{symbol}`")) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(found) if found == word);
        if found {
            self.advance();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.fail(&format!("expected `{word}`")) }
    }

    fn variable(&mut self) -> Parsed<&'static str> {
        let Token::Variable(name) = self.peek() else { return self.fail("expected a variable") };
        self.advance();
        Ok(name)
    }

    pub fn add(&mut self, node: Node) -> Parsed<Id> {
        match self.code.add(node) {
            Some(id) => Ok(id),
            None => {
                self.fail("the filter nests too deep here, deeper than its parts may: name a part of it with `def`")
            }
        }
    }

    pub fn constant(&mut self, value: impl Into<Val>) -> Parsed<Id> {
        self.add(Node::Constant(value.into()))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= DEEPEST_FILTER {
            return self.fail(&format!("the filter nests deeper than {DEEPEST_FILTER}: name a part of it with `def`"));
        }
        self.nesting += 1;
        let read = read(self)?;
        self.nesting -= 1;
        Ok(read)
    }

    /// Parses definitions, bindings, pipes and commas.
    pub fn query(&mut self) -> Parsed<Id> {
        self.nested(|this| {
            let outside = this.scope.mark();
            let mut stages = Vec::new();
            loop {
                let (stage, reaches_end) = this.comma()?;
                stages.push(stage);
                if reaches_end || !this.eat("|") {
                    break;
                }
            }
            this.scope.reset(outside);
            let mut all = stages.pop().unwrap_or_default();
            while let Some(stage) = stages.pop() {
                all = this.add(Node::Pipe(stage, all))?;
            }
            Ok(all)
        })
    }

    /// Parses the part between two pipes. Also returns whether it took everything that follows.
    fn comma(&mut self) -> Parsed<(Id, bool)> {
        let mut items = Vec::new();
        let reaches_end = loop {
            let (item, reaches_end) = self.item()?;
            items.push(item);
            if reaches_end || !self.eat(",") {
                break reaches_end;
            }
        };
        let mut all = items.pop().unwrap_or_default();
        while let Some(item) = items.pop() {
            all = self.add(Node::Comma(item, all))?;
        }
        Ok((all, reaches_end))
    }

    fn item(&mut self) -> Parsed<(Id, bool)> {
        let outside = self.scope.mark();
        if self.peek() == Token::Name("def") {
            while self.peek() == Token::Name("def") {
                self.definition()?;
            }
            let rest = self.query()?;
            self.scope.reset(outside);
            return Ok((rest, true));
        }
        if self.eat_word("label") {
            let name = self.variable()?;
            self.expect("|")?;
            self.scope.push(Entry::Label(name));
            let body = self.query()?;
            self.scope.reset(outside);
            return Ok((self.add(Node::Label(body))?, true));
        }
        let source = self.expression(0)?;
        if !self.eat_word("as") {
            return Ok((source, false));
        }
        let bound = self.patterns(source, |this| {
            this.expect("|")?;
            this.query()
        })?;
        self.scope.reset(outside);
        Ok((bound, true))
    }

    /// Parses `def name(parameters): body;` and adds it to the scope.
    pub fn definition(&mut self) -> Parsed<u32> {
        self.expect_word("def")?;
        let Token::Name(name) = self.peek() else { return self.fail("expected a name") };
        if is_keyword(name) {
            return self.fail("expected a name that is no keyword");
        }
        self.advance();
        let mut parameters = Vec::new();
        if self.eat("(") {
            loop {
                match self.peek() {
                    Token::Name(parameter) => parameters.push((parameter, false)),
                    Token::Variable(parameter) => parameters.push((parameter, true)),
                    _ => return self.fail("expected a parameter"),
                }
                self.advance();
                if !self.eat(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.expect(":")?;
        let function = self.code.functions.len() as u32;
        let depth = self.scope.depth();
        self.code.functions.push(crate::code::Function { body: 0, depth });
        self.scope.push(Entry::Function { name, arity: parameters.len(), function });
        let defined = self.scope.mark();
        for (parameter, _) in &parameters {
            self.scope.push(Entry::Parameter(parameter));
        }
        let mut sources = Vec::new();
        for (place, (parameter, is_value)) in parameters.iter().enumerate() {
            if *is_value {
                let above = self.scope.depth() - depth - 1 - place as u32;
                sources.push(self.add(Node::Parameter(above))?);
                self.scope.push(Entry::Variable(parameter));
            }
        }
        let mut body = self.query()?;
        self.expect(";")?;
        while let Some(source) = sources.pop() {
            body = self.add(Node::Bind { source, body })?;
        }
        self.scope.reset(defined);
        self.code.functions[function as usize].body = body;
        Ok(function)
    }

    /// Parses operators by their precedence.
    fn expression(&mut self, least: u8) -> Parsed<Id> {
        let mut left = self.unary()?;
        let mut compared = false;
        let mut assigned = false;
        loop {
            let symbol = match self.peek() {
                // In `.a?//1`, jq reads `?//` as the separator of patterns and fails.
                Token::Symbol("?//") => {
                    left = self.add(Node::Try { body: left, catch: None })?;
                    self.at += 1;
                    continue;
                }
                Token::Symbol(symbol) => symbol,
                Token::Name(word @ ("and" | "or")) => word,
                _ => return Ok(left),
            };
            let (precedence, operator) = match symbol {
                "//" => (1, None),
                "=" | "|=" | "//=" => (2, None),
                "+=" => (2, Some(Operator::Add)),
                "-=" => (2, Some(Operator::Subtract)),
                "*=" => (2, Some(Operator::Multiply)),
                "/=" => (2, Some(Operator::Divide)),
                "%=" => (2, Some(Operator::Remainder)),
                "or" => (3, None),
                "and" => (4, None),
                "==" => (5, Some(Operator::Equal)),
                "!=" => (5, Some(Operator::Unequal)),
                "<" => (5, Some(Operator::Less)),
                "<=" => (5, Some(Operator::AtMost)),
                ">" => (5, Some(Operator::Greater)),
                ">=" => (5, Some(Operator::AtLeast)),
                "+" => (6, Some(Operator::Add)),
                "-" => (6, Some(Operator::Subtract)),
                "*" => (7, Some(Operator::Multiply)),
                "/" => (7, Some(Operator::Divide)),
                "%" => (7, Some(Operator::Remainder)),
                _ => return Ok(left),
            };
            if precedence < least {
                return Ok(left);
            }
            if (precedence == 5 && compared) || (precedence == 2 && assigned) {
                return self.fail("comparisons and assignments can't be chained: use parentheses");
            }
            compared = precedence == 5;
            assigned = precedence == 2;
            self.advance();
            // All but `//` are left-associative.
            let right = self.nested(|this| this.expression(if precedence == 1 { 1 } else { precedence + 1 }))?;
            let node = match (symbol, operator) {
                ("//", _) => Node::Alternative(left, right),
                ("and", _) => Node::And(left, right),
                ("or", _) => Node::Or(left, right),
                ("=", _) => Node::Assign { paths: left, value: right },
                ("|=", _) => Node::Modify { paths: left, update: right },
                ("//=", _) => self.update(left, right, Update::Alternative)?,
                (_, Some(operator)) if precedence == 2 => self.update(left, right, Update::Arithmetic(operator))?,
                (_, Some(operator)) => Node::Binary(operator, left, right),
                (_, None) => return self.fail("expected an operator"),
            };
            left = self.add(node)?;
        }
    }

    fn update(&mut self, paths: Id, value: Id, update: Update) -> Parsed<Node> {
        let (old, new) = (self.add(Node::Identity)?, self.add(Node::Variable(0))?);
        let update = self.add(match update {
            Update::Arithmetic(operator) => Node::Binary(operator, old, new),
            Update::Alternative => Node::Alternative(old, new),
        })?;
        Ok(Node::ModifyWith { paths, value, update })
    }

    fn unary(&mut self) -> Parsed<Id> {
        if self.eat("-") {
            let inner = self.nested(Self::unary)?;
            return self.add(Node::Negate(inner));
        }
        if self.eat_word("try") {
            let body = self.nested(Self::unary)?;
            let catch = if self.eat_word("catch") { Some(self.nested(Self::unary)?) } else { None };
            return self.add(Node::Try { body, catch });
        }
        self.postfix()
    }
}
