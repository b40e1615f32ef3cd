//! The ID service: an ID is issued for every upload and opened for every download, and a forged
//! one must cost least, since anybody can send it.

use std::hint::black_box;

use criterion::Criterion;
use ringhold::id::{IdService, ObjectNumber};

const SECRET: &[u8] = b"a secret for the benches, 36 bytes on";
const NAME: &str = "2026-11-20 holiday, the lake at noon.jpg";

pub(crate) fn measure(criterion: &mut Criterion) {
    let service = IdService::new(SECRET, &[]).unwrap();
    let previous = IdService::new(b"the secret after a change of it", &[SECRET.to_vec()]).unwrap();
    let object = ObjectNumber::from_bytes(*b"sixteen of bytes");
    let issued = service.issue(object, NAME).unwrap();
    let text = issued.as_str();
    let forged = forged(text);
    assert!(service.open(text).is_some());
    assert!(service.open(&forged).is_none());

    let mut group = criterion.benchmark_group("id");
    group.bench_function("issue", |bencher| {
        bencher.iter(|| service.issue(black_box(object), black_box(NAME)).unwrap());
    });
    group.bench_function("open", |bencher| bencher.iter(|| service.open(black_box(text))));
    group.bench_function("open, of the previous secret", |bencher| {
        bencher.iter(|| previous.open(black_box(text)));
    });
    group.bench_function("refuse, forged", |bencher| {
        bencher.iter(|| service.open(black_box(&forged)));
    });
    group.bench_function("refuse, no ID at all", |bencher| {
        bencher.iter(|| service.open(black_box("favicon.ico")));
    });
    group.bench_function("delete token", |bencher| {
        bencher.iter(|| service.delete_token(black_box(&issued)));
    });
    group.finish();
}

/// The same ID with another access hash: what a guesser sends.
fn forged(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    let other = if first == "0" { "1" } else { "0" };
    format!("{other}{rest}")
}
