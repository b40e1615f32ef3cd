//! temp
use crate::base::limits::BLOCK_SIZE;
use std::ops::Range;
pub struct Preallocation {
    total: Option<u64>,
    end: u64,
}
impl Preallocation {
    pub fn new(total: Option<u64>) -> Self {
        Self { total, end: 0 }
    }
    pub fn next(&mut self, received: u64) -> Option<Range<u64>> {
        let total = self.total.map_or(u64::MAX >> 1, padded_size);
        if total < (8 << 20) || self.end >= total || received + (4 << 20) < self.end {
            return None;
        }
        let want = (2 * received.max(16 << 20)).min(received + (1 << 30)).min(total);
        if want <= self.end {
            return None;
        }
        let r = self.end..want;
        self.end = want;
        Some(r)
    }
}
pub struct Spill {
    pub aligned: usize,
}
pub fn spill(filled: usize) -> Spill {
    Spill { aligned: filled - filled % BLOCK_SIZE }
}
pub fn padded_size(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_SIZE as u64)
}
pub fn room_in_chunk(offset: u64, chunk: usize) -> usize {
    chunk - (offset % chunk as u64) as usize
}
pub fn next_read(rest: &Range<u64>, max: u64) -> Range<u64> {
    let end = (rest.start / max + 1) * max;
    rest.start..end.min(rest.end)
}
