//! What the plots share: paper, ink, type, and how a figure is written on an axis. Everything is
//! drawn on white, so that a plot reads the same on a light and on a dark page.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A drawing under way.
pub(super) type Paper<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing may end with; on paper in memory it never does.
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Width and height, pixels.
pub(super) const SIZE: (u32, u32) = (960, 540);
/// Of titles and of everything else, pixels.
pub(super) const TITLE_HEIGHT: i32 = 20;
pub(super) const TEXT_HEIGHT: i32 = 14;
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const GRID: RGBColor = RGBColor(221, 221, 221);

/// Draws on white paper of [`SIZE`]; the SVG.
pub(super) fn svg(draw: impl FnOnce(&Paper<'_>) -> Drawn) -> String {
    let mut text = String::new();
    let drawn = {
        let paper = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        paper.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&paper)).and_then(|()| {
            paper.present()?;
            Ok(())
        })
    };
    match drawn {
        Ok(()) => text,
        Err(error) => unreachable!("text in memory can always be drawn on: {error}"),
    }
}

/// Type of a height, anchored where `horizontal` and `vertical` say.
pub(super) fn type_of(
    height: i32,
    ink: RGBColor,
    horizontal: HPos,
    vertical: VPos,
) -> TextStyle<'static> {
    ("sans-serif", height).into_font().color(&ink).pos(Pos::new(horizontal, vertical))
}

/// The title, above everything.
pub(super) fn title(paper: &Paper<'_>, text: &str) -> Drawn {
    let style = type_of(TITLE_HEIGHT, INK, HPos::Center, VPos::Top);
    paper.draw_text(text, &style, (SIZE.0.cast_signed() / 2, 14))?;
    Ok(())
}

/// A figure in three digits or more, with a letter for thousands and millions; what an axis has
/// room for.
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, "M"),
        size if size >= 9_995.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_on_an_axis_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.125, "0.125"),
            (1.0, "1"),
            (2.5, "2.5"),
            (12.34, "12.3"),
            (1234.5, "1234"),
            (10_000.0, "10k"),
            (1_500_000.0, "1.5M"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
