//! Rules on source files: floors, shape, words, the ring's places, unsafe code, dead files.

use std::collections::BTreeSet;
use std::path::Path;

use crate::files::{Complaints, Source, source};

/// A module imports modules of lower floors only.
pub(crate) const FLOORS: [(&str, u32); 17] = [
    ("base", 0),
    ("plan", 1),
    ("wire", 1),
    ("id", 1),
    ("telemetry", 1),
    ("disk", 2),
    ("worker", 3),
    ("store", 3),
    ("import", 3),
    ("copy", 3),
    ("http", 4),
    ("client", 4),
    ("relay", 4),
    ("config", 5),
    ("cli", 6),
    ("main", 7),
    ("lib", 7),
];

/// The same for the bench, which is above all of the library.
pub(crate) const BENCH_FLOORS: [(&str, u32); 5] =
    [("report", 0), ("bare", 1), ("disk", 1), ("http", 1), ("main", 2)];

/// Longest file, lines, with its tests.
pub(crate) const FILE_LINES_MAX: usize = 600;

/// Words that are not said, and what to say instead. Split, so that this file passes its own test.
pub(crate) const BANS: [(&str, &str); 10] = [
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
pub(crate) const RING_CRATES: [&str; 2] = ["tokio_uring", "io_uring::"];
pub(crate) const RING_PLACES: [&str; 2] = ["src/disk/", "src/worker/"];

/// What a file must say to hold unsafe code, since Cargo.toml denies it.
pub(crate) const UNSAFE_PERMIT: &str = concat!("expect(uns", "afe_code");
/// Files that may. A new one is a decision, made here.
pub(crate) const UNSAFE_FILES: [&str; 9] = [
    "src/base/cores.rs",
    "src/disk/loan.rs",
    "src/disk/registered.rs",
    "src/disk/residency.rs",
    "src/disk/slab.rs",
    "src/disk/syscall.rs",
    "src/disk/uring.rs",
    "src/worker/inherited.rs",
    "src/worker/send_queue.rs",
];

pub(crate) fn floors(file: &Source) -> Complaints {
    let own = module_of(&file.path);
    let floor_of = |module: &str| floor_of(house_of(&file.path).1, module);
    let Some(floor) = floor_of(&own) else {
        return vec![format!(
            "{}: give the module `{own}` a floor in tests/tidy/code.rs",
            file.path
        )];
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
pub(crate) fn imports(text: &str) -> BTreeSet<String> {
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
pub(crate) fn top_level_names(group: &str) -> Vec<String> {
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

pub(crate) fn shape(file: &Source) -> Complaints {
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

pub(crate) fn contents_page(file: &Source) -> Complaints {
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

pub(crate) fn bans(file: &Source) -> Complaints {
    let said = BANS.iter().filter(|(ban, _)| file.text.contains(ban));
    said.map(|(ban, instead)| format!("{}: `{ban}`: {instead}", file.path)).collect()
}

pub(crate) fn ring(file: &Source) -> Complaints {
    if RING_PLACES.iter().any(|place| file.path.starts_with(place)) {
        return Complaints::new();
    }
    let code = code(&file.text);
    let named = RING_CRATES.iter().find(|name| code.contains(*name));
    named.map(|name| format!("{}: `{name}`: use the Disk trait", file.path)).into_iter().collect()
}

pub(crate) fn unsafe_code(file: &Source) -> Complaints {
    if !names_unsafe(&file.text) || UNSAFE_FILES.contains(&file.path.as_str()) {
        return Complaints::new();
    }
    vec![format!(
        "{}: unsafe code: use a safe wrapper of src/disk, or argue for the list",
        file.path
    )]
}

pub(crate) fn names_unsafe(text: &str) -> bool {
    code(text).contains(UNSAFE_PERMIT)
}

/// A file that no `mod` names is not compiled, and so not true.
pub(crate) fn dead_files(files: &[Source]) -> Complaints {
    let named: BTreeSet<String> = files.iter().flat_map(modules_named).collect();
    let dead = files.iter().filter(|file| !is_root(&file.path) && !named.contains(&file.path));
    dead.map(|file| format!("{}: no `mod` names it: name it, or remove it", file.path)).collect()
}

/// The paths that the `mod x;` lines of a file can mean, and those of its `#[path]` lines.
pub(crate) fn modules_named(file: &Source) -> Vec<String> {
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
pub(crate) fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["src", "main.rs" | "lib.rs"]
        | ["tests" | "bench", _]
        | ["tests", "fuzz", ..]
        | ["bench", "micro", _] => true,
        ["tests", _, name] => *name == "main.rs",
        _ => false,
    }
}

/// Where the crate begins that a file belongs to, and its floors.
pub(crate) fn house_of(path: &str) -> (&'static str, &'static [(&'static str, u32)]) {
    if path.starts_with("bench/") { ("bench/", &BENCH_FLOORS) } else { ("src/", &FLOORS) }
}

/// The top module a file of a crate belongs to.
pub(crate) fn module_of(path: &str) -> String {
    let inside = path.trim_start_matches(house_of(path).0);
    inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

pub(crate) fn floor_of(floors: &[(&str, u32)], module: &str) -> Option<u32> {
    floors.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

pub(crate) fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The text without its line comments.
pub(crate) fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

// ---- the rules can complain -------------------------------------------------------------------

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
    let beside = source("bench/disk/a.rs", "use crate::http::Load;\nuse crate::report::hgrm;");
    assert_eq!(floors(&beside).len(), 1, "the bench has floors of its own");
    assert_eq!(floors(&source("bench/main.rs", "use crate::disk; use ringhold::cli;")).len(), 0);
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
