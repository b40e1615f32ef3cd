//! What is asked: which request a turn makes, what its answer must be, and what is remembered of
//! answers for later requests.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::answer::{Framing, Head};
use super::content::scramble;
use super::request::{Kind, Request};
use super::sizes::Sizes;

/// Of so many requests of mixed work one is an upload; the others download what was uploaded.
pub(crate) const MIXED_CYCLE: u64 = 4;
/// Most uploaded files that a driver of mixed work remembers to download. At 200 bytes each they
/// stay below 20 MB; later uploads take the places of earlier ones.
const REMEMBERED_MAX: usize = 100_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// PUT of files of known length
    Upload,
    /// POST of forms with one file each
    Multipart,
    /// GET of whole files
    Download,
    /// GET of random ranges of --size bytes
    Range,
    /// One PUT, then three GETs of what was uploaded, over and over
    Mixed,
}

/// What the requests of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) work: Work,
    /// The value of `Host`.
    pub(crate) host: String,
    /// Where uploads go.
    pub(crate) prefix: String,
    pub(crate) sizes: Sizes,
    /// Whether every file has the size of `sizes`, so that a download without a length has it too.
    pub(crate) known_size: Option<u64>,
    /// What is downloaded.
    pub(crate) paths: Vec<String>,
    /// In the names of the uploads, so that no run overwrites another's files.
    pub(crate) run: u64,
    pub(crate) verify_every: u64,
    /// Whether the paths of uploads are wanted.
    pub(crate) wants_paths: bool,
}

/// What a driver remembers from one request to another.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    downloads: u64,
    /// Sizes of the files of `Plan::paths`, where answers told them.
    sizes: Vec<Option<u64>>,
    /// Path and size of what this driver uploaded.
    uploaded: Vec<(String, u64)>,
}

/// What is to come of a request.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) kind: Kind,
    /// Whether the answer says where the upload lies.
    pub(crate) wants_path: bool,
    /// Where it lies if the answer says nothing.
    pub(crate) path_of_upload: String,
    /// Index in `Plan::paths`.
    path_index: Option<usize>,
    /// The file's size, if it is known.
    size: Option<u64>,
    /// The size that a file has whose answer tells none.
    assumed_size: Option<u64>,
    /// First byte and count of the range asked for.
    range: (u64, u64),
    is_compared: bool,
    /// Bytes of content that the answer must bring, if that is known.
    due_size: Option<u64>,
}

/// What is to be seen of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Nothing,
    /// Its bytes are those at `offset` of the file of `size` bytes.
    Compare {
        size: u64,
        offset: u64,
    },
}

impl Plan {
    /// Makes the request of a turn.
    pub(crate) fn prepare(
        &self,
        index: u64,
        memory: &mut Memory,
        request: &mut Request,
        task: &mut Task,
    ) {
        let is_upload = index.is_multiple_of(MIXED_CYCLE) || memory.uploaded.is_empty();
        match self.work {
            Work::Upload => self.prepare_put(index, request, task),
            Work::Multipart => self.prepare_form(index, request, task),
            Work::Mixed if is_upload => self.prepare_put(index, request, task),
            Work::Mixed => self.prepare_again(index, memory, request, task),
            Work::Download => self.prepare_get(index, memory, request, task),
            Work::Range => self.prepare_range(index, memory, request, task),
        }
    }

    /// Keeps what an answer told.
    pub(crate) fn remember(&self, memory: &mut Memory, task: &Task, stored: Option<&str>) {
        if let (Work::Mixed, Some(path), Some(size)) = (self.work, stored, task.size) {
            let file = (path.to_owned(), size);
            let place = scramble(memory.downloads) % REMEMBERED_MAX as u64;
            if memory.uploaded.len() < REMEMBERED_MAX {
                memory.uploaded.push(file);
            } else if let Ok(place) = usize::try_from(place) {
                memory.uploaded[place] = file;
            }
        }
        if let (Some(index), Kind::Range) = (task.path_index, task.kind) {
            memory.sizes.resize(self.paths.len(), None);
            memory.sizes[index] = memory.sizes[index].or(task.size);
        }
    }

    fn prepare_put(&self, index: u64, request: &mut Request, task: &mut Task) {
        let size = self.sizes.of(index);
        request.path.clear();
        let _infallible = write!(request.path, "{}/{:x}-{index}.bin", self.prefix, self.run);
        request.put(&self.host, size);
        self.begin_upload(size, task);
        task.path_of_upload.clone_from(&request.path);
    }

