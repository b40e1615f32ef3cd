//! The store against a model of it: a map. Uploads in any pieces with any pauses, published alone
//! or together or given up, ranges read, deletions, and power cuts, in any order.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Buf as _;
use futures_util::StreamExt as _;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ringhold::disk::{Disk, Loss, MemoryDisk, Slab, SlabOptions};
use ringhold::id::ObjectNumber;
use ringhold::store::{
    CacheSizes, Caches, Durability, Layout, NewObject, Sealed, Store, StoreErrorKind, StoreOptions,
    VolumeState,
};

const ROOT: &str = "/root";
const STEPS_MAX: usize = 12;
const PIECES_MAX: usize = 12;

#[derive(Arbitrary, Debug)]
enum Step {
    /// All of them in one request.
    Upload(Vec<Upload>),
    Abandon(Upload),
    Read {
        which: u8,
        start: u32,
        end: u32,
    },
    Delete {
        which: u8,
    },
    PowerCut {
        loss: u8,
    },
}

#[derive(Arbitrary, Debug)]
struct Upload {
    /// Bytes of each piece, and whether the sender pauses after it.
    pieces: Vec<(u16, bool)>,
    /// What the sender says before, KiB: far less than the disk has.
    claims_kib: Option<u16>,
    seed: u8,
}

/// What must be there.
type Model = BTreeMap<ObjectNumber, Vec<u8>>;

fuzz_target!(|steps: Vec<Step>| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let options = SlabOptions { chunk_size: 8 << 10, chunk_count: 2, read_count: 2 };
        let mut disk = Rc::new(MemoryDisk::new(Slab::new(options).unwrap(), 2));
        let mut store = open(&disk).await;
        let mut model = Model::new();
        for step in steps.iter().take(STEPS_MAX) {
            if let Step::PowerCut { loss } = step {
                disk = Rc::new(disk.crash_image(loss_of(*loss)));
                store = open(&disk).await;
            } else {
                act(&store, &mut model, step).await;
            }
        }
        for (object, data) in &model {
            assert_eq!(read(&store, *object, 0, data.len()).await, *data);
        }
        assert_eq!(named_count(&*disk).await, model.len(), "nothing else has a name");
        drop(store);
        disk.drain().await;
    });
});

async fn open(disk: &Rc<MemoryDisk>) -> Store {
    Layout::new(Path::new(ROOT)).prepare(&**disk).await.unwrap();
    let options = StoreOptions {
        root: ROOT.into(),
        durability: Durability::Full,
        min_free: 0,
        verify_reads: true,
    };
    let (cache, volume) =
        (Arc::new(Caches::new(CacheSizes::of_process(None))), Arc::new(VolumeState::default()));
    Store::new(Rc::clone(disk) as Rc<dyn Disk>, cache, volume, &options)
}

async fn act(store: &Store, model: &mut Model, step: &Step) {
    match step {
        Step::Upload(uploads) => {
            let (mut sealed, mut sent) = (Vec::new(), Vec::new());
            for upload in uploads.iter().take(3) {
                let (one, data) = upload.seal(store).await;
                sealed.push(one);
                sent.push(data);
            }
            let published = store.publish(sealed).await.unwrap();
            for (one, data) in published.iter().zip(sent) {
                assert_eq!(one.blake3, *blake3::hash(&data).as_bytes());
                assert!(model.insert(one.object, data).is_none(), "a number twice");
            }
        }
        Step::Abandon(upload) => drop(upload.seal(store).await),
        Step::Read { which, start, end } => {
            let Some((object, data)) = pick(model, *which) else { return };
            let place = |at: u32| at as usize % (data.len() + 1);
            let (start, end) = (place(*start), place(*end));
            let (start, end) = (start.min(end), start.max(end));
            assert_eq!(read(store, object, start, end).await, data[start..end]);
        }
        Step::Delete { which } => {
            let Some((object, _)) = pick(model, *which) else { return };
            store.delete(object).await.unwrap();
            model.remove(&object);
            let gone = store.open(object).await.err().map(|error| error.kind());
            assert_eq!(gone, Some(StoreErrorKind::NotFound));
        }
        Step::PowerCut { .. } => unreachable!("done by the caller"),
    }
}

impl Upload {
    async fn seal(&self, store: &Store) -> (Sealed, Vec<u8>) {
        let (name, content_type) = ("name".to_owned(), "text/plain".to_owned());
        let size_bytes = self.claims_kib.map(|kib| u64::from(kib) << 10);
        let new = NewObject { name, content_type, size_bytes };
        let mut receiving = store.create(new).await.unwrap();
        let mut sent = Vec::new();
        for (size, pauses) in self.pieces.iter().take(PIECES_MAX) {
            let bytes = (0..251_u8).cycle().map(|byte| byte ^ self.seed);
            let piece: Vec<u8> = bytes.skip(sent.len() % 251).take(usize::from(*size)).collect();
            receiving.write(&piece).await.unwrap();
            sent.extend(piece);
            if *pauses {
                receiving.park().await.unwrap();
            }
        }
        (receiving.seal().await.unwrap(), sent)
    }
}

fn pick(model: &Model, which: u8) -> Option<(ObjectNumber, Vec<u8>)> {
    let index = usize::from(which).checked_rem(model.len())?;
    model.iter().nth(index).map(|(object, data)| (*object, data.clone()))
}

async fn read(store: &Store, object: ObjectNumber, start: usize, end: usize) -> Vec<u8> {
    let stored = store.open(object).await.unwrap();
    let mut reader = stored.read(start as u64..end as u64);
    let mut data = Vec::new();
    while let Some(frame) = reader.next().await {
        let mut frame = frame.unwrap();
        while frame.has_remaining() {
            let size = frame.chunk().len();
            data.extend_from_slice(frame.chunk());
            frame.advance(size);
        }
    }
    data
}

fn loss_of(loss: u8) -> Loss {
    match loss {
        0 => Loss::Everything,
        1 => Loss::Data,
        2 => Loss::DataToZeros,
        seed => Loss::Mixed(seed.into()),
    }
}

async fn named_count(disk: &MemoryDisk) -> usize {
    let layout = Layout::new(Path::new(ROOT));
    let mut count = 0;
    for prefix in 0..=u8::MAX {
        count += disk.list_dir(&layout.directory(prefix)).await.unwrap().len();
    }
    count
}
