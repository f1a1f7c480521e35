//! Grids: lines of a page that cross each other, as those of a table.

use super::rules::{RULES_MOST, Rule};

/// How near two lines are that are drawn as one.
const SAME: f32 = 1.0;
/// How near lines are that touch each other. Cells with borders of their own stand a little apart.
const TOUCH: f32 = 3.0;
/// A line that is shorter is a dot.
const SHORTEST: f32 = 4.0;
/// Pairs of lines that are compared on one page.
const PAIRS_MOST: usize = 1_000_000;
/// Grids of one page.
const GRIDS_MOST: usize = 100;
const COLUMNS_MOST: usize = 60;
const ROWS_MOST: usize = 1_000;

/// The cells between lines.
#[derive(Debug)]
pub struct Grid {
    /// The edges of the columns, from the left.
    pub xs: Vec<f32>,
    /// The edges of the rows, from the top.
    pub ys: Vec<f32>,
    /// For each cell, row by row: whether there is a line on its left, and one above it.
    left: Vec<bool>,
    above: Vec<bool>,
}

/// A line across the page or down it: where it is, and from where to where it goes.
#[derive(Clone, Copy)]
struct Edge {
    at: f32,
    from: f32,
    to: f32,
}

/// The grids of a page, the smallest first, since one may be in a cell of another.
pub fn find(rules: &[Rule]) -> Vec<Grid> {
    if rules.len() >= RULES_MOST {
        return Vec::new();
    }
    let level = |rule: &Rule| rule.to.1 - rule.from.1 <= rule.to.0 - rule.from.0;
    let across = rules.iter().filter(|rule| level(rule));
    let across = joined(across.map(|rule| Edge { at: rule.from.1, from: rule.from.0, to: rule.to.0 }).collect());
    let down = rules.iter().filter(|rule| !level(rule));
    let down = joined(down.map(|rule| Edge { at: rule.from.0, from: rule.from.1, to: rule.to.1 }).collect());
    if across.len().saturating_mul(down.len()) > PAIRS_MOST {
        return Vec::new();
    }
    let mut grids: Vec<Grid> =
        groups(&across, &down).iter().filter_map(|(across, down)| Grid::of(across, down)).collect();
    grids.sort_by(|one, other| one.area().total_cmp(&other.area()));
    grids.truncate(GRIDS_MOST);
    grids
}

/// Lines in one place, end to end, are one line.
fn joined(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_by(|one, other| one.at.total_cmp(&other.at));
    let mut joined: Vec<Edge> = Vec::new();
    for near in edges.chunk_by_mut(|one, other| other.at - one.at <= SAME) {
        near.sort_by(|one, other| one.from.total_cmp(&other.from));
        let at = mean(near.iter().map(|edge| edge.at));
        let mut open: Option<Edge> = None;
        for edge in near.iter() {
            match &mut open {
                Some(open) if edge.from - open.to <= TOUCH => open.to = open.to.max(edge.to),
                _ => joined.extend(open.replace(Edge { at, ..*edge })),
            }
        }
        joined.extend(open);
    }
    joined.retain(|edge| edge.to - edge.from >= SHORTEST);
    joined
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len().max(1) as f32;
    values.sum::<f32>() / count
}

/// Lines that touch each other, directly or by way of others.
fn groups(across: &[Edge], down: &[Edge]) -> Vec<(Vec<Edge>, Vec<Edge>)> {
    let mut roots: Vec<usize> = (0..across.len() + down.len()).collect();
    let root = |roots: &mut Vec<usize>, mut n: usize| {
        while roots[n] != n {
            roots[n] = roots[roots[n]];
            n = roots[n];
        }
        n
    };
    let reaches = |edge: &Edge, at: f32| (edge.from - TOUCH..=edge.to + TOUCH).contains(&at);
    for (n, one) in across.iter().enumerate() {
        for (m, other) in down.iter().enumerate() {
            if reaches(one, other.at) && reaches(other, one.at) {
                let (one, other) = (root(&mut roots, n), root(&mut roots, across.len() + m));
                roots[one] = other;
            }
        }
    }
    let mut groups: Vec<(Vec<Edge>, Vec<Edge>)> = vec![(Vec::new(), Vec::new()); roots.len()];
    for (n, edge) in across.iter().enumerate() {
        groups[root(&mut roots, n)].0.push(*edge);
    }
    for (m, edge) in down.iter().enumerate() {
        groups[root(&mut roots, across.len() + m)].1.push(*edge);
    }
    groups
}

/// Places without those that are drawn as one.
fn places(mut all: Vec<f32>) -> Vec<f32> {
    all.sort_by(f32::total_cmp);
    all.chunk_by(|one, other| other - one <= TOUCH).map(|near| mean(near.iter().copied())).collect()
}

fn nearest(places: &[f32], at: f32) -> usize {
    let far = |n: &usize| (places[*n] - at).abs();
    (0..places.len()).min_by(|one, other| far(one).total_cmp(&far(other))).unwrap_or(0)
}

