//! The workload of `sweep` with every operation failing in turn, and with a crash after every
//! single completion.

use super::*;
use crate::disk::{Fault, FaultPlan, FaultyDisk, Stop};

/// What a run told its client: what it may rely on, and what it asked to be deleted.
#[derive(Default)]
struct Told {
    acknowledged: RefCell<Acknowledged>,
    deleting: RefCell<Vec<[u8; 16]>>,
}

/// Uploads of each kind, side by side, then a delete. Failures end the upload that meets them.
async fn workload(store: &Store, told: &Told) {
    let acknowledge = |published: Vec<Published>, data: Vec<Vec<u8>>| {
        let pairs = published.into_iter().map(|one| *one.object.as_bytes()).zip(data);
        told.acknowledged.borrow_mut().extend(pairs);
    };
    let small = async {
        let data = bytes(5000, 1);
        if let Ok(published) = put(store, &data).await {
            acknowledge(vec![published], vec![data]);
        }
    };
    let large = async {
        let data = bytes(4 * CHUNK + 5, 2);
        // It claims more than it sends: it is preallocated beyond its end, and cut.
        let mut receiving = store.create(new_object(Some(9 << 20))).await?;
        receiving.write(&data[..CHUNK + 5000]).await?;
        receiving.park().await?;
        receiving.write(&data[CHUNK + 5000..]).await?;
        let sealed = receiving.seal().await?;
        let published = store.publish(vec![sealed]).await?;
        acknowledge(published, vec![data]);
        StoreResult::Ok(())
    };
    let several = async {
        let data = [bytes(1, 3), bytes(3 * CHUNK, 4)];
        let one = sealed(store, &data[0], true, 1).await?;
        let two = sealed(store, &data[1], true, CHUNK).await?;
        let published = store.publish(vec![one, two]).await?;
        acknowledge(published, data.to_vec());
        StoreResult::Ok(())
    };
    let _ = futures_util::join!(small, large, several);
    let first = told.acknowledged.borrow().keys().next().copied();
    if let Some(first) = first {
        told.deleting.borrow_mut().push(first);
        let _ = store.delete(ObjectNumber::from_bytes(first)).await;
    }
}

/// Acknowledged objects are whole; nothing else has a name, but what a delete was asked for.
fn check(told: &Told, found: &Acknowledged, others_allowed: bool, run: &str) {
    let acknowledged = told.acknowledged.borrow();
    let deleting = told.deleting.borrow();
    for (object, data) in acknowledged.iter() {
        match found.get(object) {
            Some(there) => assert!(there == data, "{run}: other bytes"),
            None => assert!(deleting.contains(object), "{run}: an acknowledged object is gone"),
        }
    }
    if !others_allowed {
        let strange = found.keys().find(|object| !acknowledged.contains_key(*object));
        assert!(strange.is_none(), "{run}: an object that nobody was told of");
    }
}

/// Completions of the workload when nothing fails.
fn completions() -> u64 {
    run(async {
        let memory = prepared().await;
        let disk = Rc::new(FaultyDisk::new(memory, FaultPlan::none()));
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let told = Told::default();
        workload(&store, &told).await;
        assert_eq!(told.acknowledged.borrow().len(), 4, "all uploads succeed");
        disk.completions()
    })
}

#[test]
fn whatever_operation_fails_there_is_no_hang_no_leak_and_no_false_success() {
    let faults = [
        Fault::Errno(libc::EIO),
        Fault::Errno(libc::ENOSPC),
        Fault::Errno(libc::ECANCELED),
        Fault::Short,
    ];
    for nth in 0..completions() {
        for fault in faults {
            let name = format!("operation {nth} fails with {fault:?}");
            run(fail_one(nth, fault, &name));
        }
    }
}

async fn fail_one(nth: u64, fault: Fault, name: &str) {
    let memory = prepared().await;
    let disk = Rc::new(FaultyDisk::new(
        Rc::clone(&memory) as Rc<dyn Disk>,
        FaultPlan::fail_nth(nth, fault),
    ));
    let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
    let told = Told::default();
    let limit = std::time::Duration::from_mins(1);
    let ended = tokio::time::timeout(limit, workload(&store, &told)).await;
    assert!(ended.is_ok(), "{name}: hangs");
    // Past the faults: what lies there now.
    let found = objects(&memory).await;
    let ended = tokio::time::timeout(limit, store.close()).await;
    assert!(ended.is_ok(), "{name}: does not drain");
    drop(store);
    assert_eq!(memory.handle_count(), 0, "{name}: an open file is left");
    for pool in [Pool::Upload, Pool::Download] {
        assert_eq!(memory.slab().in_use(pool), 0, "{name}: a lease is left");
    }
    assert_eq!(memory.inode_count(), found.len(), "{name}: a file is left");
    check(&told, &found, false, name);
}

#[test]
fn after_a_crash_at_any_completion_every_name_is_absent_or_whole() {
    for count in 0..=completions() {
        for loss in [Loss::Everything, Loss::Data, Loss::DataToZeros, Loss::Mixed(count)] {
            run(crash_after(count, loss));
        }
    }
}

async fn crash_after(count: u64, loss: Loss) {
    let memory = prepared().await;
    let plan = FaultPlan::seeded(count, 3).stop_after(count, Stop::Silence);
    let disk = Rc::new(FaultyDisk::new(Rc::clone(&memory) as Rc<dyn Disk>, plan));
    let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
    let told = Told::default();
    tokio::select! {
        biased;
        () = disk.stopped() => {}
        () = workload(&store, &told) => {}
    }
    let image = Rc::new(memory.crash_image(loss));
    let swept = Layout::new(Path::new(ROOT)).prepare(&*image).await;
    assert!(swept.is_ok(), "the root is usable again");
    let found = objects(&image).await;
    check(&told, &found, true, &format!("crash after {count} completions, {loss:?}"));
    assert_eq!(image.inode_count(), found.len(), "nothing else is left");
}
