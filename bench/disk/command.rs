//! The command: its flags checked, its cells measured in turns, its report written.

use std::io::{Write, stderr, stdout};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use ringhold::base::cores::allowed_cores;
use ringhold::cli::Failure;
use ringhold::disk::Chosen;

use super::DiskArguments;
use super::cell::{Cell, Engine};
use super::crew::{Job, Measured, measure};
use super::options::{Engines, Options};
use super::report;
use super::scratch::Scratch;
use super::sources::Sources;
use super::tally::Tally;
use crate::report::Stop;
use crate::report::{Folder, Machine};

/// Measures the disk of a directory, and tells.
pub(crate) fn run(arguments: DiskArguments) -> Result<(), Failure> {
    let engines = Engines::choose(&arguments.engine)?;
    let options = Options::resolve(arguments, &engines.names())?;
    engines.warnings.iter().for_each(|warning| say(warning));
    if options.skipped_count > 0 {
        say(&format!(
            "{} combinations are not measured: their --size does not fill their queue four times",
            options.skipped_count
        ));
    }
    // Before anything is made, so that it is removed again.
    let stop = Stop::at_signals()
        .map_err(|error| Failure::failed(format!("cannot catch signals: {error}")))?;
    // Before the measuring, so that a wrong path does not cost the time of it.
    let folder = options.out.as_deref().map(Folder::create).transpose().map_err(Failure::failed)?;
    let machine = Machine::look(Some(&options.dir)).map_err(|error| {
        Failure::failed(format!("cannot look at {}: {error}", options.dir.display()))
    })?;
    let tallies = measure_all(&options, &engines, &stop)?;
    if let Some(mut folder) = folder {
        report::write(&mut folder, &machine, &tallies).map_err(Failure::failed)?;
        say(&format!("written to {}", folder.path().display()));
    }
    let text = if options.json { report::json(&tallies) } else { Ok(report::text(&tallies)) };
    let told = text.and_then(|text| stdout().write_all(text.as_bytes()));
    told.map_err(|error| Failure::failed(format!("cannot write to stdout: {error}")))
}

/// A reader who has gone misses nothing that counts.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn measure_all(options: &Options, engines: &Engines, stop: &Stop) -> Result<Vec<Tally>, Failure> {
    let scratch = Scratch::make(options)?;
    let ground = Ground { options, engines, scratch: scratch.path(), stop };
    let mut tallies: Vec<Tally> = options.cells.iter().copied().map(Tally::new).collect();
    // On a terminal alone: elsewhere it draws nothing.
    let progress = ProgressBar::new((options.run_count * tallies.len()) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        progress.set_style(style);
    }
    let measured = (0..options.run_count)
        .try_for_each(|run_index| ground.measure_once(run_index == 0, &mut tallies, &progress));
    progress.finish_and_clear();
    measured.map(|()| tallies)
}

/// Where and how every cell is measured.
struct Ground<'a> {
    options: &'a Options,
    engines: &'a Engines,
    scratch: &'a Path,
    stop: &'a Stop,
}

impl Ground<'_> {
    /// One run over all cells, on fresh files. Before the first one the first cell is measured once
    /// for nothing: the machine wakes up.
    fn measure_once(
        &self,
        is_first: bool,
        tallies: &mut [Tally],
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        let sizes = self.options.source_sizes();
        let Some(first) = self.options.cells.first() else { return Ok(()) };
        progress.set_message("laying the files to read");
        let chosen = self.engine(first.group.engine);
        let sources = Sources::lay(self.scratch, &sizes, &chosen, self.stop)?;
        self.check_stop()?;
        if is_first {
            self.measure_cell(first, &sources)?;
        }
        for tally in tallies {
            progress.set_message(tally.cell.to_string());
            let measured = self.measure_cell(&tally.cell, &sources)?;
            tally.add(&measured);
            progress.inc(1);
        }
        Ok(())
    }

    fn engine(&self, engine: Engine) -> Chosen {
        self.engines.get(engine).for_files_in([self.scratch])
    }

    fn measure_cell(&self, cell: &Cell, sources: &Sources) -> Result<Measured, Failure> {
        sources.forget()?;
        let measured = measure(Job {
            cell,
            chosen: &self.engine(cell.group.engine),
            scratch: self.scratch,
            size: self.options.size,
            time_limit: self.options.time_limit,
            cores: &allowed_cores().unwrap_or_default(),
            stop: self.stop,
        });
        // First, since what a stopped cell says of itself is beside the point.
        self.check_stop()?;
        measured
    }

    fn check_stop(&self) -> Result<(), Failure> {
        if self.stop.is_asked() {
            return Err(Failure::failed("stopped: nothing is kept of what was measured"));
        }
        Ok(())
    }
}