impl Grid {
    fn of(across: &[Edge], down: &[Edge]) -> Option<Self> {
        // A frame, or a heading's line beside another one, is no table.
        if across.len() < 2 || down.is_empty() || across.len() + down.len() < 4 {
            return None;
        }
        // A table may be open at its sides.
        let ends = |edges: &[Edge]| {
            let from = edges.iter().map(|edge| edge.from).fold(f32::INFINITY, f32::min);
            [from, edges.iter().map(|edge| edge.to).fold(f32::NEG_INFINITY, f32::max)]
        };
        let xs = places(down.iter().map(|edge| edge.at).chain(ends(across)).collect());
        let mut ys = places(across.iter().map(|edge| edge.at).chain(ends(down)).collect());
        ys.reverse();
        let (columns, rows) = (xs.len() - 1, ys.len() - 1);
        if !(2..=COLUMNS_MOST).contains(&columns) || !(2..=ROWS_MOST).contains(&rows) {
            return None;
        }
        let mut grid = Self { left: vec![false; rows * columns], above: vec![false; rows * columns], xs, ys };
        for edge in down {
            let column = nearest(&grid.xs, edge.at);
            for row in 0..if column < columns { rows } else { 0 } {
                let middle = (grid.ys[row] + grid.ys[row + 1]) / 2.0;
                grid.left[row * columns + column] |= (edge.from..=edge.to).contains(&middle);
            }
        }
        for edge in across {
            let row = nearest(&grid.ys, edge.at);
            for column in 0..if row < rows { columns } else { 0 } {
                let middle = (grid.xs[column] + grid.xs[column + 1]) / 2.0;
                grid.above[row * columns + column] |= (edge.from..=edge.to).contains(&middle);
            }
        }
        Some(grid)
    }

    pub fn columns(&self) -> usize {
        self.xs.len() - 1
    }

    pub fn rows(&self) -> usize {
        self.ys.len() - 1
    }

    /// The row and the column in which a point is.
    pub fn cell(&self, x: f32, y: f32) -> Option<(usize, usize)> {
        let column = self.xs.partition_point(|edge| *edge <= x).checked_sub(1)?;
        let row = self.ys.partition_point(|edge| *edge >= y).checked_sub(1)?;
        (column < self.columns() && row < self.rows()).then_some((row, column))
    }

    pub fn has_left(&self, row: usize, column: usize) -> bool {
        self.left[row * self.columns() + column]
    }

    pub fn has_above(&self, row: usize, column: usize) -> bool {
        self.above[row * self.columns() + column]
    }

    fn area(&self) -> f32 {
        let wide = self.xs[self.columns()] - self.xs[0];
        wide * (self.ys[0] - self.ys[self.rows()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: (f32, f32), to: (f32, f32)) -> Rule {
        Rule::between(from, to).unwrap()
    }

    #[test]
    fn lines_that_cross_are_a_grid() {
        // Cells with a border each, two units apart, as browsers print them; and a frame around the page.
        let mut rules = Vec::new();
        let mut frame = |x: f32, y: f32, wide: f32, high: f32| {
            let corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high), (x, y)];
            rules.extend(corners.windows(2).map(|pair| rule(pair[0], pair[1])));
        };
        for row in 0..3_u8 {
            for column in 0..2_u8 {
                frame(100.0 + 52.0 * f32::from(column), 100.0 + 22.0 * f32::from(row), 50.0, 20.0);
            }
        }
        frame(10.0, 10.0, 575.0, 820.0);
        let grids = find(&rules);
        let [grid] = grids.as_slice() else { panic!("{grids:?}") };
        assert_eq!((grid.columns(), grid.rows()), (2, 3));
        assert_eq!(grid.cell(110.0, 150.0), Some((0, 0)));
        assert_eq!(grid.cell(170.0, 110.0), Some((2, 1)));
        assert_eq!(grid.cell(90.0, 110.0), None);
        assert!(grid.has_left(1, 1) && grid.has_above(1, 1));
    }

    #[test]
    fn a_table_may_be_open_at_its_sides_and_have_wide_cells() {
        let across = [0.0, 20.0, 40.0, 60.0].map(|y| rule((0.0, y), (90.0, y)));
        // The lower of the two lines down ends under the first row.
        let down = [rule((30.0, 0.0), (30.0, 60.0)), rule((60.0, 0.0), (60.0, 40.0))];
        let grids = find(&[across.as_slice(), down.as_slice()].concat());
        let [grid] = grids.as_slice() else { panic!("{grids:?}") };
        assert_eq!((grid.columns(), grid.rows()), (3, 3));
        assert!(!grid.has_left(0, 2) && grid.has_left(1, 2));
    }

    #[test]
    fn frames_and_single_lines_are_no_grid() {
        let frame = [(0.0, 0.0), (90.0, 0.0), (90.0, 60.0), (0.0, 60.0), (0.0, 0.0)];
        let mut rules: Vec<Rule> = frame.windows(2).map(|pair| rule(pair[0], pair[1])).collect();
        assert!(find(&rules).is_empty());
        rules.push(rule((0.0, 40.0), (90.0, 40.0)));
        assert!(find(&rules).is_empty(), "one column");
        assert!(find(&[rule((0.0, 0.0), (90.0, 0.0)), rule((30.0, -30.0), (30.0, 30.0))]).is_empty(), "a cross");
    }
}
