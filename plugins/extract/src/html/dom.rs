//! A page's tree. Its nodes are in one list and name each other by index, so that walking or dropping a page of any depth
//! needs no recursion.

use std::{borrow::Cow, cell::RefCell};

use html5ever::{
    Attribute, LocalName, Namespace, ParseOpts, QualName,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    parse_document,
    tendril::{StrTendril, TendrilSink},
    tree_builder::TreeBuilderOpts,
};

use crate::document::Failure;

pub type Id = usize;

/// The page itself, in which everything else is.
pub const DOCUMENT: Id = 0;
/// Elements within elements. Browsers stop at 512; the parser's work grows with the square of it.
const DEPTH_MOST: u32 = 4_096;
/// Bytes that are parsed between two checks of the bounds.
const STEP: usize = 16 << 10;
const NODES_MOST: usize = 1_500_000;

#[derive(Default)]
pub struct Node {
    pub parent: Option<Id>,
    pub first: Option<Id>,
    pub last: Option<Id>,
    pub previous: Option<Id>,
    pub next: Option<Id>,
    pub data: Data,
    depth: u32,
}

#[derive(Default)]
pub enum Data {
    #[default]
    Other,
    Text(String),
    Element(Element),
}

pub struct Element {
    name: QualName,
    attributes: Vec<Attribute>,
}

impl Element {
    pub fn name(&self) -> &str {
        &self.name.local
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| &*attribute.name.local == name).map(|found| &*found.value)
    }
}

/// A parsed page.
#[derive(Default)]
pub struct Dom {
    nodes: Vec<Node>,
    deepest: u32,
}

impl Dom {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let sink = Sink(RefCell::new(Self { nodes: vec![Node::default()], deepest: 0 }));
        // Without scripts, `noscript` would be a part of the page. It mostly asks to turn them on.
        let tree_builder = TreeBuilderOpts { scripting_enabled: true, ..TreeBuilderOpts::default() };
        let mut parser = parse_document(sink, ParseOpts { tree_builder, ..ParseOpts::default() });
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = rest.split_at(rest.floor_char_boundary(STEP));
            parser.process(StrTendril::from(step));
            rest = after;
            let dom = parser.tokenizer.sink.sink.0.borrow();
            if dom.deepest > DEPTH_MOST {
                return Err(Failure::too_large("the page nests its elements too deep"));
            }
            if dom.nodes.len() > NODES_MOST {
                return Err(Failure::too_large("the page has too many elements"));
            }
        }
        Ok(parser.finish())
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub fn element(&self, id: Id) -> Option<&Element> {
        match &self.nodes[id].data {
            Data::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The element's name; empty for anything else.
    pub fn name(&self, id: Id) -> &str {
        self.element(id).map_or("", Element::name)
    }

    pub fn attribute(&self, id: Id, name: &str) -> Option<&str> {
        self.element(id)?.attribute(name)
    }

    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(self.nodes[id].first, |child| self.nodes[*child].next)
    }

    pub fn ancestors(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(self.nodes[id].parent, |parent| self.nodes[*parent].parent)
    }

    /// The node that follows in the page's order within `root`, with or without the node's own children.
    pub fn following(&self, root: Id, id: Id, into: bool) -> Option<Id> {
        if into && let Some(first) = self.nodes[id].first {
            return Some(first);
        }
        let mut at = id;
        loop {
            if at == root {
                return None;
            }
            if let Some(next) = self.nodes[at].next {
                return Some(next);
            }
            at = self.nodes[at].parent?;
        }
    }

    /// A node and everything within it, in the page's order.
    pub fn within(&self, root: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(Some(root), move |id| self.following(root, *id, true))
    }

    /// The text within, as it stands there.
    pub fn text(&self, root: Id) -> String {
        let mut text = String::new();
        for id in self.within(root) {
            if let Data::Text(piece) = &self.nodes[id].data {
                text.push_str(piece);
            }
        }
        text
    }

    fn add(&mut self, data: Data) -> Id {
        self.nodes.push(Node { data, ..Node::default() });
        self.nodes.len() - 1
    }

    pub fn detach(&mut self, id: Id) {
        let (parent, previous, next) = (self.nodes[id].parent, self.nodes[id].previous, self.nodes[id].next);
        match previous {
            Some(previous) => self.nodes[previous].next = next,
            None => {
                if let Some(parent) = parent {
                    self.nodes[parent].first = next;
                }
            }
        }
        match next {
            Some(next) => self.nodes[next].previous = previous,
            None => {
                if let Some(parent) = parent {
                    self.nodes[parent].last = previous;
                }
            }
        }
        let node = &mut self.nodes[id];
        (node.parent, node.previous, node.next) = (None, None, None);
    }

    fn append(&mut self, parent: Id, child: Id) {
        self.detach(child);
        let last = self.nodes[parent].last;
        let depth = self.nodes[parent].depth + 1;
        self.deepest = self.deepest.max(depth);
        let node = &mut self.nodes[child];
        (node.parent, node.previous, node.depth) = (Some(parent), last, depth);
        match last {
            Some(last) => self.nodes[last].next = Some(child),
            None => self.nodes[parent].first = Some(child),
        }
        self.nodes[parent].last = Some(child);
    }

    fn append_text(&mut self, parent: Id, text: &str) {
        if let Some(last) = self.nodes[parent].last
            && let Data::Text(before) = &mut self.nodes[last].data
        {
            before.push_str(text);
            return;
        }
        let child = self.add(Data::Text(text.to_owned()));
        self.append(parent, child);
    }

    fn insert_before(&mut self, sibling: Id, child: Id) {
        self.detach(child);
        let (parent, previous, depth) =
            (self.nodes[sibling].parent, self.nodes[sibling].previous, self.nodes[sibling].depth);
        let node = &mut self.nodes[child];
        (node.parent, node.previous, node.next, node.depth) = (parent, previous, Some(sibling), depth);
        self.nodes[sibling].previous = Some(child);
        match (previous, parent) {
            (Some(previous), _) => self.nodes[previous].next = Some(child),
            (None, Some(parent)) => self.nodes[parent].first = Some(child),
            (None, None) => {}
        }
    }
}

