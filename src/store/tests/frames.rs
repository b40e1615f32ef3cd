//! An object is its bytes, however they came: in frames of any size, with pauses anywhere.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A store whose chunks are of this size.
async fn store_of_chunks(chunk_size: usize) -> Store {
    let slab = Slab::new(SlabOptions { chunk_size, chunk_count: 3, read_count: 5 }).unwrap();
    let disk = Rc::new(MemoryDisk::new(slab, 4));
    Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
    store_over(disk)
}

/// The seal of `data`, and what is read back, when it comes in these frames, with a pause of the
/// sender behind some of them, and the rest at once.
async fn received(store: &Store, data: &[u8], frames: &[(usize, bool)]) -> (Seal, Vec<u8>) {
    let mut receiving = store.create(new_object(None)).await.unwrap();
    let mut rest = data;
    for &(size, pauses) in frames {
        let (frame, later) = rest.split_at(size.min(rest.len()));
        receiving.write(frame).await.unwrap();
        rest = later;
        if pauses {
            receiving.park().await.unwrap();
        }
    }
    receiving.write(rest).await.unwrap();
    let sealed = receiving.seal().await.unwrap();
    let seal = sealed.seal.clone();
    let published = store.publish(vec![sealed]).await.unwrap();
    let stored = store.open(published[0].object).await.unwrap();
    (seal, read_all(&stored).await.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn an_object_in_frames_of_every_size_and_with_pauses_is_the_same_object(
        size in 0_u32..2_500_000,
        frames in vec(
            (prop_oneof![1_usize..300, 1_usize..9000, 1_usize..400_000], any::<bool>()),
            0..24,
        ),
        chunk_size in prop::sample::select(vec![4096, CHUNK, 256 << 10, 1 << 20]),
    ) {
        let noise = |at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0];
        let data: Vec<u8> = (0..size).map(noise).collect();
        run(async {
            let store = store_of_chunks(chunk_size).await;
            let (seal, back) = received(&store, &data, &frames).await;
            let (whole, _) = received(&store, &data, &[]).await;
            assert!(back == data, "other bytes came back");
            assert_eq!(seal.blake3, *blake3::hash(&data).as_bytes());
            assert_eq!(seal.block_hashes, whole.block_hashes);
        });
    }
}
