//! The house rules, as tests: floors, sizes, headers, words that are not said here, dead files, and
//! documents in step with the code. Each rule is a function from text to complaints, and each has
//! a test that shows it can complain.
//!
//! Function length is clippy's (`too_many_lines`, 70) and so are the lints of Cargo.toml;
//! `.ci/run` makes both errors.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringhold::http::ROUTES;

/// A module imports modules of lower floors only.
const FLOORS: [(&str, u32); 16] = [
    ("base", 0),
    ("plan", 1),
    ("wire", 1),
    ("id", 1),
    ("telemetry", 1),
    ("disk", 2),
    ("worker", 3),
    ("store", 3),
    ("import", 3),
    ("http", 4),
    ("client", 4),
    ("relay", 4),
    ("config", 5),
    ("cli", 6),
    ("main", 7),
    ("lib", 7),
];

/// Longest file, lines, with its tests.
const FILE_LINES_MAX: usize = 600;

/// Words that are not said, and what to say instead. Split, so that this file passes its own test.
const BANS: [(&str, &str); 10] = [
    (concat!("TO", "DO"), "do it now, or open an issue"),
    (concat!("FIX", "ME"), "do it now, or open an issue"),
    (concat!("XX", "X"), "do it now, or open an issue"),
    (concat!("to", "do!("), "write the code, or leave the function out"),
    (concat!("unimpl", "emented!("), "write the code, or leave the function out"),
    (concat!("db", "g!("), "use tracing, or an assertion"),
    (concat!("#[ign", "ore"), "put a slow case behind RINGHOLD_TEST_HEAVY"),
    (
        concat!("#[al", "low("),
        "use #[expect(..., reason = \"...\")], which tells when it is not needed",
    ),
    (concat!("/ho", "me/"), "use a path relative to the repository"),
    (concat!("/ro", "ot/"), "use a path relative to the repository"),
];

/// The ring can be replaced in one place: nobody else names it.
const RING_CRATES: [&str; 2] = ["tokio_uring", "io_uring::"];
const RING_PLACES: [&str; 2] = ["src/disk/", "src/worker/"];

/// What a file must say to hold unsafe code, since Cargo.toml denies it.
const UNSAFE_PERMIT: &str = concat!("expect(uns", "afe_code");
/// Files that may. A new one is a decision, made here.
const UNSAFE_FILES: [&str; 8] = [
    "src/base/cores.rs",
    "src/disk/loan.rs",
    "src/disk/registered.rs",
    "src/disk/slab.rs",
    "src/disk/syscall.rs",
    "src/disk/uring.rs",
    "src/worker/inherited.rs",
    "src/worker/send_queue.rs",
];

/// A complaint: where, and what to do about it.
type Complaints = Vec<String>;

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

#[test]
fn a_module_imports_lower_floors_only() {
    pass(all(&sources(&["src"]), floors));
}

#[test]
fn every_file_has_a_header_and_is_of_readable_length() {
    pass(all(&sources(&["src", "tests", "bench", "examples"]), shape));
}

#[test]
fn a_mod_file_is_a_contents_page() {
    pass(all(&sources(&["src"]), contents_page));
}

#[test]
fn nobody_says_what_is_not_said_here() {
    let mut files = sources(&["src", "tests", "bench", "examples"]);
    files.extend(read(texts(&["docs", "deploy", "bench", ".ci"])));
    files.extend(read(["README.md", "Cargo.toml", "Dockerfile"].map(PathBuf::from).to_vec()));
    pass(all(&files, bans));
}

#[test]
fn the_ring_is_named_in_two_places_alone() {
    pass(all(&sources(&["src"]), ring));
}

#[test]
fn unsafe_code_is_in_the_named_files_alone() {
    pass(all(&sources(&["src", "tests", "bench", "examples"]), unsafe_code));
    let unused = UNSAFE_FILES.iter().filter(|path| {
        !fs::read_to_string(repository().join(path)).is_ok_and(|text| names_unsafe(&text))
    });
    pass(unused.map(|path| format!("{path} holds no unsafe code: take it off the list")));
}

#[test]
fn no_file_is_dead() {
    let files = sources(&["src", "tests"]);
    pass(dead_files(&files));
}

