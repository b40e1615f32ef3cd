//! Under a service manager: a listening socket that is passed in (`sd_listen_fds(3)`) is served by
//! all workers, what is passed wrongly is refused, and the manager hears when the daemon is ready
//! and when it stops (`sd_notify(3)`).

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{self as unix, UnixDatagram, UnixListener};
use std::process::{Command, id};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Client, Setup, engines};

/// Stops and starts under load; the faults this looks for showed in one of five.
const RESTARTS: usize = 10;
/// How long a notification may take; other tests share the machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn connections_that_came_before_the_start_are_served_by_all_workers() {
    for engine in engines() {
        let (listener, address) = listener();
        let mut early: Vec<Client> = (0..4).map(|_| asking(address)).collect();
        let daemon = Setup::new().engine(engine).workers(2).pass_socket(listener).start();
        assert_eq!(daemon.address(), address, "and not where --listen says");
        for client in &mut early {
            assert_eq!(client.response("GET").status, 200);
        }
        let samples = daemon.samples("ringhold_connections_open{");
        let mut open: Vec<f64> = samples.into_iter().map(|(_, count)| count).collect();
        open.sort_by(f64::total_cmp);
        assert_eq!(open, [2.0, 3.0], "four, and the one that asks");
    }
}

#[test]
fn a_connection_made_between_two_runs_is_served_by_the_second() {
    let (listener, address) = listener();
    let mut daemon = Setup::new().pass_socket(listener).start();
    let uploaded = daemon.connect().put("a", b"hello");
    daemon.stop();
    let mut waiting = Client::connect(address);
    waiting.head("GET", &uploaded.target(), &[]).unwrap();
    let _second = daemon.restart();
    assert_eq!(waiting.response("GET").body, b"hello");
}

#[test]
fn no_connection_is_lost_while_the_daemon_is_restarted_under_load() {
    let (listener, address) = listener();
    let setup = Setup::new().workers(4).pass_socket(listener);
    let is_over = AtomicBool::new(false);
    let ask = || {
        let mut answered = 0;
        while !is_over.load(Ordering::SeqCst) {
            let mut client = asking(address);
            assert_eq!(client.response("GET").status, 200);
            answered += 1;
        }
        answered
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        for _ in 0..RESTARTS {
            let mut daemon = setup.start();
            thread::sleep(Duration::from_millis(50));
            daemon.stop();
        }
        let _last = setup.start();
        is_over.store(true, Ordering::SeqCst);
        let answered: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(answered > RESTARTS, "they asked all the time: {answered}");
    });
}

#[test]
fn what_is_passed_wrongly_is_refused_with_what_is_wrong() {
    let (listener, address) = listener();
    let connected = TcpStream::connect(address).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let local = UnixListener::bind(dir.path().join("socket")).unwrap();
    let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (setup, wrong) in [
        (Setup::new().pass_socket(datagram), "not a stream socket"),
        (Setup::new().pass_socket(connected), "not listening"),
        (Setup::new().pass_socket(local), "not an IPv4 or IPv6 socket"),
        (Setup::new().pass_socket(listener.try_clone().unwrap()).env("LISTEN_FDS", "0"), "is 0"),
        (Setup::new().pass_socket(listener).env("LISTEN_FDS", "2"), "is 2: pass exactly one"),
    ] {
        let refusal = setup.refusal().expect(wrong);
        assert!(refusal.contains(wrong), "{wrong}: {refusal}");
    }
}

#[test]
fn a_socket_that_is_announced_and_not_there_is_refused() {
    let script = "exec 3<&-; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve --root \"$1\"";
    let root = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_ringhold")]).arg(root.path());
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("descriptor 3: it is not open"), "{said}");
}

#[test]
fn what_is_meant_for_another_process_is_not_taken() {
    let own_pid = id().to_string();
    let daemon = Setup::new().env("LISTEN_PID", &own_pid).env("LISTEN_FDS", "1").start();
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn the_service_manager_hears_that_it_is_ready_and_that_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let name = format!("ringhold-test-{}", id());
    let abstract_address = unix::SocketAddr::from_abstract_name(&name).unwrap();
    for (address, socket) in [
        (path.to_str().unwrap().to_owned(), UnixDatagram::bind(&path).unwrap()),
        (format!("@{name}"), UnixDatagram::bind_addr(&abstract_address).unwrap()),
    ] {
        let mut daemon = Setup::new().env("NOTIFY_SOCKET", &address).start();
        assert_eq!(first_line(&socket), "READY=1");
        assert_eq!(daemon.get("/readyz").status, 200, "ready means ready");
        daemon.stop();
        assert_eq!(first_line(&socket), "STOPPING=1");
    }
}

#[test]
fn a_service_manager_that_cannot_be_told_is_a_warning() {
    let setup = Setup::new().env("NOTIFY_SOCKET", "/nonexistent/notify");
    let mut daemon = setup.allow("cannot tell the service manager").start();
    daemon.stop();
    assert!(daemon.log_text().contains("cannot tell the service manager"));
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A client that has asked already.
fn asking(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.head("GET", "/healthz", &[]).unwrap();
    client
}

fn first_line(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 4096];
    let size = socket.recv(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}
