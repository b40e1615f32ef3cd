//! The secret that file IDs are made with: from the environment, else from `<root>/secret.key`,
//! which is made when it is absent. Never from a flag, which everybody sees in the process list.
//!
//! Making the file, so that a crash leaves none or a whole one and two starts agree on one:
//! 1. a temporary file of its own, 0600, written and synced;
//! 2. a hard link to its name, which fails if another process was faster: then that one is read;
//! 3. the temporary name is removed and the directory synced.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use zeroize::{Zeroize, Zeroizing};

use super::{ConfigError, Environment};
use crate::base::limits::{SECRET_FILE_SIZE_MAX, SECRET_SIZE_NEW};

/// The current secret and the earlier ones.
pub struct Secret {
    /// The current one.
    pub current: Zeroizing<Vec<u8>>,
    /// Earlier ones, whose IDs still open.
    pub previous: Zeroizing<Vec<Vec<u8>>>,
    /// Where the current one is from.
    pub origin: SecretOrigin,
}

/// Where a secret is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOrigin {
    /// `SECRET_KEY`.
    Environment,
    /// The file, as it was.
    File {
        /// Which.
        path: PathBuf,
        /// Whether others than its owner may read it.
        exposed: bool,
    },
    /// The file, made just now.
    Created(PathBuf),
}

impl Secret {
    /// Finds the secret, or makes one below `root`, which is made if it is absent.
    pub fn resolve(environment: &Environment, root: &Path) -> Result<Secret, ConfigError> {
        let previous = environment.get("SECRET_KEY_PREVIOUS").map(|list| split(list));
        let previous = Zeroizing::new(previous.unwrap_or_default());
        if let Some(secret) = environment.get("SECRET_KEY") {
            let current = Zeroizing::new(secret.as_bytes().to_vec());
            return Ok(Secret { current, previous, origin: SecretOrigin::Environment });
        }
        let path = root.join("secret.key");
        let (current, origin) = from_file(root, &path).map_err(|error| {
            ConfigError::new(format!(
                "cannot use {}: {error}. Set SECRET_KEY, or make the directory writable",
                path.display()
            ))
        })?;
        Ok(Secret { current, previous, origin })
    }
}

/// A comma between two, none at the end needed; an empty part is no secret.
fn split(list: &OsStr) -> Vec<Vec<u8>> {
    let parts = list.as_bytes().split(|&byte| byte == b',');
    parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
}

fn from_file(root: &Path, path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, SecretOrigin)> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        answer => return answer,
    }
    fs::create_dir_all(root)?;
    match create(root, path) {
        Ok(secret) => Ok((secret, SecretOrigin::Created(path.to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error),
    }
}

/// The file's text without the white space around it.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, SecretOrigin)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut text = Zeroizing::new(Vec::new());
    file.take(SECRET_FILE_SIZE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SECRET_FILE_SIZE_MAX {
        let why = format!("it is larger than {SECRET_FILE_SIZE_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let secret = Zeroizing::new(text.trim_ascii().to_vec());
    let exposed = mode & 0o077 != 0;
    Ok((secret, SecretOrigin::File { path: path.to_owned(), exposed }))
}

fn create(root: &Path, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new([0; SECRET_SIZE_NEW]);
    getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
    let secret = Zeroizing::new(HEXLOWER.encode(bytes.as_ref()).into_bytes());
    let temporary = root.join(format!("secret.key.{}", std::process::id()));
    let linked = write_synced(&temporary, &secret).and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary)?;
    linked?;
    File::open(root)?.sync_all()?;
    Ok(secret)
}

fn write_synced(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // What a crashed process of the same number left is cut off and written anew.
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut line = [secret, b"\n"].concat();
    let written = file.write_all(&line);
    line.zeroize();
    written?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_environment_comes_before_the_file_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::of([
            ("SECRET_KEY", "a secret of some length"),
            ("SECRET_KEY_PREVIOUS", "an older secret,an even older one,"),
        ]);
        let secret = Secret::resolve(&environment, dir.path()).unwrap();
        assert_eq!(secret.current.as_slice(), b"a secret of some length");
        assert_eq!(*secret.previous, [b"an older secret".to_vec(), b"an even older one".to_vec()]);
        assert_eq!(secret.origin, SecretOrigin::Environment);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn an_absent_secret_is_made_once_and_read_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/root");
        let made = Secret::resolve(&Environment::default(), &root).unwrap();
        let path = root.join("secret.key");
        assert_eq!(made.origin, SecretOrigin::Created(path.clone()));
        assert_eq!(made.current.len(), 2 * SECRET_SIZE_NEW);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&root), ["secret.key"], "no temporary name is left");
        let read = Secret::resolve(&Environment::default(), &root).unwrap();
        assert_eq!(read.current, made.current);
        assert_eq!(read.origin, SecretOrigin::File { path, exposed: false });
    }

    #[test]
    fn two_starts_at_once_agree_on_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        fs::write(&path, "the faster one's secret\n").unwrap();
        let lost = create(dir.path(), &path).unwrap_err();
        assert_eq!(lost.kind(), io::ErrorKind::AlreadyExists);
        let (secret, _) = from_file(dir.path(), &path).unwrap();
        assert_eq!(secret.as_slice(), b"the faster one's secret");
        assert_eq!(names(dir.path()), ["secret.key"]);
    }

    #[test]
    fn a_secret_that_others_may_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        fs::write(&path, "a secret of some length").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let secret = Secret::resolve(&Environment::default(), dir.path()).unwrap();
        assert_eq!(secret.origin, SecretOrigin::File { path, exposed: true });
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_an_error_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("secret.key")).unwrap();
        let refused = Secret::resolve(&Environment::default(), dir.path()).err().unwrap();
        assert!(refused.to_string().contains("Set SECRET_KEY"), "{refused}");
    }
}
