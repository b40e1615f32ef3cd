//! The bar of a long command, on stderr.

use std::io::{self, IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::config::ShowProgress;

/// Columns of a bar where nobody says how wide the terminal is.
const WIDTH_DEFAULT: u16 = 80;
/// What it shows: file, bar, how much of how much, rate, time left.
const TEMPLATE: &str = "{msg} {wide_bar} {percent}% {decimal_bytes}/{decimal_total_bytes} \
                        {decimal_bytes_per_sec} {eta} left";

/// A bar of `length` bytes; one that shows nothing where none is wanted.
pub(super) fn progress_bar(when: ShowProgress, length: u64) -> ProgressBar {
    let target = match when {
        ShowProgress::OnTerminal | ShowProgress::Always if stderr().is_terminal() => {
            ProgressDrawTarget::stderr()
        }
        // A terminal that another program plays.
        ShowProgress::Always => ProgressDrawTarget::term_like(Box::new(Piped)),
        ShowProgress::OnTerminal | ShowProgress::Never => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match ProgressStyle::with_template(TEMPLATE) {
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
    fn the_template_is_one_that_the_bar_understands() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
