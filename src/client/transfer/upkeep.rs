//! Lines that are connected again when they break, for as long as the user is patient.
//!
//! Each line has a [`Keeper`], all keepers of a transfer share one [`Outage`]: it begins when a line
//! breaks, ends when one is connected or of use, and is the end of the transfer when it lasts too
//! long. Keepers pause before a line that failed, so that a relay that comes back meets no storm.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::error::{Fault, TransferError};
use super::notice::{Notice, Notices};
use crate::base::chance::chance;
use crate::base::limits::{
    PEER_FRUITLESS_TRIES_MAX, PEER_LINE_USEFUL_S, PEER_RETRY_DOUBLINGS_MAX, PEER_TAMPERED_LINES_MAX,
};
use crate::client::peer::{Line, PeerError};
use crate::plan::retry_pause;

/// How lines come about: by their index. Cheap to clone.
#[derive(Clone)]
pub struct Meeting(pub(super) Meet);

type Meet = Arc<dyn Fn(u16) -> BoxFuture<'static, Result<Line, PeerError>> + Send + Sync>;

/// All lines of a transfer.
#[derive(Clone, Debug)]
pub(super) struct Upkeep {
    meeting: Meeting,
    outage: Arc<Outage>,
}

/// One line of it.
#[derive(Debug)]
pub(super) struct Keeper {
    upkeep: Upkeep,
    index: u16,
    /// Tries since the line was of use.
    fruitless: u32,
    connected: Option<Instant>,
}

/// The time without lines.
#[derive(Debug)]
struct Outage {
    patience: Duration,
    notices: Notices,
    state: Mutex<OutageState>,
}

#[derive(Debug, Default)]
struct OutageState {
    since: Option<Instant>,
    tampered: u32,
}

impl Meeting {
    /// By a function that connects.
    pub fn by<F, W>(meet: F) -> Meeting
    where
        F: Fn(u16) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Line, PeerError>> + Send + 'static,
    {
        Meeting(Arc::new(move |index| meet(index).boxed()))
    }
}

impl Upkeep {
    pub(super) fn new(meeting: Meeting, patience: Duration, notices: Notices) -> Upkeep {
        let outage = Outage { patience, notices, state: Mutex::default() };
        Upkeep { meeting, outage: Arc::new(outage) }
    }

    /// Of the line with this index.
    pub(super) fn keeper(&self, index: u16) -> Keeper {
        Keeper { upkeep: self.clone(), index, fruitless: 0, connected: None }
    }

    /// Something came over a line.
    pub(super) fn is_of_use(&self) {
        self.outage.end();
    }
}

impl Keeper {
    /// A line, the first or another one.
    ///
    /// # Errors
    /// When patience is at its end, or trying again is of no use.
    pub(super) async fn line(&mut self) -> Result<Line, TransferError> {
        loop {
            if let Some(tries) = self.fruitless.checked_sub(1) {
                let doublings = tries.min(PEER_RETRY_DOUBLINGS_MAX);
                sleep(retry_pause(doublings, chance(), None)).await;
            }
            let meeting = (self.upkeep.meeting.0)(self.index);
            match timeout(self.upkeep.outage.left(), meeting).await {
                Ok(Ok(line)) => {
                    self.connected = Some(Instant::now());
                    self.upkeep.outage.end();
                    return Ok(line);
                }
                Ok(Err(error)) => self.failed(error)?,
                Err(_elapsed) => {
                    self.failed(PeerError::TimedOut("the other end is not there".to_owned()))?;
                }
            }
        }
    }

    /// The work on the line ended before its end.
    ///
    /// # Errors
    /// When another line is of no use.
    pub(super) fn broken(&mut self, fault: Fault) -> Result<(), TransferError> {
        match fault {
            Fault::Over(error) => Err(error),
            Fault::Line(error) => self.failed(error),
        }
    }

