//! `ringhold-bench disk`: a small sweep writes every file it promises, with figures that add up;
//! nothing is left in the directory it measured, however it ended; wrong questions are refused.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Volume, engines, signal};

/// Chunks of 4 and 16 KiB, queues of 1 and 4: four cells an engine and operation.
const SWEEP: [&str; 8] =
    ["--size", "1MiB", "--chunk-size", "4KiB,16KiB", "--queue-depth", "1,4", "--time-limit", "60s"];

fn command(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold-bench"));
    command.args(["disk", "--dir"]).arg(dir).args(flags).env_clear();
    command
}

fn bench(dir: &Path, flags: &[&str]) -> Output {
    command(dir, flags).output().unwrap()
}

/// A directory on the disk that the repository is on.
fn place() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn joined(names: &[&str]) -> String {
    names.join(",")
}

/// Past the page cache where the filesystem lets us.
fn mode(dir: &Path) -> &'static str {
    let tried = bench(dir, &["--size", "16KiB", "--chunk-size", "4KiB", "--queue-depth", "1"]);
    if stderr(&tried).contains("no direct I/O") {
        println!("measured through the page cache: {}", stderr(&tried));
        return "buffered";
    }
    "direct"
}

#[test]
fn a_sweep_writes_every_file_and_its_figures_add_up() {
    let (dir, kept) = (place(), place());
    let (out, mode) = (kept.path().join("run"), mode(dir.path()));
    let engines: Vec<&str> = engines().iter().map(|engine| engine.name()).collect();
    let (all, out_text) = (joined(&engines), out.to_str().unwrap());
    let flags = [
        "--operation",
        "write,read,copy",
        "--engine",
        &all,
        "--mode",
        mode,
        "--runs",
        "2",
        "--out",
        out_text,
    ];
    let output = bench(dir.path(), &[&SWEEP[..], &flags].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(names(dir.path()).is_empty(), "nothing is left: {:?}", names(dir.path()));
    assert!(stdout(&output).contains("take --queue-depth"), "{}", stdout(&output));

    let mut expected: BTreeSet<String> =
        ["machine.json", "summary.csv", "summary.json", "runs.csv"].map(str::to_owned).into();
    for engine in &engines {
        for operation in ["write", "read", "copy"] {
            let group = format!("{operation}-{mode}-{engine}-w1");
            expected
                .extend(["throughput", "cpu", "heat"].map(|plot| format!("{plot}-{group}.svg")));
            for chunk in ["4KiB", "16KiB"] {
                expected.insert(format!("latency-{group}-{chunk}.svg"));
                expected.extend([1, 4].map(|depth| format!("{group}-{chunk}-q{depth}.hgrm")));
            }
        }
    }
    assert_eq!(names(&out), expected);
    check_figures(&out, 12 * engines.len());
}

/// A row a cell; its operations and bytes are those that were asked for, less the warm-up, and
/// those of its histogram.
fn check_figures(out: &Path, cell_count: usize) {
    let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let csv = text("summary.csv");
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), cell_count, "{csv}");
    assert_eq!(text("runs.csv").lines().count(), 1 + 2 * cell_count);
    for row in &rows {
        let number = |name: &str| row[column(name)].parse::<u64>().unwrap();
        let (chunk_size, depth) = (number("chunk_size_bytes"), number("queue_depth"));
        let operations = 2 * ((1 << 20) / chunk_size - depth);
        assert_eq!((number("operations"), number("bytes")), (operations, operations * chunk_size));
        let [operation, mode, engine] =
            ["operation", "mode", "engine"].map(|name| row[column(name)]);
        let chunk_kib = chunk_size >> 10;
        let hgrm = text(&format!("{operation}-{mode}-{engine}-w1-{chunk_kib}KiB-q{depth}.hgrm"));
        let total = hgrm.split("Total count    =").nth(1).unwrap();
        assert_eq!(total.split(']').next().unwrap().trim(), operations.to_string(), "{hgrm}");
        assert!(row[column("throughput_mb_per_s")].parse::<f64>().unwrap() > 0.0, "{csv}");
    }
    let summary: Value = serde_json::from_str(&text("summary.json")).unwrap();
    assert_eq!(summary["cells"].as_array().unwrap().len(), cell_count);
    assert_eq!(summary["knees"].as_array().unwrap().len(), cell_count / 4, "one a group");
    let machine: Value = serde_json::from_str(&text("machine.json")).unwrap();
    for name in ["version", "cpu_model", "kernel", "io_uring"] {
        assert!(machine[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {machine}");
    }
    assert!(machine["filesystem"]["kind"].is_string(), "{machine}");
}

#[test]
fn several_workers_and_a_sync_within_the_time_are_measured() {
    let dir = place();
    let mode = if mode(dir.path()) == "direct" { "durable" } else { "buffered" };
    let flags =
        ["--operation", "write,copy", "--mode", mode, "--workers", "1,2", "--runs", "1", "--json"];
    let output = bench(dir.path(), &[&SWEEP[..], &flags].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let cells = summary["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 16);
    assert!(cells.iter().all(|cell| cell["mode"] == mode && cell["runs"] == 1), "{summary}");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for name in ["INT", "TERM"] {
        let (dir, kept) = (place(), place());
        let out = kept.path().join("run");
        let flags = ["--mode", "buffered", "--runs", "100", "--out", out.to_str().unwrap()];
        let mut long = command(dir.path(), &[&SWEEP[..], &flags].concat());
        let child = long.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until_something_lies_in(dir.path());
        signal(child.id(), name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "SIG{name}: {output:?}");
        assert!(stderr(&output).contains("stopped"), "{}", stderr(&output));
        assert!(names(dir.path()).is_empty(), "SIG{name} leaves {:?}", names(dir.path()));
        assert!(!out.exists(), "an empty folder is no run");
    }
}

/// Until the directory of its own has a file to read in it.
fn wait_until_something_lies_in(dir: &Path) {
    for _ in 0..6000 {
        let inner = names(dir).into_iter().next().map(|name| dir.join(name));
        if inner.is_some_and(|inner| inner.join("source-0").exists()) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it never began");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let dir = place();
    for (wrong, words) in [
        (&["--queue-depth", "0"][..], "1 to 1024"),
        (&["--queue-depth", "1,2000"], "1 to 1024"),
        (&["--queue-depth", "many"], "invalid"),
        (&["--chunk-size", "5000"], "a power of two"),
        (&["--chunk-size", "1K"], "64KiB"),
        (&["--workers", "9999"], "1 to 512"),
        (&["--runs", "0"], "1 to 100"),
        (&["--size", "4KiB"], "fills no queue"),
        (&["--operation", "read", "--mode", "durable"], "--mode direct"),
        (&["--operation", "erase"], "invalid"),
        (&["--engine", "steam"], "invalid"),
        (&["--time-limit", "1ms"], "10ms"),
        (&["extra"], "unexpected"),
    ] {
        let output = bench(dir.path(), wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(stderr(&output).contains(words), "{wrong:?}: {}", stderr(&output));
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_run_is_never_written_over() {
    let (dir, out) = (place(), place());
    fs::write(out.path().join("summary.csv"), "mine").unwrap();
    let output = bench(dir.path(), &["--out", out.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("never written over"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(out.path().join("summary.csv")).unwrap(), "mine");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_directory_that_is_not_there_or_not_ours_is_a_failure_that_says_what_to_do() {
    let dir = place();
    let missing = dir.path().join("missing");
    let output = bench(&missing, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("missing"), "{}", stderr(&output));

    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write there all the same; /proc takes no directory of anybody.
    for refused in [closed.as_path(), Path::new("/proc")] {
        let output = bench(refused, &SWEEP);
        if output.status.code() == Some(0) {
            println!("{} can be written to: this runs as root", refused.display());
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains("--dir"), "{}", stderr(&output));
    }
}

#[test]
fn a_disk_without_room_is_a_failure_before_anything_is_written() {
    let dir = place();
    let output = bench(dir.path(), &["--size", "1000TiB", "--operation", "write"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("are needed") && said.contains("--size"), "{said}");
    assert!(names(dir.path()).is_empty());
    match Volume::tmpfs(32 << 20) {
        Err(why) => println!("no small volume here: {why}"),
        Ok(volume) => {
            let flags = [&SWEEP[..], &["--mode", "buffered"]].concat();
            let output = bench(&volume.mount_point(), &flags);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(stderr(&output).contains("MiB free"), "{}", stderr(&output));
            assert!(names(&volume.mount_point()).is_empty());
        }
    }
}
