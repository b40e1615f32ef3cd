//! The planner: the chunks of a known length, the same behind a cursor, and a slow upload that
//! gives its buffer back between two arrivals.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringhold::plan::{Geometry, Preallocation};

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
/// The daemon's default.
const CHUNK_SIZE: usize = 1 << 20;
/// What a slow client sends between two pauses, bytes: it never ends with a block.
const SLOW_ARRIVAL_SIZE: usize = 5000;
/// Arrivals of the slow upload.
const SLOW_ARRIVAL_COUNT: u64 = 1000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let geometry = Geometry::new(CHUNK_SIZE).unwrap();
    let mut group = criterion.benchmark_group("plan");
    for (name, size) in [("chunks 1 GiB", GIB), ("chunks 1 TiB", TIB)] {
        group.throughput(Throughput::Elements(size / CHUNK_SIZE as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let chunks = geometry.chunks(black_box(size)).unwrap();
                chunks.fold(0, |sum, chunk| sum ^ chunk.offset ^ chunk.size as u64)
            });
        });
    }
    group.throughput(Throughput::Elements(GIB / CHUNK_SIZE as u64));
    group.bench_function("cursor and preallocation 1 GiB", |bencher| {
        bencher.iter(|| upload(geometry, black_box(GIB)));
    });
    group.throughput(Throughput::Elements(SLOW_ARRIVAL_COUNT));
    group.bench_function("cursor, spilled at each arrival", |bencher| {
        bencher.iter(|| slow_upload(geometry, black_box(SLOW_ARRIVAL_SIZE)));
    });
    group.finish();
}

/// What the planner is asked for an upload of a claimed length; what was reserved of it.
fn upload(geometry: Geometry, size: u64) -> u64 {
    let mut cursor = geometry.cursor();
    let mut preallocation = Preallocation::new(Some(size)).unwrap();
    let mut reserved = 0;
    while cursor.offset() < size {
        let room = cursor.room().unwrap();
        let chunk = cursor.next(room.size).unwrap().unwrap();
        reserved = preallocation.next(chunk.end()).map_or(reserved, |range| range.end);
    }
    reserved
}

/// What the planner is asked when every arrival is followed by a pause; where the upload is then.
fn slow_upload(geometry: Geometry, arrival_size: usize) -> u64 {
    let mut cursor = geometry.cursor();
    let mut kept_size = 0;
    for _ in 0..SLOW_ARRIVAL_COUNT {
        let mut arrived = kept_size + arrival_size;
        let room = cursor.room().unwrap().size;
        if arrived >= room {
            cursor.next(room).unwrap();
            arrived -= room;
        }
        kept_size = cursor.spill(arrived).unwrap().kept_size;
    }
    cursor.offset()
}