    fn failed(&mut self, error: PeerError) -> Result<(), TransferError> {
        let useful = Duration::from_secs(PEER_LINE_USEFUL_S);
        if self.connected.take().is_some_and(|connected| connected.elapsed() >= useful) {
            self.fruitless = 0;
        }
        self.fruitless += 1;
        if self.fruitless > PEER_FRUITLESS_TRIES_MAX {
            return Err(self.upkeep.outage.lost(&error));
        }
        // Nobody came to the channel in time: nothing was said against trying again.
        let is_final = !error.is_worth_a_retry() && !matches!(error, PeerError::NoSuchNameplate(_));
        if is_final {
            return Err(TransferError::Peer(error));
        }
        self.upkeep.outage.begin(&error)
    }
}

impl Outage {
    fn state(&self) -> MutexGuard<'_, OutageState> {
        // Nothing in here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, error: &PeerError) -> Result<(), TransferError> {
        let mut state = self.state();
        if matches!(error, PeerError::Tampered(_)) {
            state.tampered += 1;
        }
        let since = *state.since.get_or_insert_with(|| {
            self.notices.mention(Notice::Broken(error.to_string()));
            Instant::now()
        });
        let is_tampered_with = state.tampered > PEER_TAMPERED_LINES_MAX;
        drop(state);
        if since.elapsed() >= self.patience || is_tampered_with {
            return Err(self.lost(error));
        }
        Ok(())
    }

    fn end(&self) {
        if self.state().since.take().is_some() {
            self.notices.mention(Notice::Back);
        }
    }

    /// How long the outage may still last; a new one all of it.
    fn left(&self) -> Duration {
        let elapsed = self.state().since.map_or(Duration::ZERO, |since| since.elapsed());
        self.patience.saturating_sub(elapsed)
    }

    fn lost(&self, last: &PeerError) -> TransferError {
        TransferError::Lost { patience_s: self.patience.as_secs(), last: last.to_string() }
    }
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meeting")
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::notices;
    use super::*;
    use crate::wire::RecordFault;

    fn broken() -> PeerError {
        PeerError::Broken("cut".to_owned())
    }

    fn upkeep(meeting: Meeting) -> (Upkeep, super::super::notice::Watch) {
        let (notices, watch) = notices();
        (Upkeep::new(meeting, Duration::from_mins(1), notices), watch)
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_is_away_is_waited_for_and_not_for_ever() {
        let (upkeep, mut watch) = upkeep(Meeting::by(|_| async { Err(broken()) }));
        let began = Instant::now();
        let lost = upkeep.keeper(0).line().await.unwrap_err();
        assert!(matches!(lost, TransferError::Lost { patience_s: 60, .. }), "{lost}");
        assert!(lost.to_string().contains("cut"), "{lost}");
        let elapsed = began.elapsed().as_secs();
        assert!((60..=69).contains(&elapsed), "{elapsed} s");
        assert!(matches!(watch.left(), Some(Notice::Broken(_))));
        assert_eq!(watch.left(), None, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_never_comes_is_not_waited_for_longer_than_that() {
        let (upkeep, _watch) = upkeep(Meeting::by(|_| std::future::pending()));
        let began = Instant::now();
        let mut keeper = upkeep.keeper(0);
        keeper.broken(Fault::Line(broken())).unwrap();
        let lost = keeper.line().await.unwrap_err();
        assert!(matches!(lost, TransferError::Lost { .. }), "{lost}");
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_for_good_is_not_tried_again() {
        let refused = || PeerError::Nonsense("another protocol".to_owned());
        let (upkeep, _watch) = upkeep(Meeting::by(move |_| async move { Err(refused()) }));
        let error = upkeep.keeper(0).line().await.unwrap_err();
        assert!(matches!(error, TransferError::Peer(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_that_are_tampered_with_again_and_again_are_the_end() {
        let (upkeep, _watch) = upkeep(Meeting::by(|_| std::future::pending()));
        let mut keeper = upkeep.keeper(0);
        for _ in 0..PEER_TAMPERED_LINES_MAX {
            keeper.broken(Fault::Line(PeerError::Tampered(RecordFault::Seal))).unwrap();
            upkeep.is_of_use();
        }
        let tampered = Fault::Line(PeerError::Tampered(RecordFault::Seal));
        assert!(matches!(keeper.broken(tampered), Err(TransferError::Lost { .. })));
    }
}
