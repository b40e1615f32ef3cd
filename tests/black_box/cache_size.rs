//! `--cache-size`: as much as the operator gives, small files that are asked for again come from
//! the daemon's memory, and what that takes is in the memory contract.

use crate::harness::{Daemon, Engine, Setup, UNOPTIMIZED_KIB, engines, payload};

/// Of the small files; 400 of them are more than the usual 4 MiB.
const SIZE: usize = 20_000;
const COUNT: usize = 400;
const ROUNDS: usize = 3;
/// Largest file that is kept whole.
const LARGEST: usize = 64 << 10;
/// Of a daemon with the smallest slab, beside its cache: 28 of the contract's 32 MiB.
const BESIDE_KIB: u64 = 28 << 10;
const SLAB_KIB: u64 = 4 * (4 + 256);
const CONNECTION_KIB: u64 = 64;

fn start(engine: Engine, cache_size: Option<&str>) -> Daemon {
    let mut setup = Setup::new()
        .engine(engine)
        .workers(1)
        .flag("--queue-depth", 4)
        .flag("--chunk-size", "4KiB")
        .flag("--durability", "none");
    if let Some(size) = cache_size {
        setup = setup.flag("--cache-size", size);
    }
    setup.start()
}

/// Uploads `count` files of `size` bytes and asks for each of them, round after round.
fn ask_again_and_again(daemon: &Daemon, count: usize, size: usize) {
    let body = payload(1, size);
    let mut client = daemon.connect();
    let targets: Vec<_> = (0..count).map(|_| client.put("a", &body).target()).collect();
    for _ in 0..ROUNDS {
        for target in &targets {
            assert!(client.get(target).body == body, "other bytes came back");
        }
    }
}

/// How many downloads found their file at `place`.
fn found(daemon: &Daemon, place: &str) -> usize {
    let label = format!("place=\"{place}\"");
    let samples = daemon.samples("ringhold_objects_found_total");
    let its = samples.iter().filter(|(series, _)| series.contains(&label));
    // Counts far below what a float holds exactly.
    its.map(|(_, value)| format!("{value:.0}").parse::<usize>().unwrap()).sum()
}

#[test]
fn as_much_as_the_operator_gives_is_kept_in_memory() {
    for engine in engines() {
        let all = COUNT * ROUNDS;
        let none = start(engine, Some("0"));
        ask_again_and_again(&none, COUNT, SIZE);
        assert_eq!(found(&none, "memory"), 0);
        assert!(found(&none, "open") > 0, "what is open is another memory");
        let usual = start(engine, None);
        ask_again_and_again(&usual, COUNT, SIZE);
        let found_usually = found(&usual, "memory");
        assert!((1..all - COUNT).contains(&found_usually), "{found_usually} of {all}");
        let large = start(engine, Some("64MiB"));
        ask_again_and_again(&large, COUNT, SIZE);
        assert_eq!(found(&large, "memory"), all - COUNT, "all but the first round");
        for daemon in [&none, &usual, &large] {
            let places = ["memory", "open", "volume"].map(|place| found(daemon, place));
            assert_eq!(places.iter().sum::<usize>(), all, "{places:?}");
        }
    }
}

#[test]
fn a_large_cache_fills_what_it_was_given_and_no_more() {
    for engine in engines() {
        let count = 1100;
        let [without, with] = ["0", "64MiB"].map(|size| {
            let daemon = start(engine, Some(size));
            ask_again_and_again(&daemon, count, LARGEST);
            daemon.resident_kib_max()
        });
        println!("{engine:?}: {without} KiB resident without a cache, {with} KiB with 64 MiB");
        assert!(with > without + (48 << 10), "{without} KiB without, {with} KiB with 64 MiB");
        let allowed = SLAB_KIB + CONNECTION_KIB + BESIDE_KIB + (64 << 10) + UNOPTIMIZED_KIB;
        assert!(with <= allowed, "{with} KiB resident, {allowed} KiB allowed");
    }
}

#[test]
fn a_cache_without_sense_is_refused_and_none_may_come_from_the_environment() {
    let refusal = Setup::new().flag("--cache-size", "1MiB").refusal().unwrap();
    assert!(refusal.contains("--cache-size is 1MiB: give 0 for none, or from 2MiB"), "{refusal}");
    let daemon = Setup::new().env("RINGHOLD_CACHE_SIZE", "0").start();
    ask_again_and_again(&daemon, 1, SIZE);
    assert_eq!(found(&daemon, "memory"), 0);
}
