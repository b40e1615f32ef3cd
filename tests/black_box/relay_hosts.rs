//! The relay on a host of its own, between two that cannot reach each other (network namespaces;
//! skipped without root or iproute2).

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{scope, sleep};
use std::time::Duration;

use ringhold::wire::{EndMessage, RefusalCode, Role};

use crate::harness::{Daemon, Hosts, RelayEnd, Sender, Setup, payload, received_into, success};
use crate::put::file;

const CHANNEL: [u8; 32] = [7; 32];

#[test]
fn ends_on_two_hosts_meet_on_a_third() {
    let Some(hosts) = Hosts::new() else { return };
    let relay = start(&hosts, Setup::relay().workers(2));
    let (mut sender, nameplate) =
        Hosts::on(&hosts.sender(), || RelayEnd::registered(from_sender(&relay)));
    let mut receiver =
        Hosts::on(&hosts.receiver(), || RelayEnd::claiming(from_receiver(&relay), nameplate));
    sender.matched();
    receiver.matched();
    let body = payload(1, 8 << 20);
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        sender.send(&sent);
        sender.finish();
        sender
    });
    receiver.expect(&body);
    assert!(receiver.has_ended());
    receiver.finish();
    assert!(sending.join().unwrap().has_ended());
}

#[test]
fn the_ends_have_no_other_way() {
    let Some(hosts) = Hosts::new() else { return };
    let direct = SocketAddr::from((Hosts::RECEIVER, 9021));
    let tried =
        Hosts::on(&hosts.sender(), || TcpStream::connect_timeout(&direct, Duration::from_secs(2)));
    assert_ne!(tried.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused, "not even no");
}

#[test]
fn a_host_that_takes_all_its_places_takes_none_of_others() {
    let Some(hosts) = Hosts::new() else { return };
    let relay = start(&hosts, Setup::relay().flag("--max-waiting-per-address", 2));
    let _greedy = Hosts::on(&hosts.sender(), || {
        let address = from_sender(&relay);
        let waiting = [(); 2].map(|()| RelayEnd::registered(address).0);
        RelayEnd::saying(address, EndMessage::Register).refused(RefusalCode::AddressFull);
        waiting
    });
    Hosts::on(&hosts.receiver(), || RelayEnd::registered(from_receiver(&relay)));
}

#[test]
fn a_cable_that_is_out_for_a_while_loses_nothing() {
    let Some(hosts) = Hosts::new() else { return };
    let relay = start(&hosts, Setup::relay().workers(2));
    let join = |role| EndMessage::Join { role, channel: CHANNEL };
    let mut sender = Hosts::on(&hosts.sender(), || {
        RelayEnd::waiting(from_sender(&relay), Role::Sender, CHANNEL)
    });
    let mut receiver = Hosts::on(&hosts.receiver(), || {
        RelayEnd::saying(from_receiver(&relay), join(Role::Receiver))
    });
    sender.matched();
    receiver.matched();
    let body = payload(2, 4 << 20);
    let (first, rest) = body.split_at(1 << 20);
    sender.send(first);
    receiver.expect(first);
    hosts.set_cable(&hosts.receiver(), false);
    let sent = rest.to_vec();
    let sending = std::thread::spawn(move || {
        sender.send(&sent);
        sender
    });
    sleep(Duration::from_millis(500));
    hosts.set_cable(&hosts.receiver(), true);
    receiver.expect(rest);
    sending.join().unwrap();
}

#[test]
fn a_file_goes_from_host_to_host() {
    let Some(hosts) = Hosts::new() else { return };
    let relay = start(&hosts, Setup::relay().workers(2));
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = payload(3, 30_000_001);
    let name = file(from.path(), "big.bin", &content);
    let sender = send(&hosts, &relay, &["-j", "4", &name]);
    receive(&hosts, &relay, &sender.code, to.path());
    success(&sender.ended());
    assert!(std::fs::read(to.path().join("big.bin")).unwrap() == content);
}

#[test]
fn a_relay_that_restarts_in_the_middle_is_gone_on_with() {
    let Some(hosts) = Hosts::new() else { return };
    let relay = Setup::relay().flag("--rate", "4MB").flag("--listen", "0.0.0.0:9021");
    let mut first = relay.on_host(&hosts.relay()).start();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = payload(4, 24_000_001);
    let name = file(from.path(), "big.bin", &content);
    let sender = send(&hosts, &first, &["-j", "2", &name]);
    let code = sender.code.clone();
    let second = scope(|scope| {
        let there = Hosts::RELAY_FROM_RECEIVER;
        let (host, dir) = (hosts.receiver(), to.path());
        let receiving = scope.spawn(move || {
            let relay = SocketAddr::from((there, 9021));
            Hosts::on(&host, || success(&received_into(relay, &code, dir)))
        });
        // At 4 MB a second and line it is in the middle of 24.
        sleep(Duration::from_millis(1_500));
        assert!(!dir.join("big.bin").exists(), "it has its name when it is whole");
        first.kill();
        let second = first.restart();
        receiving.join().unwrap();
        second
    });
    success(&sender.ended());
    assert!(std::fs::read(to.path().join("big.bin")).unwrap() == content);
    drop(second);
}

fn send(hosts: &Hosts, relay: &Daemon, arguments: &[&str]) -> Sender {
    Hosts::on(&hosts.sender(), || Sender::start(from_sender(relay), arguments))
}

fn receive(hosts: &Hosts, relay: &Daemon, code: &str, dir: &Path) {
    Hosts::on(&hosts.receiver(), || success(&received_into(from_receiver(relay), code, dir)));
}

/// A relay on the host in the middle.
fn start(hosts: &Hosts, setup: Setup) -> Daemon {
    setup.flag("--listen", "0.0.0.0:0").on_host(&hosts.relay()).start()
}

fn from_sender(relay: &Daemon) -> SocketAddr {
    SocketAddr::from((Hosts::RELAY_FROM_SENDER, relay.address().port()))
}

fn from_receiver(relay: &Daemon) -> SocketAddr {
    SocketAddr::from((Hosts::RELAY_FROM_RECEIVER, relay.address().port()))
}
