//! The bar of a long command, on stderr.

use std::io::{self, IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::config::ShowProgress;

/// Columns of a bar where nobody says how wide the terminal is.
const WIDTH_DEFAULT: u16 = 80;
/// What it shows: file, bar, how much of how much, rate, time left.
const TEMPLATE: &str = "{msg} {wide_bar} {percent}% {decimal_bytes}/{decimal_total_bytes} \
                        {decimal_bytes_per_sec} {eta} left";
/// The same where nobody knows how much it will be.
const TEMPLATE_ENDLESS: &str = "{msg} {decimal_bytes} {decimal_bytes_per_sec}";

/// A bar of `length` bytes; one that shows nothing where none is wanted.
pub(super) fn progress_bar(when: ShowProgress, length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target(when));
    styled(bar, TEMPLATE)
}

/// A bar of something that has no length.
pub(super) fn endless_bar(when: ShowProgress) -> ProgressBar {
    styled(ProgressBar::with_draw_target(None, target(when)), TEMPLATE_ENDLESS)
}

fn target(when: ShowProgress) -> ProgressDrawTarget {
    match when {
        ShowProgress::OnTerminal | ShowProgress::Always if stderr().is_terminal() => {
            ProgressDrawTarget::stderr()
        }
        // A terminal that another program plays.
        ShowProgress::Always => ProgressDrawTarget::term_like(Box::new(Piped)),
        ShowProgress::OnTerminal | ShowProgress::Never => ProgressDrawTarget::hidden(),
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_wrong) => bar,
    }
}

/// A stderr that is no terminal, drawn on as if it were one.
#[derive(Debug)]
struct Piped;

impl TermLike for Piped {
    fn width(&self) -> u16 {
        WIDTH_DEFAULT
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { write!(stderr(), "\x1b[{n}A") }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { write!(stderr(), "\x1b[{n}B") }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { write!(stderr(), "\x1b[{n}C") }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { write!(stderr(), "\x1b[{n}D") }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(stderr(), "{text}")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(stderr(), "{text}")
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(stderr(), "\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_such_that_the_bar_understands() {
        for template in [TEMPLATE, TEMPLATE_ENDLESS] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
