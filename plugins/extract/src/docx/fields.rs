//! Fields of a Word document: texts that Word computes, such as the page's number.

/// Fields within fields.
const DEPTH_MOST: usize = 64;
/// Bytes of an instruction. The name of what is computed comes first.
const INSTRUCTION_MOST: usize = 64;

/// The fields that are open.
#[derive(Default)]
pub struct Fields(Vec<Field>);

struct Field {
    instruction: String,
    /// What follows is what was computed.
    result: bool,
}

impl Fields {
    /// Begins a field that is one element.
    pub fn simple(&mut self, instruction: &str) {
        self.mark("begin");
        self.instruction(instruction);
        self.mark("separate");
    }

    /// A mark of a field whose parts are elements of their own.
    pub fn mark(&mut self, kind: &str) {
        match kind {
            "begin" if self.0.len() < DEPTH_MOST => self.0.push(Field { instruction: String::new(), result: false }),
            "separate" => self.0.last_mut().into_iter().for_each(|field| field.result = true),
            "end" => drop(self.0.pop()),
            _ => {}
        }
    }

    pub fn instruction(&mut self, text: &str) {
        if let Some(field) = self.0.last_mut().filter(|field| field.instruction.len() < INSTRUCTION_MOST) {
            field.instruction.push_str(&text[..text.floor_char_boundary(INSTRUCTION_MOST)]);
        }
    }

    /// Whether a text is the number of a page, or of all pages.
    pub fn is_page(&self) -> bool {
        self.0.iter().any(|field| field.result && field.is_page())
    }

    /// Ends the numbers of pages with their paragraph, also those that a broken document leaves open.
    pub fn leave_paragraph(&mut self) {
        self.0.retain(|field| !field.is_page());
    }
}

impl Field {
    fn is_page(&self) -> bool {
        let name = self.instruction.split_whitespace().next().unwrap_or_default();
        ["PAGE", "NUMPAGES", "SECTIONPAGES"].iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}
