//! When a command shows its progress.

use super::arguments::ProgressArgument;

/// When progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowProgress {
    /// When stderr is a terminal.
    OnTerminal,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ShowProgress {
    pub(super) fn of(argument: ProgressArgument) -> ShowProgress {
        match argument {
            ProgressArgument::Auto => ShowProgress::OnTerminal,
            ProgressArgument::Always => ShowProgress::Always,
            ProgressArgument::Never => ShowProgress::Never,
        }
    }
}