    fn prepare_form(&self, index: u64, request: &mut Request, task: &mut Task) {
        let size = self.sizes.of(index);
        self.prefix.clone_into(&mut request.path);
        let name = format!("{:x}-{index}.bin", self.run);
        request.post_form(&self.host, &name, size);
        self.begin_upload(size, task);
        task.path_of_upload = format!("{}/{name}", self.prefix.trim_end_matches('/'));
    }

    fn begin_upload(&self, size: u64, task: &mut Task) {
        task.kind = Kind::Upload;
        task.wants_path = self.wants_paths || self.work == Work::Mixed;
        task.path_index = None;
        task.size = Some(size);
        task.is_compared = false;
        task.due_size = None;
    }

    fn prepare_get(&self, index: u64, memory: &mut Memory, request: &mut Request, task: &mut Task) {
        let at = self.path_index(index);
        request.path.clone_from(&self.paths[at]);
        request.get(&self.host);
        self.begin_download(Kind::Download, memory, task);
        (task.path_index, task.size) = (Some(at), None);
    }

    /// Downloads something that this driver uploaded.
    fn prepare_again(
        &self,
        index: u64,
        memory: &mut Memory,
        request: &mut Request,
        task: &mut Task,
    ) {
        self.begin_download(Kind::Download, memory, task);
        let at = scramble(index) % memory.uploaded.len() as u64;
        let (path, size) = &memory.uploaded[usize::try_from(at).unwrap_or(0)];
        request.path.clone_from(path);
        request.get(&self.host);
        (task.path_index, task.size) = (None, Some(*size));
    }

    /// A random range; the first of a file, whose size is not known yet, begins at its start.
    fn prepare_range(
        &self,
        index: u64,
        memory: &mut Memory,
        request: &mut Request,
        task: &mut Task,
    ) {
        let at = self.path_index(index);
        let count = self.sizes.of(index).max(1);
        let size = memory.sizes.get(at).copied().flatten();
        let places = size.map_or(1, |size| size.saturating_sub(count) + 1);
        let first = scramble(index) % places;
        request.path.clone_from(&self.paths[at]);
        request.get_range(&self.host, first, count);
        self.begin_download(Kind::Range, memory, task);
        (task.path_index, task.size, task.range) = (Some(at), size, (first, count));
    }

    fn begin_download(&self, kind: Kind, memory: &mut Memory, task: &mut Task) {
        memory.downloads += 1;
        task.kind = kind;
        task.wants_path = false;
        task.due_size = None;
        task.assumed_size = self.known_size;
        task.is_compared =
            self.verify_every > 0 && memory.downloads.is_multiple_of(self.verify_every);
    }

    fn path_index(&self, index: u64) -> usize {
        usize::try_from(index % self.paths.len().max(1) as u64).unwrap_or(0)
    }
}

impl Task {
    /// Before the first request.
    pub(crate) fn nothing() -> Task {
        Task {
            kind: Kind::Download,
            wants_path: false,
            path_of_upload: String::new(),
            path_index: None,
            size: None,
            assumed_size: None,
            range: (0, 0),
            is_compared: false,
            due_size: None,
        }
    }

    /// What is to be seen of the body behind this head, or what is wrong with the head.
    pub(crate) fn check_head(&mut self, head: &Head<'_>) -> Result<Check, String> {
        match (self.kind, head.status) {
            (Kind::Upload, 200 | 201 | 204) => Ok(Check::Nothing),
            (Kind::Download, 200) => self.check_whole(head.framing),
            (Kind::Range, 206) => self.check_range(head),
            (Kind::Range, 200) => Err("the server ignored the range: status 200".to_owned()),
            (_, status) => Err(format!("status {status}")),
        }
    }

    /// What is wrong with an answer that brought `content_size` bytes.
    pub(crate) fn check_size(&self, content_size: u64) -> Option<String> {
        let due = self.due_size.filter(|&due| due != content_size)?;
        Some(format!("{content_size} bytes came where {due} were due"))
    }

    fn check_whole(&mut self, framing: Framing) -> Result<Check, String> {
        let told = if let Framing::Sized(size) = framing { Some(size) } else { None };
        if let (Some(told), Some(known)) = (told, self.size)
            && told != known
        {
            return Err(format!("Content-Length {told}, but {known} bytes were uploaded"));
        }
        self.due_size = self.size.or(told);
        Ok(self.compare(self.due_size.or(self.assumed_size), 0))
    }

