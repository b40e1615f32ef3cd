//! A heat map: a field for each pair of two settings, its value written into it. SVG.

use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::paint::{Drawn, INK, Paper, SIZE, TEXT_HEIGHT, short, svg, title, type_of};

/// Fields of one heat map.
#[derive(Clone, Debug)]
pub(crate) struct HeatMap {
    /// Above it, with the unit of the values.
    pub(crate) title: String,
    /// What the columns differ in, and each one's value.
    pub(crate) columns: (String, Vec<String>),
    /// What the rows differ in, and each one's value, from the bottom.
    pub(crate) rows: (String, Vec<String>),
    /// A row a row, a value a column; `None` where nothing was measured.
    pub(crate) values: Vec<Vec<Option<f64>>>,
}

/// From the least value to the greatest: the anchors of `viridis`, even to the eye and in grey.
const COLOURS: [(f64, f64, f64); 5] = [
    (68.0, 1.0, 84.0),
    (59.0, 82.0, 139.0),
    (33.0, 145.0, 140.0),
    (94.0, 201.0, 98.0),
    (253.0, 231.0, 37.0),
];
/// Where the fields begin and end, pixels.
const LEFT: i32 = 110;
const TOP: i32 = 52;
const RIGHT: i32 = 24;
const BOTTOM: i32 = 62;
const UNMEASURED: RGBColor = RGBColor(238, 238, 238);

impl HeatMap {
    /// The heat map as SVG.
    pub(crate) fn svg(&self) -> String {
        svg(|paper| self.draw(paper))
    }

    fn draw(&self, paper: &Paper<'_>) -> Drawn {
        title(paper, &self.title)?;
        let (width, height) =
            (SIZE.0.cast_signed() - LEFT - RIGHT, SIZE.1.cast_signed() - TOP - BOTTOM);
        let columns = Steps::new(LEFT, width, self.columns.1.len());
        let rows = Steps::new(TOP, height, self.rows.1.len());
        let (least, greatest) = self.bounds();
        for (row, values) in self.values.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                // The first row is the lowest.
                let row = self.rows.1.len().saturating_sub(row + 1);
                let corners = [
                    (columns.edge(column), rows.edge(row)),
                    (columns.edge(column + 1) - 1, rows.edge(row + 1) - 1),
                ];
                draw_field(paper, corners, *value, (least, greatest))?;
            }
        }
        self.draw_labels(paper, &columns, &rows)
    }

    fn draw_labels(&self, paper: &Paper<'_>, columns: &Steps, rows: &Steps) -> Drawn {
        let bottom = SIZE.1.cast_signed() - BOTTOM;
        let below = type_of(TEXT_HEIGHT, INK, HPos::Center, VPos::Top);
        for (index, name) in self.columns.1.iter().enumerate() {
            paper.draw_text(name, &below, (columns.middle(index), bottom + 8))?;
        }
        let beside = type_of(TEXT_HEIGHT, INK, HPos::Right, VPos::Center);
        for (index, name) in self.rows.1.iter().rev().enumerate() {
            paper.draw_text(name, &beside, (LEFT - 8, rows.middle(index)))?;
        }
        paper.draw_text(&self.columns.0, &below, (columns.centre(), bottom + 34))?;
        let upright = below.transform(FontTransform::Rotate270);
        paper.draw_text(&self.rows.0, &upright, (14, rows.centre()))?;
        Ok(())
    }

    fn bounds(&self) -> (f64, f64) {
        let values = || self.values.iter().flatten().flatten().copied().filter(|v| v.is_finite());
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    }
}

fn draw_field(
    paper: &Paper<'_>,
    corners: [(i32, i32); 2],
    value: Option<f64>,
    (least, greatest): (f64, f64),
) -> Drawn {
    let share = value.map(|value| (value - least) / (greatest - least).max(f64::MIN_POSITIVE));
    let colour = share.map_or(UNMEASURED, colour);
    paper.draw(&Rectangle::new(corners, colour.filled()))?;
    let [(left, top), (right, bottom)] = corners;
    let ink = if is_dark(colour) { WHITE } else { BLACK };
    let style = type_of(TEXT_HEIGHT, ink, HPos::Center, VPos::Center);
    let text = value.map_or_else(|| "-".to_owned(), short);
    paper.draw_text(&text, &style, (i32::midpoint(left, right), i32::midpoint(top, bottom)))?;
    Ok(())
}

/// Between two anchors of the scale; `share` is of the way from the least to the greatest.
fn colour(share: f64) -> RGBColor {
    #![expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "shares and colours are small, and `as` saturates"
    )]
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let at = share * (COLOURS.len() - 1) as f64;
    let below = (at as usize).min(COLOURS.len() - 2);
    let (one, other, part) = (COLOURS[below], COLOURS[below + 1], at - below as f64);
    let mix = |one: f64, other: f64| (one + (other - one) * part).round() as u8;
    RGBColor(mix(one.0, other.0), mix(one.1, other.1), mix(one.2, other.2))
}

/// By the brightness that eyes see (Rec. 601).
fn is_dark(RGBColor(red, green, blue): RGBColor) -> bool {
    u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114 < 128_000
}

/// A length in equal steps.
struct Steps {
    start: i32,
    length: i32,
    count: i32,
}

impl Steps {
    fn new(start: i32, length: i32, count: usize) -> Steps {
        Steps { start, length, count: i32::try_from(count.max(1)).unwrap_or(i32::MAX) }
    }

    /// Where a step begins; rounded down.
    fn edge(&self, index: usize) -> i32 {
        let index = i32::try_from(index).unwrap_or(self.count).min(self.count);
        self.start + self.length * index / self.count
    }

    fn middle(&self, index: usize) -> i32 {
        i32::midpoint(self.edge(index), self.edge(index + 1))
    }

    fn centre(&self) -> i32 {
        self.start + self.length / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(values: Vec<Vec<Option<f64>>>) -> String {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        HeatMap {
            title: "write, MB/s".to_owned(),
            columns: ("queue depth".to_owned(), names(["1", "8"])),
            rows: ("chunk size".to_owned(), names(["4KiB", "1MiB"])),
            values,
        }
        .svg()
    }

    #[test]
    fn every_field_has_its_value_and_the_first_row_is_the_lowest() {
        let svg = example(vec![vec![Some(100.0), None], vec![Some(2000.0), Some(4000.0)]]);
        for word in ["100", "2000", "4000", "4KiB", "1MiB", "queue depth", "chunk size"] {
            assert!(svg.contains(&format!("\n{word}\n")), "{word} is missing: {svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 1 + 4, "the paper and the fields");
        let at = |word: &str| svg.find(word).unwrap();
        assert!(at("\n100\n") < at("\n2000\n"), "drawn in order");
    }

    #[test]
    fn equal_values_and_none_at_all_are_drawn() {
        for value in [None, Some(0.0), Some(7.0)] {
            assert!(example(vec![vec![value; 2]; 2]).ends_with("</svg>\n"));
        }
    }

    #[test]
    fn the_scale_goes_from_dark_to_bright() {
        assert_eq!(colour(0.0), RGBColor(68, 1, 84));
        assert_eq!(colour(1.0), RGBColor(253, 231, 37));
        assert_eq!(colour(f64::NAN), RGBColor(68, 1, 84));
        assert!(is_dark(colour(0.1)) && !is_dark(colour(0.9)));
    }
}
