//! Why there is no plan.

use std::fmt;

use crate::base::limits::{BLOCK_SIZE, CHUNK_SIZE_MAX, OBJECT_SIZE_MAX};
use crate::base::units::ByteSize;

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A position beyond [`OBJECT_SIZE_MAX`].
    TooLarge,
    /// A range that ends before it starts.
    Inverted,
    /// A chunk size out of bounds or no power of two.
    ChunkSize {
        /// What was asked for, bytes.
        size: u64,
    },
    /// Parts cannot be aligned to zero bytes.
    Alignment,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::TooLarge => {
                write!(f, "the data would end beyond {OBJECT_SIZE_MAX} bytes, the largest offset")
            }
            PlanError::Inverted => f.write_str("the range ends before it starts"),
            PlanError::ChunkSize { size } => write!(
                f,
                "a chunk of {} is not possible: choose a power of two from {} to {}",
                ByteSize(*size),
                ByteSize(BLOCK_SIZE as u64),
                ByteSize(CHUNK_SIZE_MAX as u64)
            ),
            PlanError::Alignment => f.write_str("parts cannot be aligned to 0 bytes"),
        }
    }
}

impl std::error::Error for PlanError {}
