//! Fetching a URL for somebody else.

/// Imports at once, all workers together; each costs twice [`IMPORT_BUFFER_SIZE`] and 128 KiB for
/// TLS, with what the allocator rounds up 1 MiB: 4 MiB of the memory contract's 32.
pub const IMPORTS_MAX: usize = 4;
/// Most that is read of a source in one call, bytes, and the longest head of an answer; as much
/// again may be on its way to the store. hyper's own choice (8 KiB and 100 pages of 4), which
/// reqwest does not let us change; a test of `import/` notices when it grows.
pub const IMPORT_BUFFER_SIZE: usize = 408 << 10;
/// Longest URL, bytes: what RFC 9110, section 4.1, asks everybody to support.
pub const URL_SIZE_MAX: usize = 8000;
/// Redirects followed. A chain of a link shortener, a mirror list and a mirror has three.
pub const IMPORT_REDIRECTS_MAX: usize = 5;
/// Addresses of one name that are tried.
pub const IMPORT_ADDRESSES_MAX: usize = 4;
/// Time for a connection to one of them, its TLS included, seconds: all of them fit the time for
/// an answer.
pub const IMPORT_CONNECT_TIMEOUT_S: u64 = 7;
/// Time from a request's name lookup to the head of its answer, seconds.
pub const IMPORT_ANSWER_TIMEOUT_S: u64 = 30;
/// Time without a byte from a source, seconds.
pub const IMPORT_IDLE_TIMEOUT_S: u64 = 30;
/// Slowest average rate of a source, bytes a second, reckoned as that of a client's body. A modem;
/// below it somebody holds one of few places.
pub const IMPORT_RATE_MIN: u64 = 4 << 10;
/// Time for one import, seconds: 2 TB at 100 MB/s.
pub const IMPORT_TIMEOUT_S: u64 = 6 * 60 * 60;
/// Times that one import asks for the rest after its transfer broke.
pub const IMPORT_RESUMES_MAX: u32 = 5;
/// Pause before the first of them, milliseconds; doubled for each: 16 s in all.
pub const IMPORT_RESUME_PAUSE_MS: u64 = 500;
/// How much older than the answer a `Last-Modified` must be to tell two states of a file apart,
/// seconds: that much may the clocks of the source's parts disagree.
pub const VALIDATOR_AGE_MIN_S: u64 = 60;
/// Name lookups at once, all workers together. One that its import gave up on keeps its thread
/// until the system's resolver does, 30 s by default.
pub const LOOKUPS_MAX: usize = 4 * IMPORTS_MAX;
/// Stack of such a thread, bytes: the C library's resolver, and what it is configured to load, keep
/// packets and lines on it.
pub const LOOKUP_THREAD_STACK_SIZE: usize = 512 << 10;

const _: () =
    assert!(IMPORT_ADDRESSES_MAX as u64 * IMPORT_CONNECT_TIMEOUT_S < IMPORT_ANSWER_TIMEOUT_S);
const _: () = assert!(2 * IMPORT_BUFFER_SIZE + (128 << 10) < 1 << 20);
