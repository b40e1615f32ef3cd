//! Connections are spread evenly over the workers, however the kernel deals them out.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Client, Setup, engines};

#[test]
fn four_connections_on_two_workers_are_two_and_two() {
    for engine in engines() {
        let daemon = Setup::new().engine(engine).workers(2).start();
        let mut first = daemon.connect();
        for round in 0..20 {
            let mut others: Vec<Client> = (0..3).map(|_| daemon.connect()).collect();
            for client in &mut others {
                assert_eq!(client.get("/healthz").status, 200);
            }
            assert_eq!(open_by_worker(&mut first), [2, 2], "round {round}");
            drop(others);
            wait_until_alone(&mut first);
        }
    }
}

#[test]
fn beyond_the_cap_a_connection_waits_until_one_leaves() {
    let daemon = Setup::new().workers(2).flag("--max-connections", 1).start();
    let mut served: Vec<Client> = (0..2).map(|_| daemon.connect()).collect();
    for client in &mut served {
        assert_eq!(client.get("/healthz").status, 200);
    }
    let mut waiting = daemon.connect();
    waiting.head("GET", "/healthz", &[]).unwrap();
    sleep(Duration::from_millis(100));
    let open = open_by_worker(&mut served[0]);
    assert_eq!(open, [1, 1], "the third is not served");
    served.pop();
    assert_eq!(waiting.response("GET").status, 200, "it has the place of the one that left");
}

/// The closing of a connection is seen by the daemon a moment later; the next round must not
/// count it.
fn wait_until_alone(first: &mut Client) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while open_by_worker(first).iter().sum::<u64>() > 1 {
        assert!(Instant::now() < deadline, "closed connections are still counted");
        sleep(Duration::from_millis(2));
    }
}

fn open_by_worker(client: &mut Client) -> Vec<u64> {
    let text = String::from_utf8(client.get("/metrics").body).unwrap();
    text.lines()
        .filter(|line| line.starts_with("ringhold_connections_open{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect()
}
