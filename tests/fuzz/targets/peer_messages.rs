//! Messages between the ends of a transfer: any bytes are refused or written again byte by byte, and a
//! path that is taken leads down, before and after its names are made safe.
#![no_main]

use std::path::Component;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ringhold::wire::{PeerMessage, PeerPath};

fuzz_target!(|input: &[u8]| {
    let Ok(message) = PeerMessage::decode(Bytes::copy_from_slice(input)) else { return };
    assert_eq!(message.encode(), input, "{message:?}");
    let PeerMessage::Entries(entries) = message else { return };
    for entry in entries {
        let safe = entry.path.made_safe();
        assert_eq!(safe.made_safe(), safe);
        for path in [entry.path, safe] {
            assert_eq!(PeerPath::parse(&path.to_string()).as_ref(), Ok(&path));
            let below = path.to_path();
            assert!(below.components().all(|one| matches!(one, Component::Normal(_))), "{below:?}");
        }
    }
});