#[test]
fn every_fuzz_target_is_built_has_seeds_and_is_documented() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets = names("tests/fuzz/targets");
    assert_eq!(targets, names("tests/fuzz/corpus"), "seeds for each target, and for no other");
    let [manifest, page] = ["tests/fuzz/Cargo.toml", "docs/testing.md"]
        .map(|path| fs::read_to_string(repository().join(path)).unwrap());
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "Cargo.toml lacks {target}");
        assert!(page.contains(&format!("| `{target}` |")), "docs/testing.md lacks {target}");
    }
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let pages = documents();
    let complaints = pages.iter().flat_map(|page| {
        let folder = Path::new(&page.path).parent().unwrap().to_owned();
        links(&page.text).into_iter().filter_map(move |link| {
            let there = repository().join(&folder).join(&link).exists();
            (!there).then(|| format!("{}: the link to {link} leads nowhere", page.path))
        })
    });
    pass(complaints);
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    pass(unreachable_documents(&documents()));
}

#[test]
fn the_flags_are_in_step_with_the_help() {
    let help = help_of("serve");
    let flags = flags(&help);
    assert!(flags.len() > 8, "the help lists its flags: {help}");
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    pass(flags_out_of_step(&flags, "README.md", &readme));
}

#[test]
fn the_flags_of_the_other_commands_are_in_step_with_their_page() {
    let page = fs::read_to_string(repository().join("docs/commands.md")).unwrap();
    let of_serve = flags(&help_of("serve"));
    // `doctor` takes the flags of `serve`, which the README has, and its own.
    for (command, inherited) in [("verify", BTreeSet::new()), ("doctor", of_serve)] {
        let own: BTreeSet<_> = flags(&help_of(command)).difference(&inherited).cloned().collect();
        assert!(!own.is_empty(), "the help of {command} lists its flags");
        let section = section(&page, &format!("## `ringhold {command}`"));
        pass(flags_out_of_step(&own, &format!("docs/commands.md ({command})"), section));
    }
}

#[test]
fn every_route_is_documented() {
    let page = fs::read_to_string(repository().join("docs/http.md")).unwrap();
    pass(missing_routes(&page));
}

// ---- the rules --------------------------------------------------------------------------------

fn floors(file: &Source) -> Complaints {
    let own = module_of(&file.path);
    let Some(floor) = floor_of(&own) else {
        return vec![format!("{}: give the module `{own}` a floor in tests/tidy.rs", file.path)];
    };
    let imported = imports(&file.text).into_iter().filter(|module| *module != own);
    imported
        .filter(|module| floor_of(module).is_some_and(|other| other >= floor))
        .map(|module| {
            format!(
                "{}: `{own}` (floor {floor}) imports `{module}`, which is not below it: move \
                     what both need to a lower floor, or pass it in from above",
                file.path
            )
        })
        .collect()
}

/// The modules of this crate that a file names: after `crate::`, and within `use crate::{...}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(top_level_names(group));
        } else {
            found.insert(word(rest));
        }
    }
    found
}

/// The first word of each item of a `use` group, up to the brace that closes it.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0_u32, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(word(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn shape(file: &Source) -> Complaints {
    let mut complaints = Complaints::new();
    if !file.text.starts_with("//! ") {
        complaints.push(format!("{}: open with //! and say what the file owns", file.path));
    }
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!(
            "{}: {lines} lines; split it by reason, or move its tests to a file beside it",
            file.path
        ));
    }
    complaints
}

fn contents_page(file: &Source) -> Complaints {
    if !file.path.ends_with("/mod.rs") {
        return Complaints::new();
    }
    let mut in_use = false;
    let mut complaints = Complaints::new();
    for line in file.text.lines().map(str::trim) {
        let starts = ["//", "#[", "#![", "mod ", "pub mod ", "pub(crate) mod ", "pub(super) mod "];
        let uses = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        in_use = in_use || uses.iter().any(|start| line.starts_with(start));
        if !in_use && !line.is_empty() && !starts.iter().any(|start| line.starts_with(start)) {
            complaints.push(format!("{}: a contents page has no logic: move `{line}`", file.path));
        }
        in_use = in_use && !line.ends_with(';');
    }
    complaints
}

fn bans(file: &Source) -> Complaints {
    let said = BANS.iter().filter(|(ban, _)| file.text.contains(ban));
    said.map(|(ban, instead)| format!("{}: `{ban}`: {instead}", file.path)).collect()
}

