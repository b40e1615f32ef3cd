//! Judging `io_uring`. Pure.

use super::facts::Ring;
use super::finding::Finding;
use crate::disk::{EngineChoice, RingFlags, opcode_names};

/// What the engine will be, and what it has.
pub(super) fn judge(wanted: EngineChoice, ring: &Ring) -> Vec<Finding> {
    let engine = match (wanted, &ring.probed) {
        (EngineChoice::Threads, Ok(_)) => {
            Finding::ok("engine", "threads, as --engine asks; io_uring would work here")
        }
        (EngineChoice::Threads, Err(_)) => Finding::ok("engine", "threads, as --engine asks"),
        (EngineChoice::Auto | EngineChoice::IoUring, Ok(flags)) => return works(*flags, ring),
        (EngineChoice::Auto, Err(refused)) => {
            let detail = format!("threads: {}", with_sysctl(&refused.what, ring));
            Finding::warning("engine", detail, refused.remedy.clone())
        }
        (EngineChoice::IoUring, Err(refused)) => {
            let remedy = format!("{}; or let --engine be auto", refused.remedy);
            Finding::problem("engine", with_sysctl(&refused.what, ring), remedy)
        }
    };
    vec![engine]
}

fn works(flags: RingFlags, ring: &Ring) -> Vec<Finding> {
    let opcodes: Vec<&str> = opcode_names().collect();
    let missing = match (flags.coop_taskrun, flags.single_issuer) {
        (true, true) => None,
        (true, false) => Some("SINGLE_ISSUER (Linux 6.0)"),
        (false, _) => Some("COOP_TASKRUN (Linux 5.19) and SINGLE_ISSUER (6.0)"),
    };
    let flags = match missing {
        None => Finding::ok("ring flags", "COOP_TASKRUN and SINGLE_ISSUER"),
        Some(missing) => Finding::warning(
            "ring flags",
            format!("the kernel lacks {missing}: each completion costs a little more"),
            "use a kernel of 6.0 or later",
        ),
    };
    vec![
        Finding::ok("engine", with_sysctl("io_uring works here", ring)),
        Finding::ok(
            "opcodes",
            format!("{}: all there. Without one of them threads would do all", opcodes.join(" ")),
        ),
        flags,
    ]
}

/// The sysctl is said where it is not what it is by default.
fn with_sysctl(what: &str, ring: &Ring) -> String {
    match ring.disabled.as_deref() {
        None | Some("0") => what.to_owned(),
        Some(value) => format!("{what} (kernel.io_uring_disabled is {value})"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::disk::RingRefused;

    const FLAGS: RingFlags = RingFlags { coop_taskrun: true, single_issuer: true };

    fn ring(flags: RingFlags) -> Ring {
        Ring { probed: Ok(flags), disabled: Some("0".to_owned()) }
    }

    fn refused() -> Ring {
        let refused = RingRefused { what: "EPERM: seccomp".to_owned(), remedy: "allow".to_owned() };
        Ring { probed: Err(refused), disabled: Some("2".to_owned()) }
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_ring_that_works_is_named_with_its_opcodes_and_flags() {
        let findings = judge(EngineChoice::Auto, &ring(FLAGS));
        assert_eq!(levels(&findings), [Level::Ok; 3]);
        assert!(findings[0].detail.contains("io_uring works"));
        assert!(findings[1].detail.contains("LINKAT"), "{}", findings[1].detail);
    }

    #[test]
    fn missing_flags_are_a_warning_with_the_kernel_that_has_them() {
        for (flags, version) in [
            (RingFlags { single_issuer: false, ..FLAGS }, "6.0"),
            (RingFlags { coop_taskrun: false, single_issuer: false }, "5.19"),
        ] {
            let findings = judge(EngineChoice::IoUring, &ring(flags));
            assert_eq!(findings[2].level, Level::Warning);
            assert!(findings[2].detail.contains(version), "{}", findings[2].detail);
        }
    }

    #[test]
    fn a_refused_ring_is_a_warning_unless_it_is_demanded() {
        let auto = judge(EngineChoice::Auto, &refused());
        assert_eq!(levels(&auto), [Level::Warning]);
        assert!(auto[0].detail.starts_with("threads: EPERM"), "{}", auto[0].detail);
        assert!(auto[0].detail.contains("kernel.io_uring_disabled is 2"), "{}", auto[0].detail);
        assert_eq!(auto[0].remedy.as_deref(), Some("allow"));
        assert_eq!(levels(&judge(EngineChoice::IoUring, &refused())), [Level::Problem]);
    }

    #[test]
    fn who_asks_for_threads_gets_no_complaint() {
        for ring in [ring(FLAGS), refused()] {
            assert_eq!(levels(&judge(EngineChoice::Threads, &ring)), [Level::Ok]);
        }
    }
}
