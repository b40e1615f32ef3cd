//! A client and a server, nothing but sockets, and what the kernel calls the states they go
//! through: listen, connect, accept, one message each way, close from one side and then from the
//! other.
//!
//! ```text
//! cargo run --example client_server
//! ```
//! The states are those of RFC 9293, section 3.3.2, as `/proc/net/tcp` tells them: the
//! table of all TCP sockets, one a line, addresses in hexadecimal (`proc_net_tcp` in the kernel's
//! documentation).

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Looks at the table before a state that is awaited counts as not coming.
const LOOKS_MAX: u32 = 1_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// One end of a connection, or a listener, as the table identifies it.
#[derive(Clone, Copy)]
struct End {
    local: SocketAddrV4,
    /// Port 0 for a listener.
    remote: SocketAddrV4,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = v4(listener.local_addr()?)?;
    let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    show("bind and listen", "listener", End { local: address, remote: nobody }, "LISTEN")?;

    // The kernel finishes the handshake: connect returns although nobody has accepted.
    let mut client = TcpStream::connect(address)?;
    let client_end = End { local: v4(client.local_addr()?)?, remote: address };
    let server_end = End { local: address, remote: client_end.local };
    show("connect", "client", client_end, "ESTABLISHED")?;
    show("connect", "in the backlog", server_end, "ESTABLISHED")?;

    let (mut server, peer) = listener.accept()?;
    println!("{:<22} {:<15} {peer} is the client", "accept", "server");

    client.write_all(b"hello?")?;
    let mut question = [0; 6];
    server.read_exact(&mut question)?;
    server.write_all(b"hello!")?;
    let mut answer = [0; 6];
    client.read_exact(&mut answer)?;
    let (asked, answered) = (String::from_utf8_lossy(&question), String::from_utf8_lossy(&answer));
    println!("{:<22} {:<15} asks {asked}, hears {answered}", "write and read", "client");

    // The client has no more to say. It can still listen, and the server can still speak.
    client.shutdown(Shutdown::Write)?;
    show("client shuts down", "client", client_end, "FIN_WAIT2")?;
    show("client shuts down", "server", server_end, "CLOSE_WAIT")?;
    server.write_all(b"and goodbye")?;
    drop(server);

    let mut rest = String::new();
    client.read_to_string(&mut rest)?;
    println!("{:<22} {:<15} hears {rest}", "server closes", "client");
    // Whoever closed first keeps the pair of addresses for a minute, so that a late packet of
    // this connection cannot get into the next one.
    drop(client);
    show("both are closed", "client", client_end, "TIME_WAIT")?;
    Ok(())
}

/// Waits until the socket is in the state that TCP says it will get to, and prints it.
fn show(step: &str, who: &str, end: End, expected: &str) -> Result<(), Box<dyn Error>> {
    let mut seen = None;
    for _ in 0..LOOKS_MAX {
        seen = state(end)?;
        if seen == Some(expected) {
            println!("{step:<22} {who:<15} {expected}");
            return Ok(());
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Err(format!("{step}: the {who} is {seen:?}, not {expected}").into())
}

/// The state of a socket of this machine; `None` when it is in no table.
fn state(end: End) -> io::Result<Option<&'static str>> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let (local, remote) = (hex(end.local), hex(end.remote));
    let row = table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let is_it = columns.next() == Some(&local) && columns.next() == Some(&remote);
        is_it.then(|| columns.next()).flatten()
    });
    Ok(row.map(name))
}

/// An address as the table writes it.
#[expect(clippy::host_endian_bytes, reason = "the kernel prints it as a number of the machine's")]
fn hex(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

/// The kernel's numbers (`enum` in `include/net/tcp_states.h`).
fn name(state: &str) -> &'static str {
    match state {
        "01" => "ESTABLISHED",
        "02" => "SYN_SENT",
        "03" => "SYN_RECV",
        "04" => "FIN_WAIT1",
        "05" => "FIN_WAIT2",
        "06" => "TIME_WAIT",
        "07" => "CLOSE",
        "08" => "CLOSE_WAIT",
        "09" => "LAST_ACK",
        "0A" => "LISTEN",
        "0B" => "CLOSING",
        _ => "a state younger than this program",
    }
}

fn v4(address: std::net::SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        std::net::SocketAddr::V4(address) => Ok(address),
        std::net::SocketAddr::V6(_) => Err(io::Error::other("an IPv4 address was asked for")),
    }
}
