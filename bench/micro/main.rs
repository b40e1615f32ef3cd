//! Micro-benches of what costs processor time and waits for nothing: the planner, file IDs, the
//! multipart path, encrypted lines, hashes and seals, and the scans that the gate makes of every
//! request.
//!
//! ```text
//! cargo bench                                    all of them, about two minutes
//! cargo bench -- seal                            those whose name holds "seal"
//! cargo bench -- --save-baseline before          keep the figures, and later
//! cargo bench -- --baseline before               compare with them
//! ```
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails by a panic")]

mod ids;
mod multipart;
mod peer;
mod plan;
mod seal;
mod wire;

use std::time::Duration;

use criterion::Criterion;

/// What a bench runs before it is measured: caches are warm and the clock rate has settled.
const WARM_UP_TIME: Duration = Duration::from_millis(500);
/// How long one is measured: with `SAMPLE_COUNT` samples enough to see 2 % on a quiet machine.
const MEASUREMENT_TIME: Duration = Duration::from_secs(3);
/// Samples of one bench.
const SAMPLE_COUNT: usize = 50;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP_TIME)
        .measurement_time(MEASUREMENT_TIME)
        .sample_size(SAMPLE_COUNT)
        .configure_from_args();
    plan::measure(&mut criterion);
    ids::measure(&mut criterion);
    multipart::measure(&mut criterion);
    peer::measure(&mut criterion);
    seal::measure(&mut criterion);
    wire::measure(&mut criterion);
    criterion.final_summary();
}
