//! The command: options as `serve` would resolve them, facts, findings, exit code.

use std::io::{self, Write, stdout};
use std::process::ExitCode;

use super::facts::Facts;
use super::finding::{Finding, Level};
use super::judge_host::{self, Needs};
use super::{judge_ring, judge_root};
use crate::cli::Failure;
use crate::config::{DoctorArguments, Environment, ServeOptions};
use crate::disk::EngineChoice;

/// Says what works here for `serve`. The exit code is 0 when the daemon would run.
pub fn doctor(arguments: DoctorArguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let DoctorArguments { serve, json } = arguments;
    let options = ServeOptions::resolve(serve, environment).map_err(Failure::usage)?;
    let findings = judge(&Facts::gather(options, environment));
    print(&findings, json).map_err(|error| {
        Failure::failed(format!("cannot write the findings to stdout: {error}"))
    })?;
    let has_problem = findings.iter().any(|finding| finding.level == Level::Problem);
    Ok(if has_problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let options = &facts.options;
    let needs = Needs {
        worker_count: options.worker_count,
        connections_max: options.connections_max,
        queue_depth: options.queue_depth,
        chunk_size: options.chunk_size,
        cache_size: options.cache_size,
        uses_ring: options.engine != EngineChoice::Threads && facts.ring.probed.is_ok(),
    };
    let mut findings = judge_ring::judge(options.engine, &facts.ring);
    findings.extend(judge_host::judge(needs, &facts.host, &facts.cgroup, facts.now_ms));
    findings.extend(judge_root::judge(&facts.root, facts.host.user_id, options.store.min_free));
    findings.push(judge_root::judge_secret(&facts.secret));
    let is_locked = facts.root.is_locked;
    findings.push(judge_root::judge_listen(options.listen, &facts.listen, is_locked));
    findings
}

fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let mut out = stdout().lock();
    for finding in findings {
        let line = if json { finding.json() } else { finding.text() };
        writeln!(out, "{line}")?;
    }
    if !json {
        writeln!(out, "\n{}", verdict(findings))?;
    }
    Ok(())
}

fn verdict(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => "serve would run here, with all it can have".to_owned(),
        (0, 1) => "serve would run here, with 1 warning".to_owned(),
        (0, warnings) => format!("serve would run here, with {warnings} warnings"),
        (1, _) => "serve would not run here: 1 problem".to_owned(),
        (problems, _) => format!("serve would not run here: {problems} problems"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_that_of_the_worst_finding() {
        let (ok, warning, problem) =
            (Finding::ok("a", ""), Finding::warning("b", "", ""), Finding::problem("c", "", ""));
        for (findings, words) in [
            (vec![ok.clone()], "would run here, with all"),
            (vec![ok.clone(), warning.clone()], "would run here, with 1 warning"),
            (vec![ok, warning, problem], "would not run here: 1 problem"),
        ] {
            assert!(verdict(&findings).contains(words));
        }
    }
}
