//! Black-box tests: the real binary, over real sockets, one file per feature.
//!
//! `RINGHOLD_TEST_HEAVY=1` adds the cases that take minutes and gigabytes (`.ci/run` sets it);
//! `RINGHOLD_TEST_SEED` changes every payload.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod bench_disk;
mod bench_http;
mod comparison;
mod copy;
mod crash;
mod delete;
mod device_image;
mod digests;
mod docs_http;
mod doctor;
mod download;
mod drain;
mod errors;
mod examples;
mod failing_disk;
mod full_disk;
mod generate;
mod get;
mod get_faults;
mod harness;
mod health;
mod ids;
mod import;
mod import_sources;
mod import_tls;
mod log_redaction;
mod malformed;
mod memlock;
mod memory;
mod metrics;
mod operations;
mod power_cut;
mod public;
mod put;
mod put_faults;
mod readme;
mod round_trip;
mod slow_log;
mod slow_peers;
mod smuggling;
mod socket_activation;
mod spread;
mod start;
mod traversal;
mod upload_form;
mod verify;
mod verify_reads;
