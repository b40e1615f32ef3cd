//! The relay: its messages, who waits, who is paired.

/// Value of a rendezvous message, bytes. The longest there is, a refusal, has 257.
pub const RENDEZVOUS_VALUE_SIZE_MAX: usize = 512;
/// Sentence of a refusal, bytes of UTF-8: three lines of a terminal.
pub const REFUSAL_SENTENCE_SIZE_MAX: usize = 256;
/// Time between two signs of life of a relay to an end that waits, seconds. Home routers forget
/// TCP connections after five minutes at the earliest, mobile networks after half a minute.
pub const RENDEZVOUS_HEARTBEAT_S: u64 = 20;
/// Time an end has for its one message, seconds: of at most 37 bytes, on any network.
pub const RELAY_HANDSHAKE_TIMEOUT_S: u64 = 10;
/// Time in which the kernel takes a message to an end, seconds. Its send buffer is empty or holds
/// three bytes a heartbeat: only an end that is gone lets it fill.
pub const RELAY_TELL_TIMEOUT_S: u64 = 10;
/// Time that an end which was refused has for closing its side, seconds: what it still sends is
/// thrown away, so that the sentence reaches it. Closing with bytes unread resets the connection.
pub const RELAY_LINGER_TIMEOUT_S: u64 = 2;
/// Bytes thrown away meanwhile.
pub const RELAY_LINGER_SIZE_MAX: usize = 64 << 10;

/// Connections one worker of a relay holds unless told otherwise; further ones wait in the
/// listener's backlog. Twice as many as may wait in all, so that on a single worker, too, somebody
/// can come to them; 9 KiB each at most.
pub const RELAY_CONNECTIONS_PER_WORKER_DEFAULT: usize = 20_000;
/// Ends that wait, unless told otherwise, all workers together.
pub const RELAY_WAITING_MAX_DEFAULT: usize = 10_000;
/// Most that may be told: with as many senders, nine of ten nameplates of the most digits are free.
pub const RELAY_WAITING_MAX: usize = 1_000_000;
/// The same from one address unless told otherwise: an end with 16 lines waits at 17 places, so 15
/// such ends behind one address.
pub const RELAY_WAITING_PER_ADDRESS_DEFAULT: usize = 256;
/// Leading bits of an IPv6 address that are counted as one: what a household is given at least
/// (RFC 6177).
pub const RELAY_ADDRESS_PREFIX_V6: u32 = 64;
/// Time an end waits for the other one unless told otherwise, seconds: a phone call to say the code,
/// and somebody who comes back from lunch.
pub const RELAY_EXPIRE_S_DEFAULT: u64 = 3_600;
/// Time without a byte after which a pairing is ended unless told otherwise, seconds. Ends that are
/// dead are found by TCP; this is for those that live and say nothing, like the control line of a
/// transfer that goes over other lines.
pub const RELAY_IDLE_S_DEFAULT: u64 = 3_600;
/// Time after which a pairing is ended unless told otherwise, seconds: a terabyte at 12 MB/s.
pub const RELAY_LIFETIME_S_DEFAULT: u64 = 86_400;
/// Longest of these times that may be told, seconds: 100 days, so that a message holds it.
pub const RELAY_TIME_S_MAX: u64 = 8_640_000;
/// Least bytes a second that a pairing may be told to have: below, not even the ends' agreement on
/// a key gets through in a second.
pub const RELAY_RATE_MIN: u64 = 1 << 10;

/// Silence after which TCP asks an end whether it is there, seconds. With the two below, an end
/// without power is found after two minutes.
pub const RELAY_KEEPALIVE_S: u64 = 60;
/// The same between two questions without an answer.
pub const RELAY_KEEPALIVE_INTERVAL_S: u64 = 20;
/// Questions without an answer.
pub const RELAY_KEEPALIVE_RETRIES: u32 = 3;

/// Digits of the shortest nameplates: soon said.
pub const NAMEPLATE_DIGITS_MIN: u32 = 3;
/// Digits of the longest.
pub const NAMEPLATE_DIGITS_MAX: u32 = 7;
/// Numbers drawn until a free one is looked for in order: at most half are taken, so that needs a
/// coin to fall the same way 32 times.
pub const NAMEPLATE_DRAWS_MAX: usize = 32;

/// Numbers that nobody has which an address may claim at once: those of people behind one address who
/// mistype, or come too late.
pub const NAMEPLATE_GUESSES_MAX: u64 = 10;
/// Time after which it may claim one more, seconds: 70 in the hour that a code lasts, one in fourteen
/// of the shortest numbers.
pub const NAMEPLATE_GUESS_S: u64 = 60;
/// Addresses of which that is remembered, twice: 2 MiB at most. Nothing that counts addresses stops
/// somebody who has more of them.
pub const NAMEPLATE_GUESSERS_MAX: usize = 10_000;

/// Bytes moved at once from one end to the other: the size of a pipe that is lent by the worker.
/// 0.07 to 0.10 CPU-seconds a gigabyte, where 64 KiB took 0.10 to 0.11; 1 MiB gained a tenth more.
pub const RELAY_PIPE_SIZE_LARGE: usize = 256 << 10;
/// The same of a pipe for whoever finds none of those: what Linux gives a pipe by itself. Two of
/// them, one a direction, are what a stalled pairing holds in the kernel.
pub const RELAY_PIPE_SIZE_SMALL: usize = 64 << 10;
/// Large pipes of one worker: 8 MiB in the kernel, of the 64 MiB that it gives all pipes of a user
/// who is not root (`pipe-user-pages-soft`).
pub const RELAY_PIPES_LARGE_MAX: usize = 32;
/// Small pipes that a worker keeps open for the next one: two descriptors each.
pub const RELAY_PIPES_SMALL_KEPT: usize = 32;
/// Bytes moved for one direction until the other connections of the worker have their turn.
pub const RELAY_TURN_SIZE: usize = 1 << 20;
/// Steps in a second of a pairing whose rate is bounded: none of its pauses is long.
pub const RELAY_RATE_STEPS: u64 = 8;

/// Connections to the relay's own `/metrics` at once; further ones wait.
pub const RELAY_STATUS_CONNECTIONS_MAX: usize = 64;
/// Time that such a connection may live, seconds: a scrape, or several.
pub const RELAY_STATUS_TIMEOUT_S: u64 = 300;

const _: () = assert!(REFUSAL_SENTENCE_SIZE_MAX < RENDEZVOUS_VALUE_SIZE_MAX);
const _: () = assert!(RELAY_PIPE_SIZE_SMALL < RELAY_PIPE_SIZE_LARGE);
const _: () = assert!(RELAY_PIPE_SIZE_LARGE <= RELAY_TURN_SIZE);
const _: () = assert!(10 * RELAY_WAITING_MAX == 10_usize.pow(NAMEPLATE_DIGITS_MAX));
const _: () = assert!(RELAY_WAITING_MAX_DEFAULT <= RELAY_WAITING_MAX);
const _: () = assert!(RELAY_WAITING_MAX_DEFAULT < RELAY_CONNECTIONS_PER_WORKER_DEFAULT);
