//! An end that waits for the other one: told every now and then that the relay is there, until
//! somebody comes, it goes, its time is up, or the relay stops.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::meeting::Meeting;
use super::speech::{Stir, stir, tell};
use crate::base::limits::RENDEZVOUS_HEARTBEAT_S;
use crate::wire::RelayMessage;
use crate::worker::DrainSignal;

/// How the waiting ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// Somebody came.
    Met(Meeting),
    /// Nobody did in time.
    TimeUp,
    /// The end closed its connection.
    Left,
    /// It spoke out of turn.
    Spoke,
    /// The relay stops.
    Stopping,
}

/// Waits. What has been sent to the inbox by the end of it is what happened: the other end may
/// have sent its connection along.
pub(super) async fn wait(
    stream: &mut TcpStream,
    mut inbox: oneshot::Receiver<Meeting>,
    expire: Duration,
    drain: &DrainSignal,
) -> Waited {
    let waited = wait_for(stream, &mut inbox, expire, drain).await;
    if matches!(waited, Waited::Met(_)) {
        return waited;
    }
    inbox.close();
    inbox.try_recv().map_or(waited, Waited::Met)
}

async fn wait_for(
    stream: &mut TcpStream,
    inbox: &mut oneshot::Receiver<Meeting>,
    expire: Duration,
    drain: &DrainSignal,
) -> Waited {
    let period = Duration::from_secs(RENDEZVOUS_HEARTBEAT_S);
    let mut heartbeat = interval_at(Instant::now() + period, period);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = std::pin::pin!(drain.wait());
    let mut time_up = std::pin::pin!(sleep(expire));
    loop {
        tokio::select! {
            biased;
            // Who took this end out and died with it is as good as this end having left.
            met = &mut *inbox => return met.map_or(Waited::Left, Waited::Met),
            () = &mut stopping => return Waited::Stopping,
            stirred = stir(stream) => return match stirred {
                Stir::Left => Waited::Left,
                Stir::Spoke => Waited::Spoke,
            },
            () = &mut time_up => return Waited::TimeUp,
            _ = heartbeat.tick() => {}
        }
        if tell(stream, &RelayMessage::Waiting).await.is_err() {
            return Waited::Left;
        }
    }
}
