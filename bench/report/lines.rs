//! Lines over a logarithmic x axis that doubles: queue depths, connections, chunk sizes. SVG.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::paint::{Drawn, GRID, INK, Paper, SIZE, TEXT_HEIGHT, short, svg, title, type_of};

/// Lines of one plot.
#[derive(Clone, Debug)]
pub(crate) struct LinePlot {
    /// Above the plot.
    pub(crate) title: String,
    /// What the x axis counts, with its unit; values are positive.
    pub(crate) x_label: String,
    /// The same of the y axis.
    pub(crate) y_label: String,
    /// How y grows.
    pub(crate) y_scale: YScale,
    /// Drawn and named in this order.
    pub(crate) series: Vec<Series>,
}

/// How the y axis grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum YScale {
    /// From zero, evenly.
    Linear,
    /// By factors: for latencies, whose tail is many times their median.
    Logarithmic,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What the legend calls it.
    pub(crate) name: String,
    /// x and y, x ascending.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Colours that people who see fewer of them tell apart as well (Okabe and Ito), without the yellow
/// that white swallows.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// Width of the column that the legend has to itself, pixels.
const LEGEND_WIDTH: i32 = 170;
/// Height of a line of the legend, pixels.
const LEGEND_STEP: i32 = 22;
/// Top of the plot, below its title, pixels.
const TOP: i32 = 48;
/// Most marks on the x axis that have room for their figures.
const X_MARKS_MAX: usize = 14;

impl LinePlot {
    /// The plot as SVG. Points that a logarithm has no place for, and what is no number, are left
    /// out.
    pub(crate) fn svg(&self) -> String {
        svg(|paper| self.draw(paper))
    }

    fn draw(&self, paper: &Paper<'_>) -> Drawn {
        title(paper, &self.title)?;
        self.draw_legend(paper)?;
        let x = self.x_axis();
        let highest = self.points().map(|(_, y)| y).fold(0.0, f64::max);
        match self.y_scale {
            YScale::Linear => {
                let top = if highest > 0.0 { highest * 1.08 } else { 1.0 };
                self.draw_lines(paper, x, RangedCoordf64::from(0.0..top))
            }
            YScale::Logarithmic => {
                let lowest = self.points().map(|(_, y)| y).fold(f64::INFINITY, f64::min);
                let range = if highest > 0.0 { lowest / 1.25..highest * 1.25 } else { 1.0..10.0 };
                let marks = factors_of_ten(&range);
                self.draw_lines(paper, x, range.log_scale().with_key_points(marks))
            }
        }
    }

    /// From the first x to the last, marked where there are points.
    fn x_axis(
        &self,
    ) -> impl AsRangedCoord<CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>, Value = f64>
    {
        let mut marks: Vec<f64> = self.points().map(|(x, _)| x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        let (first, last) = (marks.first().copied(), marks.last().copied());
        let range = first.unwrap_or(1.0) / 1.15..last.unwrap_or(1.0) * 1.15;
        let every = marks.len().div_ceil(X_MARKS_MAX).max(1);
        let marks: Vec<f64> = marks.into_iter().step_by(every).collect();
        range.log_scale().base(2.0).with_key_points(marks)
    }

    fn draw_lines<X, Y>(&self, paper: &Paper<'_>, x: X, y: Y) -> Drawn
    where
        X: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
        Y: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
    {
        let mut chart = ChartBuilder::on(paper)
            .margin_top(TOP)
            .margin_left(14)
            .margin_bottom(10)
            .margin_right(LEGEND_WIDTH)
            .x_label_area_size(48)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y)?;
        let text = type_of(TEXT_HEIGHT, INK, HPos::Left, VPos::Top);
        chart
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text.clone())
            .axis_desc_style(text)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        for (index, series) in self.series.iter().enumerate() {
            let points: Vec<_> =
                series.points.iter().copied().filter(|p| self.is_drawable(p)).collect();
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                colour(index).stroke_width(2),
            ))?;
            chart.draw_series(points.into_iter().map(|point| mark(point, index)))?;
        }
        Ok(())
    }

    fn draw_legend(&self, paper: &Paper<'_>) -> Drawn {
        let left = SIZE.0.cast_signed() - LEGEND_WIDTH + 16;
        let text = type_of(TEXT_HEIGHT, INK, HPos::Left, VPos::Center);
        for (index, series) in self.series.iter().enumerate() {
            let row = i32::try_from(index).unwrap_or(i32::MAX);
            let middle = TOP + 12 + row.saturating_mul(LEGEND_STEP);
            let line = PathElement::new(
                [(left, middle), (left + 24, middle)],
                colour(index).stroke_width(2),
            );
            paper.draw(&line)?;
            paper.draw(&mark((left + 12, middle), index))?;
            paper.draw_text(&series.name, &text, (left + 32, middle))?;
        }
        Ok(())
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let all = self.series.iter().flat_map(|series| &series.points);
        all.copied().filter(|point| self.is_drawable(point))
    }

    fn is_drawable(&self, &(x, y): &(f64, f64)) -> bool {
        let y_min = if self.y_scale == YScale::Linear { -f64::MIN_POSITIVE } else { 0.0 };
        x.is_finite() && y.is_finite() && x > 0.0 && y > y_min
    }
}

