//! Tables. On a narrow screen each row is a card, in which every cell has its column's name.

use maud::{Markup, html};

/// A table with a caption for screen readers.
pub struct Table<'t> {
    caption: &'t str,
    columns: &'t [&'t str],
    rows: Vec<Vec<Markup>>,
}

impl<'t> Table<'t> {
    /// A column whose name begins with `#` holds numbers.
    pub fn new(caption: &'t str, columns: &'t [&'t str]) -> Self {
        Self { caption, columns, rows: Vec::new() }
    }

    /// Adds a row: one cell for each column. The first cell names the row.
    pub fn row(&mut self, cells: Vec<Markup>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn draw(&self) -> Markup {
        let name = |column: &'t str| column.trim_start_matches('#');
        let number = |column: &str| column.starts_with('#').then_some("number");
        html! {
            div class="table" {
                table {
                    caption class="hidden" { (self.caption) }
                    thead { tr { @for column in self.columns { th scope="col" class=[number(column)] { (name(column)) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (at, (cell, column)) in row.iter().zip(self.columns).enumerate() {
                                    @if at == 0 { th scope="row" { (cell) } }
                                    @else { td class=[number(column)] data-label=(name(column)) { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The way to older rows, when there are more. `path` has the query of the page's filters, without its cursor.
pub fn pager(path: &str, next: Option<&str>) -> Markup {
    let sign = if path.contains('?') { '&' } else { '?' };
    html! {
        @if let Some(next) = next {
            nav class="pager" aria-label="Pages" { a href={ (path) (sign) "before=" (next) } class="button" { "Older" } }
        }
    }
}
