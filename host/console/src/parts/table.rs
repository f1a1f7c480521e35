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

/// A page of a list that is read whole: what follows the row with the id `after`, and where the next page begins.
pub fn part<'a, T>(
    all: &'a [T],
    after: Option<&str>,
    most: usize,
    id: impl Fn(&T) -> String,
) -> (&'a [T], Option<String>) {
    let from = after.and_then(|after| all.iter().position(|one| id(one) == after)).map_or(0, |at| at + 1);
    let rest = all.get(from..).unwrap_or_default();
    let page = rest.get(..most).unwrap_or(rest);
    (page, page.last().filter(|_| rest.len() > most).map(id))
}

/// The way to older rows, when there are more. `path` has the query of the page's filters, without its cursor.
pub fn pager(path: &str, next: Option<&str>) -> Markup {
    pager_to("Older", path, next)
}

/// The same to rows that follow in another order.
pub fn pager_to(label: &str, path: &str, next: Option<&str>) -> Markup {
    let sign = if path.contains('?') { '&' } else { '?' };
    html! {
        @if let Some(next) = next {
            nav class="pager" aria-label="Pages" { a href={ (path) (sign) "before=" (next) } class="button" { (label) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_shown_in_parts() {
        let all = [1, 2, 3, 4, 5];
        let page = |after| {
            let (page, next) = part(&all, after, 2, i32::to_string);
            (page.to_vec(), next)
        };
        assert_eq!(page(None), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(page(Some("2")), (vec![3, 4], Some("4".to_owned())));
        assert_eq!(page(Some("4")), (vec![5], None));
        assert_eq!((page(Some("5")), page(Some("gone"))), ((vec![], None), (vec![1, 2], Some("2".to_owned()))));
    }
}
