//! `ringhold receive`: what somebody sends who told a code. Nothing is taken before somebody said yes.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use indicatif::ProgressBar;
use tokio::task::spawn_blocking;

use super::code_prompt::{ask_code, read_answer};
use super::progress_bar::{endless_bar, progress_bar};
use super::send::{meet, meeting, runtime};
use super::stopping::stopped;
use super::transfer_watch::Show;
use super::{Failure, figures, printable};
use crate::client::peer::{Code, Session};
use crate::client::transfer::{Decide, Destination, Receiving};
use crate::config::{Environment, ReceiveArguments, ReceiveCommand};
use crate::wire::{Entry, EntryKind};

/// Files that are named before the question.
const NAMED_MAX: usize = 12;
/// What is said where nobody can be asked.
const NO_TERMINAL: &str = "nobody can be asked, as stdin is no terminal: give --yes to take whatever \
                           comes";

/// Receives files. The exit code is 0 when all of them are here.
pub fn receive(
    arguments: ReceiveArguments,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let mut command = ReceiveCommand::resolve(arguments, environment).map_err(Failure::usage)?;
    // Before the code is used up.
    if !command.yes && !stdin().is_terminal() {
        return Err(Failure::usage(NO_TERMINAL));
    }
    check_folder(&command)?;
    let code = match command.code.take() {
        Some(code) => code,
        None => ask_code()?,
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(run(&command, &code));
    // A question that nobody answers is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// The folder has to be there: one with a slip in its name is not made.
fn check_folder(command: &ReceiveCommand) -> Result<(), Failure> {
    let folder = match &command.options.destination {
        Destination::Folder(folder) => folder.as_path(),
        Destination::Named(name) => match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => return Ok(()),
        },
        Destination::Stdout => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    let folder = printable::path(folder);
    Err(Failure::failed(format!("there is no directory {folder}: make it first")))
}

async fn run(command: &ReceiveCommand, code: &Code) -> Result<(), Failure> {
    let session = meet(Session::claim(&command.relay, code)).await?;
    let bar = endless_bar(command.progress);
    let accepted = "receiving";
    let show =
        Show { bar: bar.clone(), json: command.json, accepted, began: Instant::now().into() };
    let decide = decide(command, bar);
    let (receiving, mut watch) = Receiving::new(meeting(session), command.options.clone(), decide);
    let moved = show.run(receiving.run(stopped()), &mut watch).await?;
    show.conclude("received", moved)
}

/// Who is asked: nobody, or whoever sits at the terminal.
fn decide(command: &ReceiveCommand, bar: ProgressBar) -> Decide {
    let (yes, progress) = (command.yes, command.progress);
    Box::new(move |entries| {
        let size = entries.iter().fold(0, |sum: u64, one| sum.saturating_add(one.size_bytes));
        if entries.iter().all(|entry| entry.kind != EntryKind::Stream) {
            bar.set_length(size);
            bar.set_style(progress_bar(progress, size).style());
        }
        if yes {
            return async { Ok(()) }.boxed();
        }
        async move {
            let asking = spawn_blocking(move || ask(&entries));
            asking.await.unwrap_or_else(|error| Err(error.to_string()))
        }
        .boxed()
    })
}

/// Shows what comes and asks; what the sender is told if it is not wanted.
fn ask(entries: &Arc<[Entry]>) -> Result<(), String> {
    let mut out = stderr().lock();
    let asked = write!(out, "{}take it? [y/N] ", list(entries)).and_then(|()| out.flush());
    drop(out);
    let answer = asked.and_then(|()| read_answer());
    match answer {
        Ok(answer) if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES") => Ok(()),
        Ok(_) => Err("nobody wants it there".to_owned()),
        Err(error) => Err(format!("nobody could be asked there: {error}")),
    }
}

/// Names and sizes, and how many there are in all.
fn list(entries: &[Entry]) -> String {
    let (mut lines, mut files, mut folders, mut size) = (Vec::new(), 0_usize, 0_usize, 0_u64);
    for entry in entries {
        size = size.saturating_add(entry.size_bytes);
        let shown = match entry.kind {
            EntryKind::Folder => {
                folders += 1;
                continue;
            }
            EntryKind::File => figures::size(entry.size_bytes),
            EntryKind::Stream => "a stream".to_owned(),
        };
        files += 1;
        if files <= NAMED_MAX {
            let name = printable::quoted(&entry.path.to_string());
            lines.push(format!("{shown:>10}  {name}\n"));
        }
    }
    if files > NAMED_MAX {
        lines.push(format!("{:>10}  and {} more\n", "", files - NAMED_MAX));
    }
    lines.push(counted(files, "file"));
    if folders > 0 {
        lines.push(format!(" and {}", counted(folders, "folder")));
    }
    if entries.iter().all(|entry| entry.kind != EntryKind::Stream) {
        lines.push(format!(", {}", figures::size(size)));
    }
    lines.push("; ".to_owned());
    lines.concat()
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PeerPath;

    fn entry(kind: EntryKind, path: &str, size_bytes: u64) -> Entry {
        let path = PeerPath::parse(path).unwrap();
        Entry { kind, mode: 0, modified_s: 0, modified_ns: 0, size_bytes, path }
    }

    #[test]
    fn what_comes_is_listed_without_obeying_its_names() {
        let entries =
            [entry(EntryKind::Folder, "a", 0), entry(EntryKind::File, "a/\u{1b}[2Jb", 1500)];
        assert_eq!(list(&entries), "    1.5 kB  \"a/\\u{1b}[2Jb\"\n1 file and 1 folder, 1.5 kB; ");
        let stream = list(&[entry(EntryKind::Stream, "s", 0)]);
        assert_eq!(stream, "  a stream  \"s\"\n1 file; ");
    }

    #[test]
    fn a_long_list_is_cut() {
        let entries: Vec<_> =
            (0..20).map(|index| entry(EntryKind::File, &format!("f{index}"), 1)).collect();
        let text = list(&entries);
        assert_eq!(text.lines().count(), NAMED_MAX + 2);
        assert!(text.contains("and 8 more\n20 files, 20 B"), "{text}");
    }
}
