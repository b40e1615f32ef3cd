//! One end's connection, from its first byte to its last, in the steps of `state.rs`.
//!
//! 1. It is counted as one of which nothing was heard, or refused.
//! 2. It says what it wants: a nameplate, the end that has one, or a channel.
//! 3. It waits, or somebody does already; then one of the two connections goes to the worker of the
//!    other (`meeting.rs`).
//! 4. Both are told, and bytes are moved (`proxy.rs`).

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::meeting::{Guest, Meeting, Paired, Waiter, meet, visit};
use super::pairing::{Ending, Pairing};
use super::pipes::Pipes;
use super::proxy::proxy;
use super::refusal::Refusal;
use super::registry::{Arrival, Entry, Registry};
use super::speech::{Stir, Unheard, dismiss, has_stirred, hear, tell, watch};
use super::state::{Event, Progress};
use super::waiting::{Waited, wait};
use crate::telemetry::WorkerMetrics;
use crate::wire::{EndMessage, RefusalCode, RelayMessage, Role};
use crate::worker::DrainSignal;

/// What the connections of one worker share.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) registry: Arc<Registry>,
    pub(super) worker_index: usize,
    pub(super) pipes: Pipes,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) drain: DrainSignal,
}

/// One end, besides its connection, which may go to another worker.
struct End {
    parts: Rc<Parts>,
    peer: SocketAddr,
    progress: Progress,
}

/// Where an end waits.
struct Waiting {
    entry: Entry,
    inbox: oneshot::Receiver<Meeting>,
}

/// Serves one connection to its end.
pub(super) async fn serve(parts: Rc<Parts>, stream: TcpStream, peer: SocketAddr) {
    watch(&stream);
    let progress = Progress::new(Arc::clone(&parts.metrics));
    let mut end = End { parts, peer, progress };
    let Some(paired) = end.come_together(stream).await else { return };
    end.progress.step(Event::Pair);
    match paired {
        Paired::Host(near, guest) => Box::pin(end.host(near, guest)).await,
        // An error is the end that it waits for.
        Paired::Guest(over) => drop(over.await),
    }
    end.progress.step(Event::End);
}

impl End {
    /// Until it is paired; `None` if it never is, and knows why.
    async fn come_together(&mut self, mut stream: TcpStream) -> Option<Paired> {
        let unheard = match self.parts.registry.come(self.peer.ip()) {
            Ok(unheard) => unheard,
            Err(code) => return self.find_no_room(stream, code).await,
        };
        let drain = self.parts.drain.clone();
        let heard = tokio::select! {
            biased;
            () = drain.wait() => Err(Unheard::Refused(Refusal::stopping())),
            heard = hear(&mut stream) => heard,
        };
        drop(unheard);
        let message = match (heard, has_stirred(&stream)) {
            (Ok(message), None) => message,
            (Ok(_), Some(Stir::Spoke)) => {
                return self.turn_away(stream, Refusal::out_of_order()).await;
            }
            (Err(Unheard::Refused(refusal)), _) => return self.turn_away(stream, refusal).await,
            (Err(Unheard::Left), _) | (Ok(_), Some(Stir::Left)) => return self.leave(),
        };
        match message {
            EndMessage::Register => self.register(stream).await,
            EndMessage::Claim { nameplate } => self.claim(stream, nameplate).await,
            EndMessage::Join { role, channel } => self.join(stream, role, channel).await,
        }
    }

    async fn register(&mut self, mut stream: TcpStream) -> Option<Paired> {
        let (waiter, inbox) = self.waiter();
        let (number, entry) = match self.parts.registry.register(self.peer.ip(), waiter) {
            Ok(registered) => registered,
            Err(code) => return self.find_no_room(stream, code).await,
        };
        self.progress.step(Event::Numbered);
        debug!(peer = %self.peer, nameplate = number, "a sender waits");
        let expire = self.parts.registry.options().expire;
        let expires_s = u32::try_from(expire.as_secs()).unwrap_or(u32::MAX);
        match tell(&mut stream, &RelayMessage::Nameplate { number, expires_s }).await {
            Ok(()) => self.wait(stream, Waiting { entry, inbox }).await,
            Err(()) => self.leave(),
        }
    }

    async fn claim(&mut self, stream: TcpStream, nameplate: u32) -> Option<Paired> {
        let there = self.parts.registry.claim(self.peer.ip(), nameplate);
        let stream = match there {
            Err(wait) => return self.turn_away(stream, Refusal::guessing(wait)).await,
            Ok(None) => stream,
            Ok(Some(there)) => match self.meet(there, stream).await {
                Ok(Ok(paired)) => return Some(paired),
                Ok(Err(stream)) => stream,
                Err(error) => return self.lose(&error),
            },
        };
        self.turn_away(stream, Refusal::no_such_nameplate(nameplate)).await
    }