/// What the parser builds the tree with.
struct Sink(RefCell<Dom>);

/// An element's name, for the parser.
#[derive(Debug)]
struct Name(QualName);

impl html5ever::interface::ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

impl TreeSink for Sink {
    type Handle = Id;
    type Output = Dom;
    type ElemName<'a> = Name;

    fn finish(self) -> Dom {
        self.0.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Id {
        DOCUMENT
    }

    fn elem_name<'a>(&'a self, target: &'a Id) -> Name {
        match &self.0.borrow().nodes[*target].data {
            Data::Element(element) => Name(element.name.clone()),
            _ => Name(QualName::new(None, Namespace::default(), LocalName::default())),
        }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Id {
        self.0.borrow_mut().add(Data::Element(Element { name, attributes }))
    }

    fn create_comment(&self, _: StrTendril) -> Id {
        self.0.borrow_mut().add(Data::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Id {
        self.0.borrow_mut().add(Data::Other)
    }

    fn append(&self, parent: &Id, child: NodeOrText<Id>) {
        let mut dom = self.0.borrow_mut();
        match child {
            NodeOrText::AppendNode(child) => dom.append(*parent, child),
            NodeOrText::AppendText(text) => dom.append_text(*parent, &text),
        }
    }

    fn append_based_on_parent_node(&self, element: &Id, previous: &Id, child: NodeOrText<Id>) {
        let placed = self.0.borrow().nodes[*element].parent.is_some();
        if placed { self.append_before_sibling(element, child) } else { self.append(previous, child) }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// The contents of a template are its children here; the page doesn't show them.
    fn get_template_contents(&self, target: &Id) -> Id {
        *target
    }

    fn same_node(&self, one: &Id, other: &Id) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Id, child: NodeOrText<Id>) {
        let mut dom = self.0.borrow_mut();
        match child {
            NodeOrText::AppendNode(child) => dom.insert_before(*sibling, child),
            NodeOrText::AppendText(text) => {
                if let Some(previous) = dom.nodes[*sibling].previous
                    && let Data::Text(before) = &mut dom.nodes[previous].data
                {
                    before.push_str(&text);
                    return;
                }
                let child = dom.add(Data::Text(text.to_string()));
                dom.insert_before(*sibling, child);
            }
        }
    }

    fn add_attrs_if_missing(&self, target: &Id, attributes: Vec<Attribute>) {
        if let Data::Element(element) = &mut self.0.borrow_mut().nodes[*target].data {
            for attribute in attributes {
                if element.attribute(&attribute.name.local).is_none() {
                    element.attributes.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Id) {
        self.0.borrow_mut().detach(*target);
    }

    fn reparent_children(&self, node: &Id, new_parent: &Id) {
        let mut dom = self.0.borrow_mut();
        while let Some(child) = dom.nodes[*node].first {
            dom.append(*new_parent, child);
        }
    }
}
