//! Hashes and seals: the hash of an object as it streams by, the root merged from its blocks, and
//! the seal written and read, of a small object and of a large one.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringhold::store::{ObjectHash, ObjectHasher, Seal, merge_root};

const MIB: u64 = 1 << 20;
const SMALL_SIZE: usize = 4096;
/// What the hasher is given at once: a chunk.
const CHUNK_SIZE: usize = 1 << 20;
/// Chunks of the large hash: it fits no cache, as an upload fits none.
const CHUNK_COUNT: usize = 64;
/// Blocks of an object of 1 GiB, and the most of any.
const BLOCK_COUNTS: [usize; 2] = [1024, 65_536];

pub(crate) fn measure(criterion: &mut Criterion) {
    hash(criterion);
    merge(criterion);
    seals(criterion);
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    let small = vec![7; SMALL_SIZE];
    group.throughput(Throughput::Bytes(SMALL_SIZE as u64));
    group.bench_function("object of 4 KiB", |bencher| {
        bencher.iter(|| hash_of(black_box(&small)));
    });
    let large = vec![7; CHUNK_SIZE * CHUNK_COUNT];
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("object of 64 MiB", |bencher| {
        bencher.iter(|| hash_of(black_box(&large)));
    });
    group.finish();
}

fn hash_of(data: &[u8]) -> ObjectHash {
    let mut hasher = ObjectHasher::new();
    data.chunks(CHUNK_SIZE).for_each(|chunk| hasher.update(chunk));
    hasher.finish()
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge root");
    for count in BLOCK_COUNTS {
        let values = vec![[7; 32]; count];
        let size = count as u64 * MIB;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| merge_root(black_box(&values), size, MIB));
        });
    }
    group.finish();
}

fn seals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    let small = seal(SMALL_SIZE as u64, hash_of(&[7; SMALL_SIZE]));
    let [blocks, _] = BLOCK_COUNTS;
    let values = vec![[7; 32]; blocks];
    let size = blocks as u64 * MIB;
    let root = merge_root(&values, size, MIB);
    let large = seal(size, ObjectHash { root, block_size: MIB, values });
    for (name, seal) in [("of 4 KiB", small), ("of 1 GiB", large)] {
        let encoded = seal.encode();
        group.bench_function(BenchmarkId::new("encode", name), |bencher| {
            bencher.iter(|| black_box(&seal).encode());
        });
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| Seal::decode(black_box(&encoded)).unwrap());
        });
    }
    group.finish();
}

fn seal(size_bytes: u64, hash: ObjectHash) -> Seal {
    Seal::new("lake.jpg".to_owned(), "image/jpeg".to_owned(), size_bytes, hash)
}
