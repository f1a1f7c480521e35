//! Finds a page's content: drops what is around it, finds the part where most of the prose is, and adds the parts beside
//! it that read like content.

use super::{
    dom::{DOCUMENT, Data, Dom, Id},
    markdown::is_block,
    noise::Noise,
};

/// Letters of prose in a part beside the core that is content, too.
const BESIDE: f64 = 60.0;
/// Letters of prose under which a page is taken whole.
const LITTLE: f64 = 120.0;

/// Letters of prose that a page may have beside the links of which it is a list.
const INDEX: f64 = 400.0;

/// A page's content.
pub struct Content {
    pub root: Id,
    /// What is left out, by its index.
    pub dropped: Vec<bool>,
}

/// What is counted of a node with everything in it.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Letters. Those of scripts without spaces count twice.
    text: f64,
    /// Letters in links.
    linked: f64,
    links: u32,
    /// Letters of prose: of blocks that are long, or end like sentences.
    prose: f64,
    /// Buttons, fields, and links that lead nowhere.
    controls: u32,
}

pub fn find(dom: &Dom) -> Content {
    let mut finder = Finder::new(dom);
    finder.drop_elements();
    finder.drop_named();
    finder.count();
    if let Some(root) = finder.index() {
        return Content { root, dropped: finder.dropped };
    }
    let root = finder.core();
    finder.drop_within(root);
    let kept = finder.dropped.clone();
    finder.count();
    let root = finder.widen(root);
    Content { root, dropped: if finder.is_little(root) { kept } else { finder.dropped } }
}

/// Everything but scripts, styles and controls: for pages on which no content is found.
pub fn whole(dom: &Dom) -> Content {
    let mut finder = Finder::new(dom);
    finder.drop_elements();
    Content { root: DOCUMENT, dropped: finder.dropped }
}

struct Finder<'a> {
    dom: &'a Dom,
    noise: Noise<'a>,
    dropped: Vec<bool>,
    counts: Vec<Count>,
}

impl<'a> Finder<'a> {
    fn new(dom: &'a Dom) -> Self {
        Self { dom, noise: Noise::new(dom), dropped: vec![false; dom.len()], counts: Vec::new() }
    }

    fn drop_elements(&mut self) {
        let mut next = Some(DOCUMENT);
        while let Some(id) = next {
            self.dropped[id] = self.noise.by_element(id);
            next = self.dom.following(DOCUMENT, id, !self.dropped[id]);
        }
    }

    /// Drops what classes and ids call something else than content, unless the content is in it.
    fn drop_named(&mut self) {
        self.count();
        let most = self.counts[DOCUMENT].prose * 0.4;
        let heads: Vec<Id> = self.kept(DOCUMENT).filter(|id| self.is_head(*id)).collect();
        // Whoever holds the title or the main part isn't around it.
        let mut holds = vec![false; self.dom.len()];
        for head in heads {
            self.dom.ancestors(head).for_each(|above| holds[above] = true);
        }
        let mut next = Some(DOCUMENT);
        while let Some(id) = next {
            let into = !self.dropped[id] && self.dom.name(id) != "pre";
            if into && !holds[id] && self.counts[id].prose <= most && self.noise.by_words(id) {
                self.dropped[id] = true;
            }
            next = self.dom.following(DOCUMENT, id, into && !self.dropped[id]);
        }
    }

    fn is_head(&self, id: Id) -> bool {
        matches!(self.dom.name(id), "h1" | "main") || self.dom.attribute(id, "role") == Some("main")
    }

