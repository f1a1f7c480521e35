//! Text searches: `fts`, `plfts`, `phfts` and `wfts`.
//!
//! The words of a search are cut, stemmed and freed of stop words here, for both databases. PostgreSQL compares what comes
//! out with `to_tsvector`; for SQLite, [`TextQuery::matches`] does the same.

mod tsquery;

use rust_stemmers::{Algorithm, Stemmer};

use crate::{
    error::{RestError, short},
    limits,
};

/// Words that PostgreSQL's English configuration leaves out of a text.
const STOP: &str = " a about above after again against all am an and any are as at be because been before being below \
    between both but by can did do does doing don down during each few for from further had has have having he her here \
    hers herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off on \
    once only or other our ours ourselves out over own s same she should so some such t than that the their theirs them \
    themselves then there these they this those through to too under until up very was we were what when where which \
    while who whom why will with you your yours yourself yourselves ";

/// The languages of PostgreSQL's configurations, for searches that PostgreSQL reads itself. A server that doesn't know one of
/// them reads its words as `simple`.
const CONFIGS: [&str; 30] = [
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "danish",
    "dutch",
    "english",
    "estonian",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "simple",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
];

/// PostgreSQL's configuration of this name; `english` when none is named.
pub(crate) fn config(name: Option<&str>) -> Result<&'static str, RestError> {
    let name = name.unwrap_or("english");
    CONFIGS
        .into_iter()
        .find(|config| *config == name)
        .ok_or_else(|| unknown_config(name).hint(format!("There are {}.", CONFIGS.join(", "))))
}

fn unknown_config(name: &str) -> RestError {
    RestError::new(400, "42704", format!("text search configuration \"{}\" does not exist", short(name)))
}

/// How words are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// Stemmed, without stop words.
    English,
    /// In lower case.
    Simple,
}

impl Config {
    /// PostgreSQL's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::Simple => "simple",
        }
    }

    pub fn parse(name: Option<&str>) -> Result<Self, RestError> {
        match name {
            None | Some("english") => Ok(Self::English),
            Some("simple") => Ok(Self::Simple),
            Some(other) => Err(unknown_config(other).hint("`english` and `simple` are there.")),
        }
    }

    /// The lexeme of a word; `None` for a stop word.
    fn lexeme(self, stemmer: &Stemmer, word: &str) -> Option<String> {
        let word = word.to_lowercase();
        match self {
            Self::Simple => Some(word),
            Self::English if STOP.contains(&format!(" {word} ")) => None,
            Self::English => Some(stemmer.stem(&word).into_owned()),
        }
    }
}

/// How a search is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `fts`: PostgreSQL's operators.
    Query,
    /// `plfts`: all of the words.
    Plain,
    /// `phfts`: the words one after the other.
    Phrase,
    /// `wfts`: quotes, `or` and `-` as in web searches.
    Web,
}

/// A search that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct TextQuery {
    pub config: Config,
    /// `None` when there is no word in it: then it matches nothing.
    root: Option<Node>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Words, each so many places after the one before.
    Phrase(Vec<Word>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
}

#[derive(Clone, Debug, PartialEq)]
struct Word {
    lexeme: String,
    /// Whether words that begin with it count.
    prefix: bool,
    distance: usize,
}

impl TextQuery {
    pub fn parse(form: Form, config: Config, text: &str) -> Result<Self, RestError> {
        if text.len() > limits::PATTERN {
            return Err(RestError::too_much(format!("the search is longer than {} bytes", limits::PATTERN)));
        }
        let reader = Reader { config, stemmer: Stemmer::create(Algorithm::English) };
        let root = match form {
            Form::Query => tsquery::read(&reader, text)?,
            Form::Plain => reader.all(text),
            Form::Phrase => reader.phrase(text, false, 1),
            Form::Web => reader.web(text),
        };
        if root.as_ref().map_or(0, Node::words) > limits::SEARCH_WORDS {
            return Err(RestError::too_much(format!("the search has more than {} words", limits::SEARCH_WORDS)));
        }
        Ok(Self { config, root })
    }

    /// The search in the text form of PostgreSQL's `tsquery`. `None` when nothing matches.
    pub fn to_tsquery(&self) -> Option<String> {
        self.root.as_ref().map(Node::to_tsquery)
    }

    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        let Some(root) = &self.root else { return false };
        let stemmer = Stemmer::create(Algorithm::English);
        let words: Vec<Option<String>> = words_of(text).map(|word| self.config.lexeme(&stemmer, word)).collect();
        root.matches(&words)
    }
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .flat_map(|word| word.split('_'))
        .filter(|word| !word.is_empty())
}

impl Node {
    fn words(&self) -> usize {
        match self {
            Self::Phrase(words) => words.len(),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().map(Self::words).sum(),
            Self::Not(node) => node.words(),
        }
    }

    fn to_tsquery(&self) -> String {
        let joined = |nodes: &[Self], by: &str| {
            let nodes: Vec<String> = nodes.iter().map(|node| format!("({})", node.to_tsquery())).collect();
            nodes.join(by)
        };
        match self {
            Self::And(nodes) => joined(nodes, " & "),
            Self::Or(nodes) => joined(nodes, " | "),
            Self::Not(node) => format!("!({})", node.to_tsquery()),
            Self::Phrase(words) => {
                let mut text = String::new();
                for (at, word) in words.iter().enumerate() {
                    if at > 0 {
                        text.push_str(&format!(" <{}> ", word.distance));
                    }
                    // A lexeme is of letters and digits alone.
                    text.push_str(&format!("'{}'{}", word.lexeme, if word.prefix { ":*" } else { "" }));
                }
                text
            }
        }
    }

