use super::*;
use crate::disk::*;
use bytes::Buf;
use futures_util::StreamExt;
use std::rc::Rc;
use std::sync::Arc;
fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 % 253) as u8).collect()
}
#[test]
fn smoke() {
    let dir = tempfile::tempdir_in("/work").unwrap();
    let root = dir.path().to_owned();
    tokio_uring::start(async move {
        let slab =
            Slab::new(SlabOptions { chunk_size: 1 << 20, chunk_count: 8, read_count: 16 }).unwrap();
        let disk: Rc<dyn Disk> = Rc::new(UringDisk::new(slab, 16));
        println!("{:?}", disk.report());
        Layout::new(&root).prepare(&*disk).await.unwrap();
        let store = Store::new(
            disk.clone(),
            Arc::new(HotCache::new(8 << 20)),
            &StoreOptions { root: root.clone(), durability: Durability::Full, min_free: 0 },
        );
        for n in [
            0usize,
            1,
            4095,
            4096,
            4097,
            1 << 20,
            (1 << 20) - 1,
            (1 << 20) + 1,
            3_670_016,
            100 << 20,
        ] {
            let data = bytes(n);
            let mut r = store
                .create(NewObject {
                    name: "x".into(),
                    content_type: "a/b".into(),
                    size_bytes: None,
                })
                .await
                .unwrap();
            for (i, c) in data.chunks(77_777).enumerate() {
                r.write(c).await.unwrap();
                if i % 50 == 3 {
                    r.park().await.unwrap();
                }
            }
            let s = r.seal().await.unwrap();
            assert_eq!(s.blake3(), *blake3::hash(&data).as_bytes());
            let p = store.publish(vec![s]).await.unwrap().pop().unwrap();
            let o = store.open(p.object).await.unwrap();
            assert_eq!(o.seal().size_bytes, n as u64);
            let mut out = Vec::new();
            let mut rd = o.read(0..n as u64);
            while let Some(f) = rd.next().await {
                let mut f = f.unwrap();
                while f.has_remaining() {
                    let c = f.chunk().len();
                    out.extend_from_slice(f.chunk());
                    f.advance(c);
                }
            }
            assert!(out == data, "{n}");
            let len = std::fs::metadata(Layout::new(&root).object(p.object)).unwrap();
            use std::os::unix::fs::MetadataExt;
            println!("{n} {} {}", len.len(), len.blocks() * 512);
            assert_eq!(disk.slab().in_use(Pool::Upload), 0);
        }
        store.close().await;
    });
}
