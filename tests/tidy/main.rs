//! The house rules, as tests: floors, sizes, headers, words that are not said here, dead files, and
//! documents in step with the code. Each rule is a function from text to complaints, and each has
//! a test that shows it can complain.
//!
//! Function length is clippy's (`too_many_lines`, 70) and so are the lints of Cargo.toml;
//! `.ci/run` makes both errors.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod code;
mod files;
mod pages;
mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use code::{
    UNSAFE_FILES, bans, contents_page, dead_files, floors, names_unsafe, ring, shape, unsafe_code,
};
use files::{Complaints, Source, documents, read, repository, sources, texts};
use pages::{
    bench_help_of, commands, flags, flags_out_of_step, help_of, links, missing_routes, section,
    unreachable_documents,
};
use scripts::{is_script, unreadable_script};

#[test]
fn a_module_imports_lower_floors_only() {
    pass(all(&sources(&["src"]), floors));
    let mut bench = sources(&["bench/report", "bench/disk", "bench/http"]);
    bench.extend(read(vec![PathBuf::from("bench/main.rs")]));
    pass(all(&bench, floors));
}

#[test]
fn every_file_has_a_header_and_is_of_readable_length() {
    pass(all(&sources(&["src", "tests", "bench", "examples"]), shape));
}

#[test]
fn a_mod_file_is_a_contents_page() {
    pass(all(&sources(&["src", "bench"]), contents_page));
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
    let files = sources(&["src", "tests", "bench"]);
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
fn every_script_of_the_bench_is_in_its_index_and_of_readable_length() {
    let index = fs::read_to_string(repository().join("bench/README.md")).unwrap();
    let parts = texts(&["bench"]).into_iter().filter(|path| !path.starts_with("bench/runs"));
    let scripts = read(parts.collect());
    assert!(scripts.iter().filter(|file| is_script(file)).count() > 4, "there are scripts");
    pass(scripts.iter().flat_map(|file| unreadable_script(file, &index)));
}

#[test]
fn every_run_that_is_kept_tells_what_it_is() {
    let runs = fs::read_dir(repository().join("bench/runs")).unwrap();
    let folders: Vec<PathBuf> = runs.map(|entry| entry.unwrap().path()).collect();
    assert!(!folders.is_empty(), "runs are kept");
    let silent = folders.iter().filter(|folder| {
        !["README.md", "summary.md"].iter().any(|name| folder.join(name).exists())
    });
    pass(silent.map(|folder| format!("{}: say in README.md what it is", folder.display())));
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
    let none = BTreeSet::new;
    let commands = [
        ("verify", none()),
        ("put", none()),
        ("get", none()),
        ("copy", none()),
        ("send", none()),
        ("receive", none()),
        ("relay", none()),
        ("doctor", of_serve),
        ("health", none()),
    ];
    for (command, inherited) in commands {
        let own: BTreeSet<_> = flags(&help_of(command)).difference(&inherited).cloned().collect();
        assert!(!own.is_empty(), "the help of {command} lists its flags");
        let section = section(&page, &format!("## `ringhold {command}`"));
        pass(flags_out_of_step(&own, &format!("docs/commands.md ({command})"), section));
    }
}

#[test]
fn the_flags_of_the_bench_are_in_step_with_its_page() {
    let page = fs::read_to_string(repository().join("docs/bench.md")).unwrap();
    let commands = commands(&bench_help_of(&[]));
    assert!(commands.contains("disk"), "the help lists its commands");
    for command in commands {
        let flags = flags(&bench_help_of(&[&command]));
        assert!(!flags.is_empty(), "the help of {command} lists its flags");
        let section = section(&page, &format!("## `ringhold-bench {command}`"));
        pass(flags_out_of_step(&flags, &format!("docs/bench.md ({command})"), section));
    }
}

#[test]
fn every_route_is_documented() {
    let page = fs::read_to_string(repository().join("docs/http.md")).unwrap();
    pass(missing_routes(&page));
}

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
