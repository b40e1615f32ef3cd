//! What a service manager says through the environment: that it passes a listening socket
//! (`sd_listen_fds(3)`), and where it wants to hear of our state (`sd_notify(3)`). Read here, acted
//! on elsewhere.
//!
//! The variables stay where they are. `LISTEN_PID` names this process, so nobody below it would
//! take them for his own, and this daemon starts no programs.

use std::ffi::OsStr;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{ConfigError, Environment};

/// `SD_LISTEN_FDS_START`: passed descriptors are numbered from here on.
const LISTEN_FDS_START: RawFd = 3;

/// Where the service manager listens, `AF_UNIX` datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyAddress {
    /// A socket in the filesystem.
    Path(PathBuf),
    /// A name in the abstract namespace, without the `@` that stands for its first zero byte.
    Abstract(Vec<u8>),
}

/// The descriptor of the listening socket that was passed to the process `pid`, if one was. Follows
/// `sd_listen_fds(3)`: without both variables, and when `LISTEN_PID` is another process, nothing
/// was passed to us. Names (`LISTEN_FDNAMES`) tell several sockets apart; there is only one.
pub fn passed_socket(environment: &Environment, pid: u32) -> Result<Option<RawFd>, ConfigError> {
    let Some(addressee) = number(environment, "LISTEN_PID")? else { return Ok(None) };
    if addressee != u64::from(pid) {
        return Ok(None);
    }
    match number(environment, "LISTEN_FDS")? {
        None => Ok(None),
        Some(1) => Ok(Some(LISTEN_FDS_START)),
        Some(count) => Err(ConfigError::new(format!(
            "LISTEN_FDS is {count}: pass exactly one socket. In a .socket unit that is one \
             ListenStream=; with a port alone or [::]:PORT it serves IPv4 and IPv6"
        ))),
    }
}

/// Where to tell the service manager that we are ready, if it wants to know.
pub fn notify_address(environment: &Environment) -> Result<Option<NotifyAddress>, ConfigError> {
    let Some(address) = environment.get("NOTIFY_SOCKET") else { return Ok(None) };
    match address.as_bytes() {
        [b'/', _, ..] => Ok(Some(NotifyAddress::Path(PathBuf::from(address)))),
        [b'@', name @ ..] if !name.is_empty() => Ok(Some(NotifyAddress::Abstract(name.to_vec()))),
        _ => Err(ConfigError::new(format!(
            "NOTIFY_SOCKET is {}: give an absolute path or a name that begins with @",
            address.display()
        ))),
    }
}

fn number(environment: &Environment, name: &str) -> Result<Option<u64>, ConfigError> {
    let Some(text) = environment.get(name) else { return Ok(None) };
    let digits = text.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(not_a_number(name, text)),
    }
}

fn not_a_number(name: &str, text: &OsStr) -> ConfigError {
    let text = text.display();
    ConfigError::new(format!("{name} is {text}, not a number; unset it to bind --listen instead"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pid: &str, count: &str) -> Result<Option<RawFd>, String> {
        let environment = Environment::of([("LISTEN_PID", pid), ("LISTEN_FDS", count)]);
        passed_socket(&environment, 42).map_err(|error| error.to_string())
    }

    #[test]
    fn one_socket_for_this_process_is_taken() {
        assert_eq!(passed("42", "1"), Ok(Some(3)));
    }

    #[test]
    fn what_is_meant_for_another_process_or_nobody_is_left_alone() {
        assert_eq!(passed("41", "1"), Ok(None));
        assert_eq!(passed("41", "nonsense"), Ok(None));
        for lonely in [("LISTEN_PID", "42"), ("LISTEN_FDS", "1")] {
            assert_eq!(passed_socket(&Environment::of([lonely]), 42), Ok(None), "{lonely:?}");
        }
    }

    #[test]
    fn none_and_several_and_nonsense_are_refused_with_a_remedy() {
        for count in ["0", "2", "1000"] {
            let refused = passed("42", count).unwrap_err();
            assert!(refused.contains(count) && refused.contains("ListenStream="), "{refused}");
        }
        for (pid, count) in [("42", ""), ("42", "-1"), ("42", "one"), ("", "1"), ("+42", "1")] {
            let refused = passed(pid, count).unwrap_err();
            assert!(refused.contains("not a number"), "{refused}");
        }
    }

    #[test]
    fn the_service_manager_is_found_by_path_or_by_abstract_name() {
        let found = |text| notify_address(&Environment::of([("NOTIFY_SOCKET", text)]));
        let path = PathBuf::from("/run/systemd/notify");
        assert_eq!(found("/run/systemd/notify"), Ok(Some(NotifyAddress::Path(path))));
        let name = b"/org/example".to_vec();
        assert_eq!(found("@/org/example"), Ok(Some(NotifyAddress::Abstract(name))));
        assert_eq!(notify_address(&Environment::default()), Ok(None));
        for wrong in ["", "/", "@", "relative", "vsock:2:1234"] {
            assert!(found(wrong).unwrap_err().to_string().contains("absolute path"), "{wrong}");
        }
    }
}
