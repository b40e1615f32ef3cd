//! Objects: write, seal, publish, read, delete, recover. Floor 3. Knows the disk trait and nothing
//! of HTTP.

mod block_check;
mod cache;
mod caretaker;
mod dice;
mod digest_memory;
mod digests;
mod error;
mod hash;
mod health;
mod idle_hasher;
mod layout;
mod notes;
mod publisher;
mod reader;
mod receiving;
mod room;
mod seal;
mod seal_checksum;
mod stored;
#[cfg(test)]
mod tests;
mod verified;
mod verify;
mod volume;
mod way;

pub use cache::{CacheSizes, Caches};
pub use caretaker::VolumeState;
pub use digests::{Digester, Digests};
pub use error::{StoreError, StoreErrorKind, StoreResult};
pub use hash::{ObjectHash, ObjectHasher, merge_root};
pub use layout::Layout;
pub use publisher::{Durability, Published};
pub use reader::{Frame, Piece, Reader};
pub use receiving::{NewObject, Receiving, Sealed};
pub use seal::{Seal, SealError};
pub use stored::{PublicFile, Stored};
pub use verify::{BlockFault, Damage, Damaged, Finding, Progress, VerifyOptions, verify};
pub use volume::{Store, StoreOptions};
