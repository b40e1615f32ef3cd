//! What `put` sends: files, which can be read again from their beginnings, and streams (standard
//! input, pipes, devices), which cannot.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Failure, printable};
use crate::client::ReadAhead;
use crate::config::PutCommand;

/// What standard input is called where nobody names it.
const STDIN_NAME: &str = "stdin";

/// Something to send.
#[derive(Debug)]
pub(super) struct Source {
    /// What it shall be called.
    pub(super) name: String,
    /// `None` for standard input.
    path: Option<PathBuf>,
    /// Whether it can be read again.
    pub(super) is_repeatable: bool,
}

/// A source that is being read.
pub(super) struct Opened {
    pub(super) frames: ReadAhead,
    /// Of a file, as it is opened.
    pub(super) size_bytes: Option<u64>,
}

/// Looks at what shall be sent, before anything is.
pub(super) fn sources(command: &PutCommand) -> Result<Vec<Source>, Failure> {
    command.files.iter().map(|path| Source::of(path, command.name.as_deref())).collect()
}

impl Source {
    fn of(path: &Path, name: Option<&str>) -> Result<Source, Failure> {
        if path.as_os_str() == "-" {
            let name = name.unwrap_or(STDIN_NAME).to_owned();
            return Ok(Source { name, path: None, is_repeatable: false });
        }
        let shown = printable::path(path);
        let metadata = fs::metadata(path)
            .map_err(|error| Failure::failed(format!("cannot read {shown}: {error}")))?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!(
                "{shown} is a directory: name its files, or send an archive of it: \
                 tar c {shown} | ringhold put --name NAME.tar -"
            )));
        }
        let own = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.or(own) else {
            return Err(Failure::usage(format!(
                "the name of {shown} is no UTF-8, which names in IDs are: give one with --name"
            )));
        };
        let is_repeatable = metadata.is_file();
        Ok(Source { name: name.to_owned(), path: Some(path.to_owned()), is_repeatable })
    }

    /// Begins to read it from its beginning.
    pub(super) fn open(&self) -> io::Result<Opened> {
        let Some(path) = &self.path else {
            return Ok(Opened { frames: ReadAhead::new(io::stdin())?, size_bytes: None });
        };
        let file = File::open(path)?;
        if !self.is_repeatable {
            return Ok(Opened { frames: ReadAhead::new(file)?, size_bytes: None });
        }
        let size_bytes = file.metadata()?.len();
        // One byte more tells that it grew, and one that grows for ever has an end.
        let frames = ReadAhead::new(file.take(size_bytes.saturating_add(1)))?;
        Ok(Opened { frames, size_bytes: Some(size_bytes) })
    }

    /// Bytes of a file; `None` of a stream, and of what cannot be looked at: opening it tells why.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        let path = self.path.as_ref().filter(|_| self.is_repeatable)?;
        fs::metadata(path).ok().map(|metadata| metadata.len())
    }

    /// For a sentence.
    pub(super) fn shown(&self) -> String {
        self.path.as_deref().map_or_else(|| "stdin".to_owned(), printable::path)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_name_that_is_no_text_has_to_be_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(OsStr::from_bytes(b"caf\xe9"));
        File::create(&path).unwrap();
        let refused = Source::of(&path, None).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("--name"), "{refused}");
        assert_eq!(Source::of(&path, Some("café")).unwrap().name, "café");
    }

    #[test]
    fn a_directory_is_refused_with_a_way_to_send_it() {
        let directory = tempfile::tempdir().unwrap();
        let refused = Source::of(directory.path(), None).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("tar c "), "{refused}");
    }
}
