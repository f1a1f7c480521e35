//! Draws a plot with `plotters`. Its colours are no colours but names, which `console.css` gives the colours of the
//! reader's scheme.

use plotters::{
    chart::ChartBuilder,
    coord::{Shift, types::RangedCoordf64},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::Rectangle,
    prelude::{Cartesian2d, ChartContext, SVGBackend},
    series::LineSeries,
    style::{Color, IntoFont, RGBColor, ShapeStyle, TRANSPARENT},
};

use super::{Marks, Plot};

const GRID: RGBColor = RGBColor(0, 0, 1);
const TEXT: RGBColor = RGBColor(0, 0, 2);
const AXIS: RGBColor = RGBColor(0, 0, 3);
/// The style sheet sets the size in which text is shown. This one is for the space that the crate leaves for it.
const TEXT_SIZE: i32 = 15;
/// Half of a bar, where the bars' middles are 1 apart.
const HALF: f64 = 0.36;
/// What larger numbers are drawn as.
const MOST: f64 = 1e18;

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;
type Chart<'a, 's> = ChartContext<'a, SVGBackend<'s>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The name of a series' colour.
pub fn series_colour(at: usize) -> String {
    format!("#0001{at:02X}")
}

fn colour(at: usize) -> RGBColor {
    RGBColor(0, 1, u8::try_from(at).unwrap_or(u8::MAX))
}

/// What is in the image's element. `None` when it can't be drawn; the table then stands alone.
pub fn content(plot: &Plot<'_>, size: (u32, u32), labels: usize) -> Option<String> {
    if plot.labels.is_empty() {
        return None;
    }
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(plot, &area, labels).and_then(|()| area.present()).ok()?;
    }
    let (_, content) = text.split_once('>')?;
    Some(content.trim_end().strip_suffix("</svg>")?.to_owned())
}

fn draw(plot: &Plot<'_>, area: &Area<'_>, labels: usize) -> Drawn {
    let (low, high) = range(plot);
    let end = position(plot.labels.len()) - 0.5;
    let mut chart = ChartBuilder::on(area)
        .margin_top(10)
        .margin_right(8)
        .x_label_area_size(26)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.5..end, low..high)?;
    let label = |at: &f64| {
        let place = plot.labels.iter().enumerate().find(|(place, _)| (position(*place) - at).abs() < 0.01);
        place.map(|(_, label)| label.clone()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .x_labels(labels)
        .y_labels(5)
        .x_label_formatter(&label)
        .y_label_formatter(&|value| (plot.short)(*value))
        .label_style(("sans-serif", TEXT_SIZE).into_font().color(&TEXT))
        .draw()?;
    match plot.marks {
        Marks::Bars => bars(plot, &mut chart),
        Marks::Lines => lines(plot, &mut chart),
    }
}

fn bars(plot: &Plot<'_>, chart: &mut Chart<'_, '_>) -> Drawn {
    let mut floors = vec![0.0; plot.labels.len()];
    for (at, series) in plot.series.iter().enumerate() {
        for (place, (value, floor)) in series.values.iter().zip(&mut floors).enumerate() {
            let top = *floor + drawable(*value);
            if top.total_cmp(floor).is_ne() {
                let (left, right) = (position(place) - HALF, position(place) + HALF);
                let bar = Rectangle::new([(left, top), (right, *floor)], colour(at).filled());
                chart.draw_series([bar])?;
            }
            *floor = top;
        }
    }
    Ok(())
}

fn lines(plot: &Plot<'_>, chart: &mut Chart<'_, '_>) -> Drawn {
    for (at, series) in plot.series.iter().enumerate() {
        let points = series.values.iter().enumerate().map(|(place, value)| (position(place), drawable(*value)));
        let style = ShapeStyle::from(colour(at)).stroke_width(2);
        chart.draw_series(LineSeries::new(points, style))?;
    }
    Ok(())
}

/// The lowest and the highest value of the vertical axis, which always has zero.
fn range(plot: &Plot<'_>) -> (f64, f64) {
    let at = |place: usize| plot.series.iter().filter_map(move |series| series.values.get(place)).map(|v| drawable(*v));
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for place in 0..plot.labels.len() {
        let (least, most) = match plot.marks {
            Marks::Bars => (at(place).filter(|v| *v < 0.0).sum::<f64>(), at(place).filter(|v| *v > 0.0).sum::<f64>()),
            Marks::Lines => (at(place).fold(0.0, f64::min), at(place).fold(0.0, f64::max)),
        };
        (low, high) = (low.min(least), high.max(most));
    }
    // Without any value there are lines for 0 and 1.
    if (high - low).abs() < f64::EPSILON { (0.0, 1.0) } else { (low * 1.05, high * 1.05) }
}

fn drawable(value: f64) -> f64 {
    if value.is_finite() { value.clamp(-MOST, MOST) } else { 0.0 }
}

/// The middle of a label's place on the horizontal axis.
fn position(place: usize) -> f64 {
    f64::from(u32::try_from(place).unwrap_or(u32::MAX))
}