    fn matches(&self, words: &[Option<String>]) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|node| node.matches(words)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(words)),
            Self::Not(node) => !node.matches(words),
            Self::Phrase(phrase) => (0..words.len()).any(|start| {
                let mut at = start;
                phrase.iter().enumerate().all(|(number, wanted)| {
                    if number > 0 {
                        at += wanted.distance;
                    }
                    words.get(at).and_then(Option::as_deref).is_some_and(|word| {
                        if wanted.prefix { word.starts_with(&wanted.lexeme) } else { word == wanted.lexeme }
                    })
                })
            }),
        }
    }
}

struct Reader {
    config: Config,
    stemmer: Stemmer,
}

impl Reader {
    /// The words one after the other. A stop word leaves a gap.
    fn phrase(&self, text: &str, prefix: bool, first: usize) -> Option<Node> {
        let mut distance = first;
        let mut phrase = Vec::new();
        for word in words_of(text) {
            match self.config.lexeme(&self.stemmer, word) {
                Some(lexeme) => {
                    phrase.push(Word { lexeme, prefix, distance });
                    distance = 1;
                }
                None => distance += 1,
            }
        }
        (!phrase.is_empty()).then_some(Node::Phrase(phrase))
    }

    fn all(&self, text: &str) -> Option<Node> {
        joined(words_of(text).filter_map(|word| self.phrase(word, false, 1)).collect(), Node::And)
    }

    fn web(&self, text: &str) -> Option<Node> {
        let (mut any, mut all, mut or) = (Vec::new(), Vec::new(), false);
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let negated = rest.strip_prefix('-');
            rest = negated.unwrap_or(rest);
            let (term, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len())),
            };
            let is_or = negated.is_none() && !rest.starts_with('"') && term.eq_ignore_ascii_case("or");
            rest = after.trim_start();
            if is_or && !all.is_empty() {
                or = true;
                continue;
            }
            let Some(node) = self.phrase(term, false, 1) else { continue };
            if std::mem::take(&mut or) {
                any.extend(joined(std::mem::take(&mut all), Node::And));
            }
            all.push(if negated.is_some() { Node::Not(Box::new(node)) } else { node });
        }
        any.extend(joined(all, Node::And));
        joined(any, Node::Or)
    }
}

/// One node for all of them.
fn joined(mut nodes: Vec<Node>, by: fn(Vec<Node>) -> Node) -> Option<Node> {
    if nodes.len() > 1 { Some(by(nodes)) } else { nodes.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, text: &str) -> String {
        TextQuery::parse(form, Config::English, text).unwrap().to_tsquery().unwrap_or_default()
    }

    #[test]
    fn each_form_is_read_as_postgresql_reads_it() {
        assert_eq!(read(Form::Plain, "The cats & refunds"), "('cat') & ('refund')");
        assert_eq!(read(Form::Phrase, "the cat sat on a mat"), "'cat' <1> 'sat' <3> 'mat'");
        assert_eq!(read(Form::Web, "\"sad cat\" or -dog refund"), "('sad' <1> 'cat') | ((!('dog')) & ('refund'))");
        assert_eq!(read(Form::Query, "cats & !(dog | 'refund':*)"), "('cat') & (!(('dog') | ('refund':*)))");
        assert_eq!(read(Form::Query, "a <-> cat <-> the <-> mat"), "'cat' <2> 'mat'");
        assert_eq!(read(Form::Query, "the"), "");
    }

    #[test]
    fn a_text_matches_by_its_words() {
        let matches =
            |form, query: &str, text: &str| TextQuery::parse(form, Config::English, query).unwrap().matches(text);
        assert!(matches(Form::Plain, "refunding cat", "Cats get refunds."));
        assert!(!matches(Form::Phrase, "cat refund", "Cats get refunds."));
        assert!(matches(Form::Phrase, "cats get refunds", "Our cats get refunds."));
        assert!(matches(Form::Query, "refu:* & !dog", "Cats get refunds."));
        assert!(!matches(Form::Plain, "the", "the"), "a stop word finds nothing");
        let simple = TextQuery::parse(Form::Plain, Config::Simple, "Refunds").unwrap();
        assert!(simple.matches("refunds") && !simple.matches("refund"));
    }

    #[test]
    fn what_is_wrong_or_too_much_is_refused() {
        let code = |form, text: &str| TextQuery::parse(form, Config::English, text).unwrap_err().code;
        for wrong in ["a &", "cat dog", "(cat", "cat)", "'cat", "&"] {
            assert_eq!(code(Form::Query, wrong), "42601", "{wrong}");
        }
        assert_eq!(code(Form::Query, "cat:A"), "PGRST127");
        assert_eq!(code(Form::Query, "cat <2> dog"), "PGRST127");
        assert_eq!(code(Form::Query, &format!("{}cat", "!".repeat(20))), "54000");
        assert_eq!(code(Form::Query, &"(".repeat(900)), "54000");
        assert_eq!(code(Form::Plain, &"cat ".repeat(40)), "54000");
        assert_eq!(Config::parse(Some("klingon")).unwrap_err().code, "42704");
    }
}