/// A point of a line; hollow from the second round of colours on.
fn mark<C>(at: C, index: usize) -> Circle<C, i32> {
    let style =
        ShapeStyle { color: colour(index).into(), filled: index < COLOURS.len(), stroke_width: 2 };
    Circle::new(at, 4, style)
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// Marks of a logarithmic axis: 1, 2 and 5 times powers of ten, and on a long one the powers alone.
fn factors_of_ten(range: &Range<f64>) -> Vec<f64> {
    const POWERS: std::ops::RangeInclusive<i32> = -9..=15;
    const MARKS_MAX: usize = 12;
    let within = |value: &f64| range.contains(value);
    let powers = || POWERS.map(|power| 10_f64.powi(power));
    let fine: Vec<f64> =
        powers().flat_map(|power| [power, 2.0 * power, 5.0 * power]).filter(within).collect();
    if fine.len() <= MARKS_MAX { fine } else { powers().filter(within).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(y_scale: YScale, series: Vec<Series>) -> String {
        let [title, x_label, y_label] = ["a < b", "queue depth", "µs"].map(str::to_owned);
        LinePlot { title, x_label, y_label, y_scale, series }.svg()
    }

    #[test]
    fn a_plot_names_its_lines_and_marks_its_points() {
        let points = vec![(1.0, 10.0), (2.0, 100.0), (64.0, 5000.0)];
        let series =
            ["p50", "p99"].map(|name| Series { name: name.to_owned(), points: points.clone() });
        let svg = plot(YScale::Logarithmic, series.to_vec());
        for word in
            ["p50", "p99", "queue depth", "a &lt; b", "\n64\n", "\n1000\n", "fill=\"#FFFFFF\""]
        {
            assert!(svg.contains(word), "{word:?} is missing: {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 2 * 3 + 2, "every point, and the legend");
    }

    #[test]
    fn one_point_no_points_and_no_numbers_are_plots_too() {
        for points in
            [vec![], vec![(8.0, 3.0)], vec![(8.0, 0.0), (0.0, 1.0), (f64::NAN, f64::INFINITY)]]
        {
            for y_scale in [YScale::Linear, YScale::Logarithmic] {
                let svg =
                    plot(y_scale, vec![Series { name: "x".to_owned(), points: points.clone() }]);
                assert!(svg.ends_with("</svg>\n"), "{svg}");
                assert!(!svg.contains("NaN"), "{svg}");
            }
        }
    }

    #[test]
    fn a_logarithmic_axis_is_marked_as_people_count() {
        assert_eq!(factors_of_ten(&(8.0..120.0)), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(factors_of_ten(&(0.5..2e6)).len(), 7);
    }
}
