//! JSON requests, however deep or long: refused or read, and read as any other JSON reader would.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::wire::{DownloadRequest, ImportRequest};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    // Deep nesting is made here: a fuzzer would need kilobytes of brackets for it.
    let (depth, body) = input.split_first().map_or((0, input), |(depth, body)| (*depth, body));
    let depth = usize::from(depth) * 64;
    let nested = [&b"[".repeat(depth), body, &b"]".repeat(depth)].concat();
    for body in [body, &nested] {
        let value = serde_json::from_slice::<Value>(body).ok();
        if let Ok(request) = serde_json::from_slice::<DownloadRequest>(body) {
            same(value.as_ref(), "file_id", &request.file_id);
        }
        if let Ok(request) = serde_json::from_slice::<ImportRequest>(body) {
            same(value.as_ref(), "file", &request.file);
        }
    }
});

/// A value that is out of range somewhere else in the document stops the other reader alone.
fn same(value: Option<&Value>, name: &str, read: &str) {
    if let Some(value) = value {
        let other = value.get(name).or_else(|| value.get(0)).and_then(Value::as_str);
        assert_eq!(other, Some(read));
    }
}
