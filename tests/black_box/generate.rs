//! `ringhold generate`: completions and manual pages name every command and every flag.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

#[test]
fn completions_and_manual_pages_name_every_command_and_flag() {
    let dir = TempDir::new().unwrap();
    assert!(ringhold(&["generate", "man", dir.path().to_str().unwrap()]).status.success());
    let completions = SHELLS.map(|shell| text(&ringhold(&["generate", "completions", shell])));
    let commands = commands();
    assert!(commands.contains(&"serve".to_owned()) && commands.len() >= 4, "{commands:?}");
    let with_letter = ["connections", "out"].map(str::to_owned);
    assert!(with_letter.iter().all(|flag| flags("get").contains(flag)), "-j and -o");
    let mut pages = vec!["ringhold.1".to_owned()];
    for command in &commands {
        let page = format!("ringhold-{command}.1");
        let manual = fs::read_to_string(dir.path().join(&page)).unwrap();
        // In roff a hyphen that is typed is written `\-`.
        let manual = manual.replace("\\-", "-");
        pages.push(page);
        let flags = flags(command);
        assert!(!flags.is_empty(), "the help of {command} lists its flags");
        for flag in flags {
            assert!(manual.contains(&format!("--{flag}")), "ringhold-{command}.1 lacks --{flag}");
            for (shell, script) in SHELLS.iter().zip(&completions) {
                assert!(script.contains(&flag), "{shell}: {command} lacks --{flag}");
            }
        }
    }
    let mut written: Vec<std::ffi::OsString> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    written.sort();
    pages.sort();
    let pages: Vec<std::ffi::OsString> = pages.into_iter().map(Into::into).collect();
    assert_eq!(written, pages, "a page for each command, and no other");
}

#[test]
fn bash_takes_the_completions() {
    if Command::new("bash").arg("--version").output().is_err() {
        eprintln!("skipped: there is no bash here");
        return;
    }
    let script = text(&ringhold(&["generate", "completions", "bash"]));
    let asked = r#"COMP_WORDS=(ringhold serve --dura); COMP_CWORD=2
        _ringhold ringhold --dura serve; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", &format!("{script}\n{asked}")]).output().unwrap();
    assert_eq!(text(&output).trim(), "--durability");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_and_an_unknown_shell_a_wrong_question() {
    let output = ringhold(&["generate", "man", "/proc/none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/proc/none"), "{output:?}");
    for wrong in [&["generate", "completions", "none"][..], &["generate"]] {
        assert_eq!(ringhold(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn ringhold(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringhold")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The commands that the help names.
fn commands() -> Vec<String> {
    let help = text(&ringhold(&["--help"]));
    let (_, list) = help.split_once("Commands:\n").unwrap();
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' ') && !line.starts_with("help "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn flags(command: &str) -> Vec<String> {
    let help = text(&ringhold(&[command, "--help"]));
    help.lines()
        .map(str::trim_start)
        // Some have a letter, too.
        .map(|at| {
            at.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(at, |(_, at)| at)
        })
        .filter_map(|line| line.strip_prefix("--"))
        .filter_map(|line| line.split([' ', '=', '[']).next().map(str::to_owned))
        .filter(|flag| flag != "help")
        .collect()
}
