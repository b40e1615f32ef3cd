//! What of a file is in the page cache, asked without reading any of it.
//!
//! 1. `cachestat` counts the pages of a file that is one's own, or may be written (Linux 6.5), those
//!    that the disk is just filling, too.
//! 2. `mincore`, of a mapping that nobody touches, looks at each page, and leaves those out. Of other
//!    people's files it says that all is there, so it is not asked.
//! 3. Of a few pages the same is found out by reading them, if that needs no wait: it costs less than
//!    a mapping.
//! 4. An older kernel, or one whose seccomp filter does not know `cachestat` yet, is asked by
//!    `mincore` alone.

use std::fs::File;
use std::ops::Range;

use rustix::fs::fstat;
use rustix::param::page_size;
use rustix::process::geteuid;

use super::syscall;
use crate::base::limits::FILLED_MAPPED_SIZE_MIN;

/// How many bytes of `range` are in the page cache, or on their way into it, counted in pages: all of
/// them only where each page of it is. `None` where the kernel does not tell.
pub(super) fn resident_size(file: &File, range: Range<u64>) -> Option<u64> {
    let size = range.end.checked_sub(range.start)?;
    // A length of zero would stand for all that follows.
    if size == 0 {
        return Some(0);
    }
    let pages = pages_of(&range);
    let page_count = pages.end - pages.start;
    let resident_count = match raw::cached_page_count(file, range) {
        Ok(count) => count,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            core_page_count(file, pages)?
        }
        Err(_) => return None,
    };
    let is_whole = resident_count >= page_count;
    let resident_size = resident_count.saturating_mul(page_size() as u64);
    Some(if is_whole { size } else { resident_size.min(size - 1) })
}

/// Whether each page of `range` is in the page cache and filled.
pub(super) fn is_filled(file: &File, range: Range<u64>) -> bool {
    let size = range.end.saturating_sub(range.start);
    if size < FILLED_MAPPED_SIZE_MIN {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        return syscall::read_resident(file, &mut bytes, range.start);
    }
    let pages = pages_of(&range);
    let page_count = pages.end - pages.start;
    core_page_count(file, pages) == Some(page_count)
}

fn pages_of(range: &Range<u64>) -> Range<u64> {
    let page_size = page_size() as u64;
    range.start / page_size..range.end.div_ceil(page_size)
}

/// How many of these pages are in memory, filled; `None` for a file of somebody else's.
fn core_page_count(file: &File, pages: Range<u64>) -> Option<u64> {
    let is_own = fstat(file).ok()?.st_uid == geteuid().as_raw();
    // Both calls tell the same people.
    if !is_own && raw::cached_page_count(file, 0..1).is_err() {
        return None;
    }
    let count = usize::try_from(pages.end - pages.start).ok()?;
    raw::core_page_count(file, pages.start, count).ok()
}

mod raw {
    #![expect(unsafe_code, reason = "kernel calls that no safe wrapper of our crates has")]

    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::os::fd::AsRawFd;
    use std::ptr;

    use rustix::param::page_size;

    /// `cachestat`, which the libc crate does not know yet. Since 424 a call has the same number on
    /// all architectures but alpha.
    const CACHESTAT: libc::c_long = 451;

    pub(super) fn cached_page_count(file: &File, range: Range<u64>) -> io::Result<u64> {
        // struct cachestat_range: offset and length, bytes.
        let asked = [range.start, range.end.saturating_sub(range.start)];
        // struct cachestat: pages in the cache, dirty, under write, evicted, evicted lately.
        let mut told = [0_u64; 5];
        let fd = file.as_raw_fd();
        // SAFETY: both arrays are alive, and as long and aligned as the kernel's structs of u64.
        let answer =
            unsafe { libc::syscall(CACHESTAT, fd, asked.as_ptr(), told.as_mut_ptr(), 0_u32) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(told[0]) }
    }

    /// Maps the pages for the time of the question.
    pub(super) fn core_page_count(file: &File, first: u64, count: usize) -> io::Result<u64> {
        let too_large = |_| io::Error::from_raw_os_error(libc::EFBIG);
        let size = count.saturating_mul(page_size());
        let offset = libc::off_t::try_from(first.saturating_mul(page_size() as u64));
        let (offset, fd) = (offset.map_err(too_large)?, file.as_raw_fd());
        let (access, kind) = (libc::PROT_NONE, libc::MAP_SHARED);
        // SAFETY: a new mapping at a place that the kernel chooses, where nobody may read or write.
        let pages = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, fd, offset) };
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut told = vec![0_u8; count];
        // SAFETY: the mapping is `count` pages long, and `told` has a byte for each.
        let answer = unsafe { libc::mincore(pages, size, told.as_mut_ptr()) };
        let error = io::Error::last_os_error();
        // SAFETY: the mapping was made above, as long, and nobody else knows of it.
        let _ = unsafe { libc::munmap(pages, size) };
        if answer < 0 {
            return Err(error);
        }
        Ok(told.iter().filter(|page| **page & 1 == 1).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// A file, on the disk of the build, of a hole that nobody read and so many written pages, in
    /// all 64 and some bytes.
    fn file(written: Range<u64>) -> File {
        let file = tempfile::tempfile_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).unwrap();
        let page = page_size() as u64;
        let size = usize::try_from((written.end - written.start) * page).unwrap();
        file.write_all_at(&vec![7; size], written.start * page).unwrap();
        file.set_len(64 * page + 10).unwrap();
        file
    }

    #[test]
    fn all_is_there_only_where_each_page_is() {
        let (file, page) = (file(32..64), page_size() as u64);
        let Some(resident) = resident_size(&file, 0..64 * page) else {
            println!("skipped: this kernel does not tell");
            return;
        };
        assert_eq!(resident, 32 * page);
        for empty in [0..5, page..2 * page, 64 * page..64 * page + 10] {
            assert_eq!(resident_size(&file, empty), Some(0));
        }
        for whole in [5..5, 32 * page..64 * page, 40 * page + 1..50 * page + 9] {
            assert_eq!(resident_size(&file, whole.clone()), Some(whole.end - whole.start));
            assert!(is_filled(&file, whole.clone()), "{whole:?}");
        }
        // Looked at through a mapping: what is read of a hole is there at once.
        for partly in [8 * page..40 * page, 32 * page - 1..64 * page] {
            let resident = resident_size(&file, partly.clone()).unwrap();
            assert!(resident > 0 && resident < partly.end - partly.start, "{partly:?}");
            assert!(!is_filled(&file, partly));
        }
    }

    #[test]
    fn both_calls_say_the_same() {
        let (file, page) = (file(16..48), page_size() as u64);
        for (pages, count) in [(0..65, 32), (0..16, 0), (10..40, 24), (47..49, 1)] {
            assert_eq!(core_page_count(&file, pages.clone()), Some(count), "{pages:?}");
            match raw::cached_page_count(&file, pages.start * page..pages.end * page) {
                Ok(told) => assert_eq!(told, count, "{pages:?}"),
                Err(error) => println!("skipped: no cachestat here ({error})"),
            }
        }
    }

    #[test]
    fn nobody_is_told_of_the_files_of_others() {
        let file = File::open("/etc/passwd").unwrap();
        let is_told = geteuid().is_root();
        assert_eq!(core_page_count(&file, 0..1).is_some(), is_told);
        assert!(is_told || resident_size(&file, 0..1).is_none());
    }
}
