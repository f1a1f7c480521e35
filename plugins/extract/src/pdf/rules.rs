//! The straight lines that a page draws along its edges, such as those of a table (ISO 32000-2, section 8.5).

/// Lines of one page. A page that has as many is a drawing.
pub const RULES_MOST: usize = 20_000;
/// Corners of one path.
const CORNERS_MOST: usize = 5_000;
/// How far from straight a line may be, in the page's units.
const LEAN: f32 = 0.5;
/// How thick a filled box may be that is meant as a line.
const THICK: f32 = 3.0;

pub type Point = (f32, f32);

/// A line from left to right, or from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    pub from: Point,
    pub to: Point,
}

impl Rule {
    /// The line between two points, if it is along an edge of the page.
    pub fn between(one: Point, other: Point) -> Option<Self> {
        let from = (one.0.min(other.0), one.1.min(other.1));
        let to = (one.0.max(other.0), one.1.max(other.1));
        let finite = [one.0, one.1, other.0, other.1].iter().all(|place| place.is_finite());
        (finite && (to.0 - from.0 <= LEAN || to.1 - from.1 <= LEAN)).then_some(Self { from, to })
    }
}

/// The path that is being made. It becomes lines when it is painted.
#[derive(Default)]
pub struct Path {
    parts: Vec<Part>,
    corners: usize,
}

#[derive(Default)]
struct Part {
    corners: Vec<Point>,
    /// It has a curve, so what it encloses is no box.
    curved: bool,
}

impl Path {
    pub fn move_to(&mut self, point: Point) {
        if self.corners < CORNERS_MOST {
            self.corners += 1;
            self.parts.push(Part { corners: vec![point], curved: false });
        }
    }

    pub fn line_to(&mut self, point: Point) {
        if let Some(part) = self.parts.last_mut().filter(|_| self.corners < CORNERS_MOST) {
            self.corners += 1;
            part.corners.push(point);
        }
    }

    /// A curve to a point. The lines before and after it stay, as those of a box with round corners.
    pub fn curve_to(&mut self, point: Point) {
        self.move_to(point);
        if let [.., before, new] = self.parts.as_mut_slice() {
            (before.curved, new.curved) = (true, true);
        }
    }

    pub fn close(&mut self) {
        if let Some(first) = self.parts.last().and_then(|part| part.corners.first().copied()) {
            self.line_to(first);
        }
    }

    /// Lines along what was drawn.
    pub fn stroke(&self, rules: &mut Vec<Rule>) {
        for part in &self.parts {
            for pair in part.corners.windows(2) {
                push(rules, Rule::between(pair[0], pair[1]));
            }
        }
    }

    /// A line for each thin box that was filled, and the edges of each other one, such as the background of a cell.
    pub fn fill(&self, rules: &mut Vec<Rule>) {
        for part in self.parts.iter().filter(|part| !part.curved) {
            let Some((from, to)) = bounds(&part.corners) else { continue };
            let (wide, high) = (to.0 - from.0, to.1 - from.1);
            let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
            if high <= THICK {
                push(rules, Rule::between((from.0, middle.1), (to.0, middle.1)));
            }
            if wide <= THICK {
                push(rules, Rule::between((middle.0, from.1), (middle.0, to.1)));
            }
            if high > THICK && wide > THICK {
                let corners = [from, (to.0, from.1), to, (from.0, to.1), from];
                corners.windows(2).for_each(|pair| push(rules, Rule::between(pair[0], pair[1])));
            }
        }
    }

    pub fn clear(&mut self) {
        self.parts.clear();
        self.corners = 0;
    }
}

fn push(rules: &mut Vec<Rule>, rule: Option<Rule>) {
    if let Some(rule) = rule.filter(|_| rules.len() < RULES_MOST) {
        rules.push(rule);
    }
}

/// The corners of a box; `None` when the points enclose something else.
fn bounds(points: &[Point]) -> Option<(Point, Point)> {
    if !(4..=5).contains(&points.len()) {
        return None;
    }
    let least = |of: fn(&Point) -> f32| points.iter().map(of).fold(f32::INFINITY, f32::min);
    let most = |of: fn(&Point) -> f32| points.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
    let (from, to) = ((least(|point| point.0), least(|point| point.1)), (most(|point| point.0), most(|point| point.1)));
    let sides = points.windows(2).all(|pair| Rule::between(pair[0], pair[1]).is_some());
    let near = |one: f32, other: f32| (one - other).abs() <= LEAN;
    let corner = |point: &Point| {
        (near(point.0, from.0) || near(point.0, to.0)) && (near(point.1, from.1) || near(point.1, to.1))
    };
    (sides && points.iter().all(corner)).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(corners: &[Point], paint: fn(&Path, &mut Vec<Rule>)) -> Vec<(Point, Point)> {
        let mut path = Path::default();
        path.move_to(corners[0]);
        corners[1..].iter().for_each(|corner| path.line_to(*corner));
        path.close();
        let mut rules = Vec::new();
        paint(&path, &mut rules);
        rules.iter().map(|rule| (rule.from, rule.to)).collect()
    }

    #[test]
    fn only_what_is_straight_along_an_edge_is_a_line() {
        let triangle = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)];
        let expected = [((0.0, 0.0), (10.0, 0.0)), ((10.0, 0.0), (10.0, 10.0))];
        assert_eq!(painted(&triangle, Path::stroke), expected);
        assert_eq!(painted(&triangle, Path::fill), []);
        let thin = [(0.0, 0.0), (100.0, 0.0), (100.0, 1.0), (0.0, 1.0)];
        assert_eq!(painted(&thin, Path::fill), [((0.0, 0.5), (100.0, 0.5))]);
        let cell = [(0.0, 0.0), (100.0, 0.0), (100.0, 20.0), (0.0, 20.0)];
        assert_eq!(painted(&cell, Path::fill).len(), 4);
        assert_eq!(painted(&[(f32::NAN, 0.0), (1.0, 0.0)], Path::stroke), []);
    }
}