    fn check_range(&mut self, head: &Head<'_>) -> Result<Check, String> {
        let (asked, count) = self.range;
        let Some((first, last, total)) = head.content_range else {
            return Err("a 206 without a Content-Range that tells the size".to_owned());
        };
        if first != asked || last != asked.saturating_add(count).min(total) - 1 {
            return Err(format!("bytes {first} to {last} came; asked for {count} from {asked} on"));
        }
        self.size = Some(total);
        self.due_size = Some(last - first + 1);
        Ok(self.compare(Some(total), first))
    }

    fn compare(&self, size: Option<u64>, offset: u64) -> Check {
        match size {
            Some(size) if self.is_compared => Check::Compare { size, offset },
            _ => Check::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(work: Work) -> Plan {
        Plan {
            work,
            host: "h".to_owned(),
            prefix: "/files".to_owned(),
            sizes: Sizes::one(100),
            known_size: None,
            paths: vec!["/a".to_owned(), "/b".to_owned()],
            run: 0xAB,
            verify_every: 2,
            wants_paths: false,
        }
    }

    fn head(
        status: u16,
        framing: Framing,
        content_range: Option<(u64, u64, u64)>,
    ) -> Head<'static> {
        Head { status, framing, is_kept: true, location: None, content_range }
    }

    #[test]
    fn mixed_work_uploads_one_of_four_and_downloads_what_was_stored() {
        let (plan, mut memory) = (plan(Work::Mixed), Memory::default());
        let (mut request, mut task) = (Request::new(), Task::nothing());
        let mut uploads = 0;
        for index in 0..100 {
            plan.prepare(index, &mut memory, &mut request, &mut task);
            if task.kind == Kind::Upload {
                uploads += 1;
                assert!(task.wants_path);
                plan.remember(&mut memory, &task, Some(&format!("/stored/{index}")));
            } else {
                assert!(request.path.starts_with("/stored/"), "{}", request.path);
                let wrong = task.check_head(&head(200, Framing::Sized(99), None)).unwrap_err();
                assert!(wrong.contains("100 bytes were uploaded"), "{wrong}");
            }
        }
        assert_eq!(uploads, 25);
    }

    #[test]
    fn downloads_take_turns_over_the_paths_and_every_nth_is_compared() {
        let (plan, mut memory) = (plan(Work::Download), Memory::default());
        let (mut request, mut task) = (Request::new(), Task::nothing());
        let mut seen = Vec::new();
        for index in 0..4 {
            plan.prepare(index, &mut memory, &mut request, &mut task);
            let check = task.check_head(&head(200, Framing::Sized(7), None)).unwrap();
            seen.push((request.path.clone(), check != Check::Nothing));
        }
        let expected = [("/a", false), ("/b", true), ("/a", false), ("/b", true)];
        assert_eq!(seen, expected.map(|(path, compared)| (path.to_owned(), compared)));
        assert_eq!(task.check_size(7), None);
        assert!(task.check_size(6).is_some());
    }

    #[test]
    fn a_range_is_what_was_asked_for() {
        let (plan, mut memory) = (plan(Work::Range), Memory::default());
        let (mut request, mut task) = (Request::new(), Task::nothing());
        plan.prepare(0, &mut memory, &mut request, &mut task);
        let answer = head(206, Framing::Sized(100), Some((0, 99, 5000)));
        assert_eq!(task.check_head(&answer), Ok(Check::Nothing));
        plan.remember(&mut memory, &task, None);
        let mut firsts = Vec::new();
        for index in (2..40).step_by(2) {
            plan.prepare(index, &mut memory, &mut request, &mut task);
            assert_eq!(task.size, Some(5000), "the size was learned");
            assert!(task.range.0 + task.range.1 <= 5000);
            firsts.push(task.range.0);
        }
        firsts.dedup();
        assert!(firsts.len() > 10, "ranges are random: {firsts:?}");
        for (status, range) in [(200, None), (206, None), (206, Some((0, 1, 5000))), (404, None)] {
            let answer = head(status, Framing::Sized(2), range);
            assert!(task.check_head(&answer).is_err(), "{status} {range:?}");
        }
        // A file shorter than the range ends it.
        plan.prepare(1, &mut memory, &mut request, &mut task);
        assert!(task.check_head(&head(206, Framing::Sized(10), Some((0, 9, 10)))).is_ok());
    }

    #[test]
    fn a_chunked_answer_is_compared_when_every_file_has_one_size() {
        let mut plan = plan(Work::Download);
        (plan.verify_every, plan.known_size) = (1, Some(100));
        let (mut request, mut task) = (Request::new(), Task::nothing());
        plan.prepare(0, &mut Memory::default(), &mut request, &mut task);
        let check = task.check_head(&head(200, Framing::Chunked, None));
        assert_eq!(check, Ok(Check::Compare { size: 100, offset: 0 }));
    }
}