fn ring(file: &Source) -> Complaints {
    if RING_PLACES.iter().any(|place| file.path.starts_with(place)) {
        return Complaints::new();
    }
    let code = code(&file.text);
    let named = RING_CRATES.iter().find(|name| code.contains(*name));
    named.map(|name| format!("{}: `{name}`: use the Disk trait", file.path)).into_iter().collect()
}

fn unsafe_code(file: &Source) -> Complaints {
    if !names_unsafe(&file.text) || UNSAFE_FILES.contains(&file.path.as_str()) {
        return Complaints::new();
    }
    vec![format!(
        "{}: unsafe code: use a safe wrapper of src/disk, or argue for the list",
        file.path
    )]
}

fn names_unsafe(text: &str) -> bool {
    code(text).contains(UNSAFE_PERMIT)
}

/// A file that no `mod` names is not compiled, and so not true.
fn dead_files(files: &[Source]) -> Complaints {
    let named: BTreeSet<String> = files.iter().flat_map(modules_named).collect();
    let dead = files.iter().filter(|file| !is_root(&file.path) && !named.contains(&file.path));
    dead.map(|file| format!("{}: no `mod` names it: name it, or remove it", file.path)).collect()
}

/// The paths that the `mod x;` lines of a file can mean, and those of its `#[path]` lines.
fn modules_named(file: &Source) -> Vec<String> {
    let path = Path::new(&file.path);
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let folder = match stem {
        "mod" | "main" | "lib" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let names = file.text.lines().filter_map(|line| {
        let (before, rest) = line.split_once("mod ")?;
        let before = before.trim();
        let declares = before.is_empty() || before.starts_with("pub") || before.ends_with(']');
        rest.strip_suffix(';').filter(|_| declares)
    });
    let beside = file.text.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]")?;
        Some(path.with_file_name(name))
    });
    names
        .flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")])
        .chain(beside)
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

/// Whether Cargo finds the file by itself.
fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["src", "main.rs" | "lib.rs"] | ["tests", _] | ["tests", "fuzz", ..] => true,
        ["tests", _, name] => *name == "main.rs",
        _ => false,
    }
}

/// Local targets of `[text](target)`, without their fragments.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| target.split('#').next().unwrap().to_owned())
        .filter(|target| !target.is_empty())
        .collect()
}

fn unreachable_documents(pages: &[Source]) -> Complaints {
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
fn flags(help: &str) -> BTreeSet<String> {
    let names = help.lines().filter_map(|line| {
        let at = line.trim_start().strip_prefix("-h, ").unwrap_or(line.trim_start());
        let name: String = at.strip_prefix("--")?.chars().take_while(|c| is_flag(*c)).collect();
        Some(format!("--{name}"))
    });
    names.filter(|flag| flag != "--help" && flag != "--version").collect()
}

/// The text between a heading and the next one of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let Some((_, rest)) = page.split_once(heading) else { return "" };
    rest.split("\n## ").next().unwrap()
}

