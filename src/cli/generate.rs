//! `ringhold generate`: shell completions and manual pages, for those who make packages. Both are
//! made from the definitions that the command line is read by, so they cannot fall behind.

use std::fs;
use std::io::{self, Write, stdout};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Failure, printable};
use crate::config::{Arguments, Generated};

/// Prints completions, or writes manual pages.
///
/// # Errors
/// When stdout or the directory cannot be written to.
pub fn generate(what: &Generated) -> Result<(), Failure> {
    let mut command = Arguments::command();
    match what {
        Generated::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command, "ringhold", &mut text);
            stdout().write_all(&text).map_err(|error| {
                Failure::failed(format!("cannot write the completions to stdout: {error}"))
            })
        }
        Generated::Man { dir } => write_pages(&command, dir).map_err(|error| {
            let dir = printable::path(dir);
            Failure::failed(format!("cannot write manual pages to {dir}: {error}"))
        }),
    }
}

/// `ringhold.1`, and `ringhold-serve.1` and so on, as man-pages(7) would have them.
fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    // `help` explains the others, and is explained by each of them.
    let command = command.clone().disable_help_subcommand(true);
    Man::new(command.clone()).generate_to(dir)?;
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let name = format!("ringhold-{}", subcommand.get_name());
        let usage = format!("ringhold {}", subcommand.get_name());
        let page = subcommand.clone().display_name(&name).bin_name(usage);
        Man::new(page).generate_to(dir)?;
    }
    Ok(())
}
