//! Rules on the scripts of bench/, which are Python and shell.

use std::path::Path;

use crate::code::FILE_LINES_MAX;
use crate::files::{Complaints, Source, source};

/// Whether a file is a program to be run by its name.
pub(crate) fn is_script(file: &Source) -> bool {
    file.text.starts_with("#!")
}

/// A script is a row of the index; it and what it imports is short and begins with what it owns.
pub(crate) fn unreadable_script(file: &Source, index: &str) -> Complaints {
    let mut complaints = Complaints::new();
    let name = file.path.trim_start_matches("bench/");
    if is_script(file) && !index.contains(&format!("| `{name}` |")) {
        complaints.push(format!("bench/README.md lacks a row for `{name}`"));
    }
    let is_python = Path::new(&file.path).extension().is_some_and(|end| end == "py");
    if is_python && !file.text.starts_with("\"\"\"") {
        complaints.push(format!("{}: open with a docstring that says what it owns", file.path));
    }
    let lines = file.text.lines().count();
    if (is_script(file) || is_python) && lines > FILE_LINES_MAX {
        complaints.push(format!("{}: {lines} lines; split it by reason", file.path));
    }
    complaints
}

// ---- the rule can complain --------------------------------------------------------------------

#[test]
fn the_script_rule_sees_a_missing_row_a_missing_header_and_a_long_file() {
    let script = source("bench/race", "#!/bin/sh\n");
    assert_eq!(unreadable_script(&script, "").len(), 1);
    assert_eq!(unreadable_script(&script, "| `race` | a race |").len(), 0);
    let part = source("bench/comparison/a.py", "import os\n");
    assert_eq!(unreadable_script(&part, "").len(), 1);
    let long = format!("\"\"\"What it owns.\"\"\"\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(unreadable_script(&source("bench/comparison/a.py", &long), "").len(), 1);
    assert_eq!(unreadable_script(&source("bench/main.rs", "//! A header."), "").len(), 0);
}