/// The page's table has one row a flag, that starts with the flag.
fn flags_out_of_step(flags: &BTreeSet<String>, page: &str, text: &str) -> Complaints {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `--"));
    let documented: BTreeSet<String> = rows
        .map(|row| format!("--{}", row.chars().take_while(|c| is_flag(*c)).collect::<String>()))
        .collect();
    let missing = flags.difference(&documented).map(|flag| format!("{page} lacks {flag}"));
    let extra =
        documented.difference(flags).map(|flag| format!("{page} has {flag}, the command not"));
    missing.chain(extra).collect()
}

fn missing_routes(page: &str) -> Complaints {
    let missing = ROUTES.iter().filter(|route| !page.contains(route.pattern));
    missing.map(|route| format!("docs/http.md lacks `{}`", route.pattern)).collect()
}

// ---- the rules can complain -------------------------------------------------------------------

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn the_floor_rule_sees_an_import_from_above_and_from_beside() {
    let above = source("src/disk/a.rs", "use crate::base::limits;\nuse crate::store::Store;");
    assert_eq!(floors(&above).len(), 1);
    let beside =
        source("src/plan/mod.rs", "use crate::{base::limits, id::{FileId, Key}, plan::X};");
    assert_eq!(floors(&beside).len(), 1);
    let path = source("src/base/a.rs", "fn f() -> crate::disk::File {}");
    assert_eq!(floors(&path).len(), 1);
    assert_eq!(floors(&source("src/attic/a.rs", "")).len(), 1, "a module without a floor");
    assert_eq!(floors(&source("src/cli/a.rs", "use crate::{cli, http};")).len(), 0);
}

#[test]
fn the_shape_rule_sees_a_missing_header_and_a_long_file() {
    assert_eq!(shape(&source("src/a.rs", "fn f() {}")).len(), 1);
    let long = format!("//! A header.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(shape(&source("src/a.rs", &long)).len(), 1);
}

#[test]
fn the_contents_rule_sees_logic() {
    let text = "//! Header.\n\nmod a;\npub use a::{\n    B,\n};\nfn f() {}\n";
    assert_eq!(contents_page(&source("src/a/mod.rs", text)).len(), 1);
}

#[test]
fn the_ban_rule_sees_each_word() {
    for (ban, instead) in BANS {
        let complaints = bans(&source("src/a.rs", &format!("before {ban} after")));
        assert!(complaints.iter().any(|complaint| complaint.contains(instead)), "{ban}");
    }
}

#[test]
fn the_ring_rule_sees_the_crates_outside_of_their_places() {
    assert_eq!(ring(&source("src/store/a.rs", "use tokio_uring::fs::File;")).len(), 1);
    assert_eq!(ring(&source("src/disk/a.rs", "use tokio_uring::fs::File;")).len(), 0);
    assert_eq!(ring(&source("src/store/a.rs", "// tokio_uring is not for here")).len(), 0);
}

#[test]
fn the_unsafe_rule_sees_a_block() {
    let permit = format!("#![{UNSAFE_PERMIT}, reason = \"speed\")]");
    assert_eq!(unsafe_code(&source("src/store/a.rs", &permit)).len(), 1);
    assert_eq!(unsafe_code(&source("src/store/a.rs", &format!("// {permit}"))).len(), 0);
}

#[test]
fn the_dead_file_rule_sees_a_file_that_nobody_names() {
    let files = [
        source("src/lib.rs", "pub mod a;\n#[cfg(test)]\nmod b;"),
        source("src/a/mod.rs", "mod inner;\nmod other {}"),
        source("src/a/inner.rs", ""),
        source("src/a/lost.rs", ""),
        source("src/b.rs", "    mod deep;\n#[path = \"b_tests.rs\"]\nmod tests;"),
        source("src/b_tests.rs", ""),
        source("src/b/deep.rs", ""),
        source("tests/tidy.rs", ""),
    ];
    let dead = dead_files(&files);
    assert_eq!(dead.len(), 1);
    assert!(dead[0].starts_with("src/a/lost.rs"));
}

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
fn the_route_rule_sees_a_missing_route() {
    assert!(missing_routes("`POST /uploadFile`").iter().any(|c| c.contains("/healthz")));
}

// ---- helpers ----------------------------------------------------------------------------------

fn pass(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(
        complaints.is_empty(),
        "
{}",
        complaints.join(
            "
"
        )
    );
}

fn all(files: &[Source], rule: fn(&Source) -> Complaints) -> Complaints {
    assert!(!files.is_empty(), "a rule needs something to look at");
    files.iter().flat_map(rule).collect()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below some folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut files = texts(folders);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    read(files)
}

/// The pages a reader finds.
fn documents() -> Vec<Source> {
    let mut pages = texts(&["docs", "deploy"]);
    pages.push(PathBuf::from("README.md"));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    read(pages)
}

/// Every file below some folders, relative to the repository, in order.
fn texts(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = next.pop() {
        let Ok(entries) = fs::read_dir(repository().join(&folder)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            let is_built = entry.file_name() == "target";
            if !entry.file_type().unwrap().is_dir() {
                found.push(path);
            } else if !is_built {
                next.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Files as text; one that is missing or no text is left out.
fn read(paths: Vec<PathBuf>) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(repository().join(&path)).ok()?;
        Some(Source { path: path.to_str()?.to_owned(), text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// The top module a file of src/ belongs to.
fn module_of(path: &str) -> String {
    let inside = path.trim_start_matches("src/");
    inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The text without its line comments.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_flag(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> String {
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

fn help_of(command: &str) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_ringhold")).args([command, "--help"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
