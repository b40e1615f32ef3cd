//! A table at which ends of a transfer meet, in place of a relay: with connections that break, lose a
//! byte or change one, wherever a test wants it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::sync::oneshot;

use crate::client::peer::{Patience, PeerError, RelayAddress, Role, session_pair};
use crate::client::transfer::Meeting;

/// What a connection holds on its way, bytes.
const ON_THE_WAY: usize = 256 << 10;

/// What happens to what the sender sends, after so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Cut(usize),
    Flip(usize),
    Lose(usize),
    /// Nothing comes any more, and nothing ends.
    Stall(usize),
}

type Troubles = Box<dyn Fn(u16, u32) -> Option<Trouble> + Send + Sync>;

/// One per transfer.
pub(super) struct Table {
    seats: Mutex<HashMap<u16, (Role, oneshot::Sender<DuplexStream>)>>,
    troubles: Troubles,
    met: AtomicU32,
    /// How long silence is borne.
    idle: Duration,
}

impl Table {
    /// `troubles` is asked for each connection: of which line, and how many there were before.
    pub(super) fn new(
        troubles: impl Fn(u16, u32) -> Option<Trouble> + Send + Sync + 'static,
    ) -> Arc<Table> {
        let troubles = Box::new(troubles);
        let idle = Patience::default().idle;
        Arc::new(Table { seats: Mutex::default(), troubles, met: AtomicU32::new(0), idle })
    }

    /// The same with ends that bear little silence.
    pub(super) fn impatient(self: Arc<Table>, idle: Duration) -> Arc<Table> {
        let Table { seats, troubles, met, .. } = Arc::into_inner(self).unwrap();
        Arc::new(Table { seats, troubles, met, idle })
    }

    /// Connections so far.
    pub(super) fn met(&self) -> u32 {
        self.met.load(Ordering::SeqCst)
    }

    /// How both ends come to lines.
    pub(super) fn meetings(self: &Arc<Table>) -> (Meeting, Meeting) {
        let patience = Patience { idle: self.idle, ..Patience::default() };
        let relay = RelayAddress::parse("127.0.0.1:9021").unwrap().with_patience(patience);
        let (sender, receiver) = session_pair(&relay);
        let meeting = |session: crate::client::peer::Session| {
            let table = Arc::clone(self);
            Meeting::by(move |index| {
                let (table, session) = (Arc::clone(&table), session.clone());
                async move {
                    let connection = table.sit_down(session.role(), index).await?;
                    let (from, to) = split(connection);
                    session.line_over(index, from, to).await
                }
            })
        };
        (meeting(sender), meeting(receiver))
    }

    async fn sit_down(&self, role: Role, index: u16) -> Result<DuplexStream, PeerError> {
        let waiting = {
            let mut seats = self.seats.lock().unwrap();
            let other =
                seats.remove(&index).filter(|(other, call)| *other != role && !call.is_closed());
            other.map(|(_, call)| call).ok_or_else(|| {
                let (call, called) = oneshot::channel();
                seats.insert(index, (role, call));
                called
            })
        };
        match waiting {
            Ok(call) => {
                let trouble = (self.troubles)(index, self.met.fetch_add(1, Ordering::SeqCst));
                let (own, near) = duplex(ON_THE_WAY);
                let (other, far) = duplex(ON_THE_WAY);
                let (sender, receiver) =
                    if role == Role::Sender { (near, far) } else { (far, near) };
                tokio::spawn(carry(sender, receiver, trouble));
                call.send(other).map_err(|_| PeerError::Broken("it left".to_owned()))?;
                Ok(own)
            }
            Err(called) => called.await.map_err(|_| PeerError::Broken("nobody came".to_owned())),
        }
    }
}

/// Moves bytes both ways until one side ends; then both have.
async fn carry(sender: DuplexStream, receiver: DuplexStream, trouble: Option<Trouble>) {
    let (mut from_sender, mut to_sender) = split(sender);
    let (mut from_receiver, mut to_receiver) = split(receiver);
    let back = async {
        let _ended = tokio::io::copy(&mut from_receiver, &mut to_sender).await;
        let _gone = to_sender.shutdown().await;
    };
    let forth = async {
        let mut count = 0;
        let mut piece = vec![0; 8 << 10];
        loop {
            let size = from_sender.read(&mut piece).await.unwrap_or_default();
            if size == 0 {
                let _gone = to_receiver.shutdown().await;
                return false;
            }
            let range = count..count + size;
            count += size;
            let mut bytes = piece[..size].to_vec();
            match trouble {
                Some(Trouble::Cut(at)) if range.contains(&at) => return true,
                Some(Trouble::Stall(at)) if range.contains(&at) => std::future::pending().await,
                Some(Trouble::Flip(at)) if range.contains(&at) => bytes[at - range.start] ^= 1,
                Some(Trouble::Lose(at)) if range.contains(&at) => {
                    bytes.remove(at - range.start);
                }
                _ => {}
            }
            if to_receiver.write_all(&bytes).await.is_err() {
                return true;
            }
        }
    };
    tokio::pin!(back, forth);
    tokio::select! {
        is_cut = &mut forth => if !is_cut { back.await },
        () = &mut back => drop(forth.await),
    }
}
