//! Plots: an image that the server draws, with the same numbers as a table beside it and, where there is one, as a file.

mod svg;

use maud::{Markup, PreEscaped, html};

use super::table::Table;

/// How values are drawn. Several series of bars stand on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    Bars,
    Lines,
}

/// One row of values: as many as the plot has labels.
pub struct Series<'p> {
    pub name: &'p str,
    pub values: &'p [f64],
}

/// Values over a row of labels, such as days.
pub struct Plot<'p> {
    /// Unique in the page.
    pub id: &'p str,
    /// What it shows, for everybody and for screen readers.
    pub title: &'p str,
    pub marks: Marks,
    /// What the labels are, such as `Day`.
    pub axis: &'p str,
    pub labels: &'p [String],
    /// Five at most: the style sheet has as many colours.
    pub series: &'p [Series<'p>],
    /// A value in full, for the table.
    pub exact: &'p dyn Fn(f64) -> String,
    /// A value in few characters, for the axis.
    pub short: &'p dyn Fn(f64) -> String,
    /// Where the numbers are as a file.
    pub csv: Option<&'p str>,
}

/// The sizes in which a plot is drawn, with the number of labels that fit: the style sheet shows the one for the screen,
/// so that text keeps its size.
const SIZES: [(&str, (u32, u32), usize); 2] = [("wide", (880, 240), 16), ("narrow", (340, 210), 6)];

impl Plot<'_> {
    pub fn draw(&self) -> Markup {
        let images: Option<Vec<(&str, String)>> = SIZES
            .into_iter()
            .map(|(class, size, labels)| {
                let (width, height) = size;
                let open = format!(
                    r#"<svg class="{class}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{}">"#,
                    self.title_id()
                );
                svg::content(self, size, labels).map(|content| (class, format!("{open}{content}</svg>")))
            })
            .collect();
        html! {
            figure class="plot" {
                figcaption {
                    span id=(self.title_id()) { (self.title) }
                    @if self.series.len() > 1 { (self.legend()) }
                }
                // Drawn here of numbers and of labels that the crate escapes.
                @for (_, image) in images.iter().flatten() { (PreEscaped(image)) }
                details open[images.is_none()] {
                    summary { "Numbers" }
                    (self.table())
                }
                @if let Some(csv) = self.csv { p class="plot-end" { a href=(csv) download { "Download as CSV" } } }
            }
        }
    }

    fn title_id(&self) -> String {
        format!("{}-title", self.id)
    }

    fn legend(&self) -> Markup {
        html! {
            ul class="legend" {
                @for (at, series) in self.series.iter().enumerate() {
                    li {
                        svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" {
                            rect width="10" height="10" rx="2" fill=(svg::series_colour(at)) {}
                        }
                        (series.name)
                    }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        let names: Vec<String> = self.series.iter().map(|series| format!("#{}", series.name)).collect();
        let mut columns = vec![self.axis];
        columns.extend(names.iter().map(String::as_str));
        let mut table = Table::new(self.title, &columns);
        for (at, label) in self.labels.iter().enumerate() {
            let values = self.series.iter().map(|series| series.values.get(at).copied().unwrap_or_default());
            let mut cells = vec![html! { (label) }];
            cells.extend(values.map(|value| html! { ((self.exact)(value)) }));
            table.row(cells);
        }
        table.draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(marks: Marks, values: &[f64], label: &str) -> String {
        let labels: Vec<String> = values.iter().map(|_| label.to_owned()).collect();
        let series = [Series { name: "<b>used</b>", values }, Series { name: "kept", values }];
        let number = |value: f64| format!("{value:.0}");
        let plot = Plot {
            id: "p",
            title: "Use by day",
            marks,
            axis: "Day",
            labels: &labels,
            series: &series,
            exact: &number,
            short: &number,
            csv: Some("/console/use.csv"),
        };
        plot.draw().into_string()
    }

    #[test]
    fn a_plot_has_its_numbers_beside_it_and_no_style_of_its_own() {
        for marks in [Marks::Bars, Marks::Lines] {
            let drawn = drawn(marks, &[1.0, 5.0, 2.0], "Mon");
            assert_eq!(drawn.matches(r#"role="img" aria-labelledby="p-title""#).count(), 2, "{drawn}");
            assert!(drawn.contains(r#"id="p-title">Use by day<"#) && drawn.contains("/console/use.csv"));
            assert!(drawn.contains("<details>") && drawn.matches("<tr>").count() == 4);
            assert!(!drawn.contains("style="), "the content security policy refuses it");
            assert!(drawn.contains("#000100") && drawn.contains("#000101"), "{drawn}");
        }
    }

    #[test]
    fn hostile_words_and_values_are_drawn_as_text_or_not_at_all() {
        let hostile = r#""/><script>alert(1)</script>"#;
        for values in [&[][..], &[0.0], &[-3.0, 2.0], &[f64::NAN, f64::INFINITY, 1.0], &[1e300, 1.0], &[7.0; 92]] {
            for marks in [Marks::Bars, Marks::Lines] {
                let drawn = drawn(marks, values, hostile);
                assert!(!drawn.contains("<script") && !drawn.contains("<b>"), "{drawn}");
                assert!(!drawn.contains("NaN\""), "{drawn}");
            }
        }
    }
}