    /// The nodes within that aren't dropped, in the page's order.
    fn kept(&self, root: Id) -> impl Iterator<Item = Id> + '_ {
        let start = (!self.dropped[root]).then_some(root);
        std::iter::successors(start, move |id| {
            let mut next = self.dom.following(root, *id, true);
            while let Some(at) = next.filter(|at| self.dropped[*at]) {
                next = self.dom.following(root, at, false);
            }
            next
        })
    }

    fn count(&mut self) {
        let order: Vec<Id> = self.kept(DOCUMENT).collect();
        let mut counts = vec![Count::default(); self.dom.len()];
        // The block that a node's text belongs to, and the link that it is in.
        let mut owners = vec![DOCUMENT; self.dom.len()];
        let mut linked = vec![false; self.dom.len()];
        let mut own: Vec<(f64, f64, bool)> = vec![(0.0, 0.0, false); self.dom.len()];
        for &id in &order {
            let parent = self.dom.node(id).parent.unwrap_or(DOCUMENT);
            let name = self.dom.name(id);
            owners[id] = if is_block(name) || name == "body" { id } else { owners[parent] };
            linked[id] = linked[parent] || (name == "a" && self.dom.attribute(id, "href").is_some());
            if name == "a" {
                counts[id].links += 1;
                let href = self.dom.attribute(id, "href").unwrap_or("#").trim();
                let nowhere = matches!(href, "" | "#" | "#top") || href.starts_with("javascript:");
                counts[id].controls += u32::from(nowhere);
            }
            counts[id].controls += self
                .dom
                .children(id)
                .filter(|child| self.dropped[*child] && matches!(self.dom.name(*child), "button" | "input" | "select"))
                .count() as u32;
            if let Data::Text(text) = &self.dom.node(id).data {
                let letters = letters(text);
                counts[id].text = letters;
                let own = &mut own[owners[id]];
                own.0 += letters;
                if linked[id] {
                    counts[id].linked = letters;
                    own.1 += letters;
                }
                own.2 |= ends_sentence(text);
            }
        }
        for &id in order.iter().rev() {
            let (text, linked, sentence) = own[id];
            let plain = text - linked;
            let headed = self.dom.name(id).starts_with('h') && self.dom.name(id).len() == 2;
            counts[id].prose += if linked * 2.0 > text {
                0.0
            } else if !headed && (plain >= 60.0 || (plain >= 25.0 && sentence)) {
                plain
            } else {
                plain * 0.3
            };
            if let Some(parent) = self.dom.node(id).parent {
                let Count { text, linked, links, prose, controls } = counts[id];
                let above = &mut counts[parent];
                above.text += text;
                above.linked += linked;
                above.links += links;
                above.prose += prose;
                above.controls += controls;
            }
        }
        self.counts = counts;
    }

    /// The part of the page where most of its prose is.
    fn core(&self) -> Id {
        let mut at = self.scope();
        loop {
            let most = self.counts[at].prose * 0.5;
            let holds = |child: &Id| !self.dropped[*child] && self.counts[*child].prose > most && self.is_part(*child);
            match self.dom.children(at).find(holds) {
                Some(child) => at = child,
                None => return at,
            }
        }
    }

    /// A page whose content is a list of links: the part that holds it.
    fn index(&self) -> Option<Id> {
        let scope = self.scope();
        let Count { text, linked, prose, .. } = self.counts[scope];
        (linked > text * 0.5 && prose < INDEX).then_some(scope)
    }

    /// The element that the page itself calls its content, if most of the prose is in it.
    fn scope(&self) -> Id {
        let dom = self.dom;
        let named = |id: &Id| {
            let name = dom.name(*id);
            let body = dom.attribute(*id, "itemprop").is_some_and(|kind| kind.eq_ignore_ascii_case("articleBody"));
            matches!(name, "main" | "article") || dom.attribute(*id, "role") == Some("main") || body
        };
        let mut scope = DOCUMENT;
        for id in self.kept(DOCUMENT).filter(named) {
            let within = scope == DOCUMENT || dom.ancestors(id).any(|above| above == scope);
            if within && self.counts[id].prose * 2.0 > self.counts[scope].prose {
                scope = id;
            }
        }
        scope
    }

    fn is_part(&self, id: Id) -> bool {
        let name = self.dom.name(id);
        let own = |header: &Id| self.dom.ancestors(*header).find(|above| self.dom.name(*above) == "table") == Some(id);
        let mut headers = self.kept(id).filter(|within| self.dom.name(*within) == "th");
        let data = name == "table" && headers.any(|header| own(&header));
        name.contains('-')
            || (matches!(
                name,
                "html"
                    | "body"
                    | "div"
                    | "section"
                    | "article"
                    | "main"
                    | "center"
                    | "table"
                    | "tbody"
                    | "tr"
                    | "td"
                    | "form"
                    | "span"
                    | "font"
                    | "fieldset"
            ) && !data)
    }

    /// Drops lists of links, questions with buttons, and rows of links from the content.
    fn drop_within(&mut self, root: Id) {
        let mut next = self.dom.following(root, root, true);
        while let Some(id) = next {
            let name = self.dom.name(id);
            let into = !self.dropped[id] && name != "pre";
            if into && self.is_around(id, name) {
                self.dropped[id] = true;
            }
            if into && !self.dropped[id] {
                self.drop_runs(id);
            }
            next = self.dom.following(root, id, into && !self.dropped[id]);
        }
        self.drop_runs(root);
    }

    fn is_around(&self, id: Id, name: &str) -> bool {
        let Count { text, linked, links, prose, controls } = self.counts[id];
        let group =
            matches!(name, "div" | "section" | "ul" | "ol" | "p" | "table" | "dl" | "footer" | "header" | "form")
                || name.contains('-');
        if !group || text == 0.0 {
            return false;
        }
        let linked = linked / text;
        (links >= 2 && linked > 0.6 && (name != "table" || self.is_box(id)))
            || (links >= 1 && controls >= links && linked > 0.8)
            || (controls >= 1 && prose < BESIDE && text < 150.0 && !matches!(name, "ul" | "ol" | "table" | "dl"))
            || (name == "footer" && prose < 200.0)
            || (name == "table" && prose < 40.0 && self.is_box(id))
    }

    /// A table of one column, which is a box with a title.
    fn is_box(&self, table: Id) -> bool {
        let is_cell = |id: &Id| matches!(self.dom.name(*id), "td" | "th");
        let rows = self.kept(table).filter(|id| self.dom.name(*id) == "tr");
        rows.into_iter().all(|row| self.dom.children(row).filter(is_cell).count() <= 1)
    }

    /// Drops rows of links between the blocks of an element, such as `Home > Help > Article`.
    fn drop_runs(&mut self, id: Id) {
        let children: Vec<Id> = self.dom.children(id).filter(|child| !self.dropped[*child]).collect();
        let is_inline = |child: &Id| !is_block(self.dom.name(*child));
        if children.iter().all(is_inline) {
            return;
        }
        let runs: Vec<Vec<Id>> = children.split(|child| !is_inline(child)).map(<[Id]>::to_vec).collect();
        for run in runs {
            let (mut text, mut linked, mut links) = (0.0, 0.0, 0);
            let mut parted = false;
            for &child in &run {
                text += self.counts[child].text;
                linked += self.counts[child].linked;
                links += self.counts[child].links;
                let within = self.dom.text(child);
                parted |= within.contains(['›', '»', '→', '|', '•', '>', '/']);
            }
            if links >= 2 && (linked > text * 0.5 || (parted && text < 80.0)) {
                run.iter().for_each(|child| self.dropped[*child] = true);
            }
        }
    }

    /// The core with the parts beside it that read like content, up to the element that the page calls its content.
    fn widen(&mut self, core: Id) -> Id {
        let scope = self.scope();
        let named = scope != DOCUMENT;
        let least = if named { BESIDE * 0.6 } else { BESIDE.max(self.counts[core].prose * 0.15) };
        let (mut root, mut at) = (core, core);
        while at != scope {
            let Some(parent) = self.dom.node(at).parent else { break };
            let beside: Vec<Id> =
                self.dom.children(parent).filter(|child| *child != at && !self.dropped[*child]).collect();
            for child in beside {
                if self.is_beside(child, least) {
                    root = parent;
                } else {
                    self.dropped[child] = true;
                }
            }
            at = parent;
        }
        if matches!(self.dom.name(root), "body" | "html") || root == DOCUMENT {
            self.drop_scraps(root);
        }
        root
    }

    fn is_beside(&self, id: Id, least: f64) -> bool {
        let Count { text, linked, prose, controls, .. } = self.counts[id];
        if text == 0.0 || linked > text * 0.3 {
            return false;
        }
        match self.dom.name(id) {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "p" | "ul" | "ol" | "pre" | "dl" | "blockquote" | "figure"
            | "details" => true,
            "header" => self.kept(id).any(|within| matches!(self.dom.name(within), "h1" | "h2")),
            "table" => prose >= least || self.kept(id).any(|within| self.dom.name(within) == "th"),
            "" => prose >= BESIDE,
            _ => {
                let titled = self.kept(id).any(|within| self.dom.name(within) == "h1");
                (prose >= least || titled) && controls < 3
            }
        }
    }

    /// Drops the short boxes at the top level of a page that has no part for its content, and the imprint below its last
    /// rule.
    fn drop_scraps(&mut self, root: Id) {
        let below: Vec<Id> = self.dom.children(root).collect();
        if let Some(rule) = below.iter().rposition(|id| self.dom.name(*id) == "hr") {
            let (text, links) = below[rule..]
                .iter()
                .fold((0.0, 0), |(text, links), id| (text + self.counts[*id].text, links + self.counts[*id].links));
            if links > 0 && text < 150.0 && text < self.counts[root].text * 0.2 {
                below[rule..].iter().for_each(|id| self.dropped[*id] = true);
            }
        }
        let children: Vec<Id> = self.dom.children(root).filter(|child| self.dom.name(*child) == "div").collect();
        for child in children {
            if self.counts[child].prose < 25.0 {
                self.dropped[child] = true;
            }
        }
    }

    fn is_little(&self, root: Id) -> bool {
        self.counts[root].prose < LITTLE
    }
}

fn letters(text: &str) -> f64 {
    let letter = |c: char| {
        if c.is_whitespace() {
            0.0
        } else if matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}') {
            2.0
        } else {
            1.0
        }
    };
    text.chars().map(letter).sum()
}

fn ends_sentence(text: &str) -> bool {
    let end = text.trim_end().chars().next_back();
    end.is_some_and(|c| matches!(c, '.' | '!' | '?' | ':' | ';' | '。' | '！' | '？' | '।' | '؟' | '۔' | '…' | '๏'))
}
