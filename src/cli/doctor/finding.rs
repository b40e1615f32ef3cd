//! What a check says: how bad, of what, what was found, what to do.

use serde::Serialize;

use crate::cli::printable;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The daemon runs, with less than it could have.
    Warning,
    /// The daemon would not run, or keep no promise.
    Problem,
}

/// One check's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was checked, one or two words.
    pub(super) check: &'static str,
    /// What was found.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, check, detail: detail.into(), remedy: None }
    }

    /// Less than there could be, and how to get it.
    pub(super) fn warning(
        check: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Finding { level: Level::Warning, check, detail, remedy }
    }

    /// What stops the daemon, and what to do.
    pub(super) fn problem(
        check: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Finding { level: Level::Problem, check, detail, remedy }
    }

    /// A line, and one more for the remedy. Both may quote names that strangers chose.
    pub(super) fn text(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        let line = format!("{level:8} {:16} {}", self.check, printable::plain(&self.detail));
        match &self.remedy {
            None => line,
            Some(remedy) => format!("{line}\n{:25} remedy: {}", "", printable::plain(remedy)),
        }
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        // A struct of strings always serializes.
        printable::ascii(&serde_json::to_string(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        let fine = Finding::ok("kernel", "6.18");
        assert_eq!(fine.text(), "ok       kernel           6.18");
        let bad = Finding::problem("root", "/a\u{1b}[2Jb is no directory", "remove it");
        assert_eq!(
            bad.text(),
            "problem  root             /a\\u{1b}[2Jb is no directory\n\
             \x20                         remedy: remove it"
        );
        assert_eq!(
            bad.json(),
            r#"{"level":"problem","check":"root","detail":"/a\u001b[2Jb is no directory","remedy":"remove it"}"#
        );
    }
}
