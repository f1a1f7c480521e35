//! The language of `fts`: words with `&`, `|`, `!`, `<->`, parentheses, quotes and `:*`.

use super::{Node, Reader, joined};
use crate::{
    error::{RestError, short},
    limits,
};

/// Reads a search. `None` when there is no word in it.
pub(super) fn read(reader: &Reader, text: &str) -> Result<Option<Node>, RestError> {
    QueryReader { reader, rest: text.trim(), depth: 0 }.whole()
}

struct QueryReader<'r> {
    reader: &'r Reader,
    rest: &'r str,
    depth: usize,
}

impl QueryReader<'_> {
    fn whole(mut self) -> Result<Option<Node>, RestError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let root = self.any()?;
        if self.rest.is_empty() { Ok(root) } else { Err(self.error()) }
    }

    fn error(&self) -> RestError {
        RestError::new(400, "42601", "syntax error in tsquery").details(format!("near \"{}\"", short(self.rest)))
    }

    fn take(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn any(&mut self) -> Result<Option<Node>, RestError> {
        let mut nodes: Vec<Node> = self.all()?.into_iter().collect();
        while self.take("|") {
            nodes.extend(self.all()?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn all(&mut self) -> Result<Option<Node>, RestError> {
        let mut nodes: Vec<Node> = self.phrase()?.into_iter().collect();
        while self.take("&") {
            nodes.extend(self.phrase()?);
        }
        Ok(joined(nodes, Node::And))
    }

    fn phrase(&mut self) -> Result<Option<Node>, RestError> {
        let mut phrase = self.one()?;
        let mut distance = 0;
        loop {
            if self.take("<->") {
                distance += 1;
            } else if self.rest.starts_with('<') {
                return Err(RestError::unsupported("of the distances in a text search only <-> is supported"));
            } else {
                return Ok(phrase);
            }
            match (self.one()?, &mut phrase) {
                (None, _) => {}
                (Some(Node::Phrase(mut next)), Some(Node::Phrase(words))) => {
                    if let Some(first) = next.first_mut() {
                        first.distance = distance;
                    }
                    words.append(&mut next);
                    distance = 0;
                }
                (Some(Node::Phrase(next)), empty @ None) => {
                    *empty = Some(Node::Phrase(next));
                    distance = 0;
                }
                _ => return Err(RestError::unsupported("operators within a phrase of a text search")),
            }
        }
    }

    fn one(&mut self) -> Result<Option<Node>, RestError> {
        if self.take("!") {
            self.deeper()?;
            let node = self.one()?;
            self.depth -= 1;
            return Ok(node.map(|node| Node::Not(Box::new(node))));
        }
        if self.take("(") {
            self.deeper()?;
            let node = self.any()?;
            self.depth -= 1;
            return if self.take(")") { Ok(node) } else { Err(self.error()) };
        }
        let word = if let Some(quoted) = self.rest.strip_prefix('\'') {
            let Some((word, rest)) = quoted.split_once('\'') else { return Err(self.error()) };
            self.rest = rest;
            word
        } else {
            let end = self.rest.find(|c: char| c.is_whitespace() || "&|!()<>:'".contains(c)).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            if word.is_empty() {
                return Err(self.error());
            }
            self.rest = rest;
            word
        };
        let prefix = self.take(":*");
        if self.rest.starts_with(':') {
            return Err(RestError::unsupported("weights in a text search"));
        }
        self.rest = self.rest.trim_start();
        Ok(self.reader.phrase(word, prefix, 1))
    }

    fn deeper(&mut self) -> Result<(), RestError> {
        self.depth += 1;
        if self.depth > limits::LOGIC_DEPTH {
            Err(RestError::too_much("the search is nested too deep"))
        } else {
            Ok(())
        }
    }
}
