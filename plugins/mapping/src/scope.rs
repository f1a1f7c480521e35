//! The names in scope of a part of a filter.

/// A named entry. All entries but functions have a slot in the environment.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    Variable(&'static str),
    Parameter(&'static str),
    Label(&'static str),
    /// A value without a name.
    Hidden,
    Function {
        name: &'static str,
        arity: usize,
        function: u32,
    },
}

#[derive(Default)]
pub struct Scope {
    entries: Vec<Entry>,
    /// Number of entries with a slot.
    depth: u32,
}

/// What a name with arguments refers to.
pub enum Callee {
    Parameter(u32),
    Function(u32),
}

impl Scope {
    pub fn depth(&self) -> u32 {
        self.depth
    }

    pub fn push(&mut self, entry: Entry) {
        self.depth += u32::from(!matches!(entry, Entry::Function { .. }));
        self.entries.push(entry);
    }

    /// A mark to which the scope can be reset.
    pub fn mark(&self) -> usize {
        self.entries.len()
    }

    pub fn reset(&mut self, mark: usize) {
        self.split(mark);
    }

    /// Removes and returns the entries since a mark.
    pub fn split(&mut self, mark: usize) -> Vec<Entry> {
        let split = self.entries.split_off(mark);
        self.depth -= split.iter().filter(|entry| !matches!(entry, Entry::Function { .. })).count() as u32;
        split
    }

    pub fn join(&mut self, entries: Vec<Entry>) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }

    /// Renames or hides the value at a mark.
    pub fn rename(&mut self, mark: usize, entry: Entry) {
        if let Some(old) = self.entries.get_mut(mark) {
            *old = entry;
        }
    }

    /// The variables since a mark, each with the number of slots above it.
    pub fn variables_since(&self, mark: usize) -> Vec<(&'static str, u32)> {
        self.slots()
            .take_while(|(at, ..)| *at >= mark)
            .filter_map(|(_, above, entry)| match entry {
                Entry::Variable(name) => Some((*name, above)),
                _ => None,
            })
            .collect()
    }

    /// The slot of the entry at a mark, counted from the oldest.
    pub fn slot(&self, mark: usize) -> u32 {
        self.entries[..mark].iter().filter(|entry| !matches!(entry, Entry::Function { .. })).count() as u32
    }

    /// The entries from the newest on, with their positions and the number of slots above them.
    fn slots(&self) -> impl Iterator<Item = (usize, u32, &Entry)> {
        let mut above = 0;
        self.entries.iter().enumerate().rev().map(move |(at, entry)| {
            let slots = above;
            above += u32::from(!matches!(entry, Entry::Function { .. }));
            (at, slots, entry)
        })
    }

    pub fn variable(&self, name: &str) -> Option<u32> {
        self.slots()
            .find(|(_, _, entry)| matches!(entry, Entry::Variable(other) if *other == name))
            .map(|(_, above, _)| above)
    }

    pub fn label(&self, name: &str) -> Option<u32> {
        self.slots()
            .find(|(_, _, entry)| matches!(entry, Entry::Label(other) if *other == name))
            .map(|(_, above, _)| above)
    }

    pub fn callee(&self, name: &str, arity: usize) -> Option<Callee> {
        self.slots().find_map(|(_, above, entry)| match entry {
            Entry::Parameter(other) if arity == 0 && *other == name => Some(Callee::Parameter(above)),
            Entry::Function { name: other, arity: takes, function } if *other == name && *takes == arity => {
                Some(Callee::Function(*function))
            }
            _ => None,
        })
    }
}
