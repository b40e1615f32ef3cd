//! Encrypted lines, without their connection: messages to sealed records and back. The longest
//! message is a block of a file; the short one is what one end asks of the other.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringhold::client::peer::{Opened, Opener, Pieces, Sealer};
use ringhold::wire::RecordKind;

const KEY: [u8; 32] = [7; 32];
/// Bytes of a message.
const SIZES: [usize; 3] = [64, 64 << 10, 1 << 20];
/// Messages in a row: more than any cache of one core holds of the longest.
const MESSAGE_COUNT: usize = 16;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peer");
    for size in SIZES {
        let message = vec![7; size];
        group.throughput(Throughput::Bytes((size * MESSAGE_COUNT) as u64));
        group.bench_function(BenchmarkId::new("seal", size), |bencher| {
            let mut sealer = Sealer::new(&KEY);
            let mut records = Vec::new();
            bencher.iter(|| {
                records.clear();
                (0..MESSAGE_COUNT).for_each(|_| seal(&mut sealer, &message, &mut records));
            });
        });
        let mut sealer = Sealer::new(&KEY);
        let mut records = Vec::new();
        sealer.seal_mark(RecordKind::Greeting, &mut records).unwrap();
        (0..MESSAGE_COUNT).for_each(|_| seal(&mut sealer, &message, &mut records));
        group.bench_function(BenchmarkId::new("open", size), |bencher| {
            let mut came = records.clone();
            bencher.iter(|| {
                // A socket copies, too.
                came.copy_from_slice(&records);
                assert_eq!(open(&mut came), MESSAGE_COUNT);
            });
        });
    }
    group.finish();
}

fn seal(sealer: &mut Sealer, message: &[u8], records: &mut Vec<u8>) {
    let parts = [black_box(message)];
    let mut pieces = Pieces::new(&parts);
    loop {
        sealer.seal_next(&mut pieces, records).unwrap();
        if pieces.is_empty() {
            break;
        }
    }
}

/// How many messages come out.
fn open(came: &mut [u8]) -> usize {
    let (mut opener, mut at, mut count) = (Opener::new(&KEY), 0, 0);
    while let Some((size, opened)) = opener.open(&mut came[at..]).unwrap() {
        at += size;
        count += usize::from(matches!(black_box(opened), Opened::Message(_)));
    }
    count
}
