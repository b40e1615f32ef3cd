//! Rules on documents: links, pages that nobody finds, flags and routes in step with the program.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use ringhold::http::ROUTES;

use crate::files::{Complaints, Source, source};

/// Local targets of `[text](target)`, without their fragments.
pub(crate) fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| target.split('#').next().unwrap().to_owned())
        .filter(|target| !target.is_empty())
        .collect()
}

pub(crate) fn unreachable_documents(pages: &[Source]) -> Complaints {
    let mut reached = BTreeSet::new();
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        let Some(page) = pages.iter().find(|page| page.path == path) else { continue };
        if reached.insert(path.clone()) {
            let folder = Path::new(&path).parent().unwrap().to_owned();
            next.extend(links(&page.text).iter().map(|link| normal(&folder.join(link))));
        }
    }
    let lost = pages.iter().filter(|page| !reached.contains(&page.path));
    lost.map(|page| format!("{}: link it from README.md or a page it links", page.path)).collect()
}

/// Flags named at the start of a line of a help text.
pub(crate) fn flags(help: &str) -> BTreeSet<String> {
    let names = help.lines().filter_map(|line| {
        let at = line.trim_start();
        // Some have a letter, too.
        let at = at.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(at, |(_, at)| at);
        let name: String = at.strip_prefix("--")?.chars().take_while(|c| is_flag(*c)).collect();
        Some(format!("--{name}"))
    });
    names.filter(|flag| flag != "--help" && flag != "--version").collect()
}

/// The text between a heading and the next one of its level.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let Some((_, rest)) = page.split_once(heading) else { return "" };
    rest.split("\n## ").next().unwrap()
}

/// The page's table has one row a flag, that starts with the flag.
pub(crate) fn flags_out_of_step(flags: &BTreeSet<String>, page: &str, text: &str) -> Complaints {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `--"));
    let documented: BTreeSet<String> = rows
        .map(|row| format!("--{}", row.chars().take_while(|c| is_flag(*c)).collect::<String>()))
        .collect();
    let missing = flags.difference(&documented).map(|flag| format!("{page} lacks {flag}"));
    let extra =
        documented.difference(flags).map(|flag| format!("{page} has {flag}, the command not"));
    missing.chain(extra).collect()
}

pub(crate) fn missing_routes(page: &str) -> Complaints {
    let missing = ROUTES.iter().filter(|route| !page.contains(route.pattern));
    missing.map(|route| format!("docs/http.md lacks `{}`", route.pattern)).collect()
}

pub(crate) fn is_flag(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
}

/// A path without `.` and `..`.
pub(crate) fn normal(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

pub(crate) fn help_of(command: &str) -> String {
    help(env!("CARGO_BIN_EXE_ringhold"), &[command])
}

pub(crate) fn bench_help_of(command: &[&str]) -> String {
    help(env!("CARGO_BIN_EXE_ringhold-bench"), command)
}

fn help(program: &str, command: &[&str]) -> String {
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that a help text lists.
pub(crate) fn commands(help: &str) -> BTreeSet<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.map_while(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

// ---- the rules can complain -------------------------------------------------------------------

#[test]
fn the_document_rules_see_links_and_lost_pages() {
    let text = "[a](docs/a.md#part), [b](https://example.org/x), [c](#here), ![d](e.svg)";
    assert_eq!(links(text), ["docs/a.md", "e.svg"]);
    let pages = [
        source("README.md", "[a](docs/a.md)"),
        source("docs/a.md", "[b](b.md) [up](../README.md)"),
        source("docs/b.md", ""),
        source("docs/lost.md", "[a](a.md)"),
    ];
    assert_eq!(unreachable_documents(&pages).len(), 1);
}

#[test]
fn the_flag_rule_sees_both_directions() {
    let help = "Options:\n      --listen <ADDRESS>  Text with --root in it\n  -h, --help  Print\n";
    let flags = flags(help);
    assert_eq!(flags.iter().collect::<Vec<_>>(), ["--listen"]);
    let complaints = |text| flags_out_of_step(&flags, "a page", text).len();
    assert_eq!(complaints("| `--listen ADDRESS` | where |\n"), 0);
    assert_eq!(complaints("| `--root DIR` | where |\n"), 2);
    let page = "## one\n| `--a` |\n## two\n| `--b` |\n";
    assert_eq!(section(page, "## one"), "\n| `--a` |");
    assert_eq!(section(page, "## three"), "");
}

#[test]
fn the_commands_of_a_help_text_are_found() {
    let help =
        "Text\n\nCommands:\n  disk  Measure\n  http  Load\n  help  Print\n\nOptions:\n  -h\n";
    assert_eq!(commands(help).into_iter().collect::<Vec<_>>(), ["disk", "http"]);
}

#[test]
fn the_route_rule_sees_a_missing_route() {
    assert!(missing_routes("`POST /uploadFile`").iter().any(|c| c.contains("/healthz")));
}
