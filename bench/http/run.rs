//! A run: connections opened, the warm-up, the measured phase, the summary.

use std::fs::File;
use std::io::{BufWriter, Write as _, stderr, stdout};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ringhold::cli::Failure;
use rustix::time::{ClockId, clock_gettime};

use super::HttpArguments;
use super::arguments::Options;
use super::driver::{Common, Driver, Phase};
use super::idle::{Idle, allow_descriptors};
use super::summary::Summary;
use super::tally::Tally;
use super::turns::{Extent, Turns};
use crate::report::{Folder, Machine, Stop};

/// Puts load on a server, and tells.
pub(crate) fn run(arguments: HttpArguments) -> Result<(), Failure> {
    let options = Options::resolve(arguments)?;
    let folder = options.out.as_deref().map(Folder::create).transpose().map_err(Failure::failed)?;
    allow_descriptors(options.connections + options.idle).map_err(Failure::Failed)?;
    let Options { address, idle, timeout, .. } = options;
    let idle = Idle::open(address, &options.plan.host, idle, timeout).map_err(Failure::Failed)?;
    let common = Common {
        address,
        plan: options.plan.clone(),
        timeout,
        paths_out: options.paths_out.as_deref().map(create).transpose()?,
        stop: Stop::at_signals()
            .map_err(|error| Failure::Failed(format!("cannot catch signals: {error}")))?,
    };
    let summary = measure(&options, &common, &idle).map_err(Failure::Failed)?;
    if let Some(paths) = common.paths_out {
        let mut paths = paths.into_inner().unwrap_or_else(PoisonError::into_inner);
        paths.flush().map_err(|error| Failure::Failed(format!("--paths-out: {error}")))?;
    }
    if let Some(mut folder) = folder {
        summary.write(&mut folder, &Machine::look(None).map_err(Failure::failed)?)?;
        say(&format!("written to {}", folder.path().display()));
    }
    summary.notes().iter().for_each(|note| say(note));
    let text = if options.json { summary.json()? } else { summary.text() };
    stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::Failed(format!("cannot write to stdout: {error}")))?;
    summary.verdict(common.stop.is_asked())
}

/// A reader who has gone misses nothing that counts.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn create(path: &Path) -> Result<Mutex<BufWriter<File>>, Failure> {
    let file = File::create(path).map_err(|error| {
        Failure::Failed(format!("cannot write --paths-out {}: {error}", path.display()))
    })?;
    Ok(Mutex::new(BufWriter::new(file)))
}

fn measure(options: &Options, common: &Common, idle: &Idle) -> Result<Summary, String> {
    let shares = (0..options.threads).map(|index| {
        options.connections / options.threads
            + usize::from(index < options.connections % options.threads)
    });
    let mut drivers =
        shares.map(|share| Driver::open(common, share)).collect::<Result<Vec<_>, _>>()?;
    let warm_up = Turns::new(0, Extent::Count(options.warm_up), None);
    let warmed = drive(&mut drivers, &warm_up, Instant::now())?;
    let turns = Turns::new(options.warm_up, options.extent, options.rate);
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let mut tally = drive(&mut drivers, &turns, start)?;
    let cpu = cpu_time().saturating_sub(cpu_start);
    let duration = tally.ended.map_or(Duration::ZERO, |ended| ended.duration_since(start));
    // What failed before the clock ran has failed as well.
    tally.errors += warmed.errors;
    tally.first_error = warmed.first_error.or(tally.first_error);
    Ok(Summary {
        work: options.plan.work,
        connections: options.connections,
        rate: options.rate,
        is_behind: turns.is_behind(),
        overdue: turns.overdue(start.elapsed()),
        idle: options.idle,
        idle_closed: idle.closed(),
        duration,
        cpu,
        tally,
    })
}

/// Lets every driver make its share of the requests, each on a thread of its own.
fn drive(drivers: &mut [Driver<'_>], turns: &Turns, start: Instant) -> Result<Tally, String> {
    let phase = Phase { turns, start };
    let results: Vec<_> = thread::scope(|scope| {
        let run = |driver| scope.spawn(move || Driver::run(driver, phase));
        let threads: Vec<_> = drivers.iter_mut().map(run).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut tally = Tally::new();
    for result in results {
        tally.merge(result.map_err(|_| "a generator thread panicked")??);
    }
    Ok(tally)
}

/// CPU time of this process, all threads, in the kernel too.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}
