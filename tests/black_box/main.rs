//! Black-box tests: the real binary, over real sockets, one file per feature.
//!
//! `RINGHOLD_TEST_HEAVY=1` adds the cases that take minutes and gigabytes (`.ci/run` sets it);
//! `RINGHOLD_TEST_SEED` changes every payload.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod crash;
mod delete;
mod docs_http;
mod download;
mod drain;
mod errors;
mod harness;
mod health;
mod ids;
mod malformed;
mod memlock;
mod memory;
mod metrics;
mod power_cut;
mod public;
mod readme;
mod round_trip;
mod slow_log;
mod slow_peers;
mod smuggling;
mod spread;
mod start;
mod traversal;
mod upload_form;
