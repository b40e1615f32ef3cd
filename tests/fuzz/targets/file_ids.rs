//! File IDs: no text makes opening fail, what is issued opens, and what is changed in any way does
//! not. The same for delete tokens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::{FILE_ID_SIZE_MAX, NAME_SIZE_MAX};
use ringhold::id::{IdService, ObjectNumber};

const PREVIOUS: &[u8] = b"a previous secret of the fuzzer";

static CURRENT_IDS: LazyLock<IdService> = LazyLock::new(|| {
    IdService::new(b"the current secret of the fuzzer", &[PREVIOUS.to_vec()]).unwrap()
});
static PREVIOUS_IDS: LazyLock<IdService> = LazyLock::new(|| IdService::new(PREVIOUS, &[]).unwrap());

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Issued { is_previous: bool, object: [u8; 16], name: &'a str, change: Change },
}

#[derive(Arbitrary, Debug)]
enum Change {
    Replace { at: u16, with: char },
    Insert { at: u16, what: char },
    Remove { at: u16 },
    Cut { at: u16 },
    Swap { at: u16 },
    Case,
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Text(text) => {
        if let Some(opened) = CURRENT_IDS.open(text) {
            assert_eq!(opened.id.as_str(), text);
        }
    }
    Input::Issued { is_previous, object, name, change } => {
        issued(is_previous, ObjectNumber::from_bytes(object), name, &change);
    }
});

fn issued(is_previous: bool, object: ObjectNumber, name: &str, change: &Change) {
    let issuer = if is_previous { &PREVIOUS_IDS } else { &CURRENT_IDS };
    let Ok(id) = issuer.issue(object, name) else {
        assert!(name.len() > NAME_SIZE_MAX);
        return;
    };
    assert!(id.as_str().len() <= FILE_ID_SIZE_MAX);
    assert_eq!(issuer.issue(object, name).unwrap(), id, "one ID for one meaning");
    let opened = CURRENT_IDS.open(id.as_str()).expect("what was issued opens");
    assert_eq!((opened.object, opened.name.as_str()), (object, name));
    let token = issuer.delete_token(&id);
    assert!(CURRENT_IDS.check_delete_token(&opened.id, &token));
    let changed = change.apply(id.as_str());
    assert_eq!(CURRENT_IDS.open(&changed).is_some(), changed == id.as_str(), "{changed}");
    let changed = change.apply(&token);
    assert_eq!(CURRENT_IDS.check_delete_token(&opened.id, &changed), changed == token);
}

impl Change {
    /// To a text of ASCII letters.
    fn apply(&self, text: &str) -> String {
        let place = |at: u16| usize::from(at) % text.len();
        let mut changed = text.to_owned();
        match *self {
            Change::Replace { at, with } => {
                changed.replace_range(place(at)..=place(at), with.encode_utf8(&mut [0; 4]));
            }
            Change::Insert { at, what } => changed.insert(place(at), what),
            Change::Remove { at } => drop(changed.remove(place(at))),
            Change::Cut { at } => changed.truncate(place(at)),
            Change::Swap { at } => {
                let letter = changed.remove(place(at));
                changed.insert(place(at.wrapping_add(1)).min(changed.len()), letter);
            }
            Change::Case => changed.make_ascii_uppercase(),
        }
        changed
    }
}