    async fn join(
        &mut self,
        mut stream: TcpStream,
        role: Role,
        channel: [u8; 32],
    ) -> Option<Paired> {
        // Each turn finds another end that has just left: none is found twice.
        loop {
            let (waiter, inbox) = self.waiter();
            let address = self.peer.ip();
            let there = match self.parts.registry.join(role, channel, address, waiter) {
                Ok(Arrival::Met(there)) => there,
                Err(code) => return self.find_no_room(stream, code).await,
                Ok(Arrival::Queued(entry)) => {
                    self.progress.step(Event::Queued);
                    return match tell(&mut stream, &RelayMessage::Waiting).await {
                        Ok(()) => self.wait(stream, Waiting { entry, inbox }).await,
                        Err(()) => self.leave(),
                    };
                }
            };
            stream = match self.meet(there, stream).await {
                Ok(Ok(paired)) => return Some(paired),
                Ok(Err(stream)) => stream,
                Err(error) => return self.lose(&error),
            };
        }
    }

    async fn wait(&mut self, mut stream: TcpStream, waiting: Waiting) -> Option<Paired> {
        let Waiting { entry, inbox } = waiting;
        let options = self.parts.registry.options();
        let waited = wait(&mut stream, inbox, options.expire, &self.parts.drain).await;
        drop(entry);
        let refusal = match waited {
            Waited::Met(Meeting::Host(guest)) => return Some(Paired::Host(stream, guest)),
            Waited::Met(Meeting::Visit(host)) => {
                return match visit(host, stream, self.peer) {
                    Ok(Some(over)) => Some(Paired::Guest(over)),
                    Ok(None) => self.leave(),
                    Err(error) => self.lose(&error),
                };
            }
            Waited::Left => return self.leave(),
            Waited::Met(Meeting::Replaced) => Refusal::replaced(),
            Waited::TimeUp => Refusal::expired(options),
            Waited::Spoke => Refusal::out_of_order(),
            Waited::Stopping => Refusal::stopping(),
        };
        self.turn_away(stream, refusal).await
    }

    /// Moves the bytes of both ends.
    async fn host(&mut self, mut near: TcpStream, guest: Guest) {
        let parts = Rc::clone(&self.parts);
        let _hosting = parts.registry.host(parts.worker_index);
        let Guest { stream, peer: far_peer, over: _over } = guest;
        let pairing = Pairing::new(self.peer, far_peer, Arc::clone(&parts.metrics));
        let ending = match TcpStream::from_std(stream) {
            Err(error) => Ending::Broken(error),
            Ok(mut far) => {
                // Who waited longer is told first, and who is gone is found by the next read.
                let _ = tell(&mut near, &RelayMessage::Matched).await;
                let _ = tell(&mut far, &RelayMessage::Matched).await;
                self.progress.step(Event::Tell);
                proxy(&near, &far, parts.registry.options(), &parts.pipes, &pairing).await
            }
        };
        pairing.end(ending);
    }

    async fn meet(
        &self,
        there: Waiter,
        stream: TcpStream,
    ) -> io::Result<Result<Paired, TcpStream>> {
        meet(&self.parts.registry, self.parts.worker_index, there, stream, self.peer).await
    }

    fn waiter(&self) -> (Waiter, oneshot::Receiver<Meeting>) {
        let (meeting, inbox) = oneshot::channel();
        (Waiter { worker_index: self.parts.worker_index, meeting }, inbox)
    }

    async fn find_no_room(&mut self, stream: TcpStream, code: RefusalCode) -> Option<Paired> {
        let refusal = Refusal::no_room(code, self.parts.registry.options());
        self.turn_away(stream, refusal).await
    }

    async fn turn_away(&mut self, stream: TcpStream, refusal: Refusal) -> Option<Paired> {
        self.refuse(stream, refusal).await;
        None
    }

    async fn refuse(&mut self, stream: TcpStream, refusal: Refusal) {
        let is_expired = refusal.code == RefusalCode::Expired;
        self.progress.step(if is_expired { Event::TimeUp } else { Event::Refuse });
        if let Some(counter) = refusal.counter(&self.parts.metrics) {
            counter.increment();
        }
        info!(peer = %self.peer, reason = %refusal, "refused");
        Box::pin(dismiss(stream, &refusal)).await;
    }

    fn leave(&mut self) -> Option<Paired> {
        self.progress.step(Event::Leave);
        debug!(peer = %self.peer, "left before anybody came");
        None
    }

    fn lose(&mut self, error: &io::Error) -> Option<Paired> {
        self.progress.step(Event::Leave);
        debug!(peer = %self.peer, %error, "lost on the way to another worker");
        None
    }
}
