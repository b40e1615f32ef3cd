//! Where an end stands, from its first byte to its last: one table for all that can happen.
//!
//! ```text
//!                ┌─ Numbered ─► WaitingSender ────┬─ TimeUp ─► Expired
//!                │                    │           ├─ Refuse ─► Refused
//!  Connected ────┼─ Queued ───► WaitingAtChannel ─┴─ Leave ──► Left
//!   │  │  │      │                    │
//!   │  │  │      └─ Pair ─► Matched ◄─┴─ Pair
//!   │  │  │                    │
//!   │  │  └─ Refuse ► Refused  ├─ Tell ─► Proxying ─ End ─► Done
//!   │  └──── Leave ─► Left     └─ End ──────────────────────► Done
//!   └─────── Queued again, when the end it was to meet has just left
//! ```
//!
//! A claim and the second join of a channel go from `Connected` to `Matched` at once. What is not
//! in the table cannot happen; a test walks every pair.

use std::sync::Arc;

use crate::telemetry::{Gauge, WorkerMetrics};

/// Where an end stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has not said what it wants, or that is being looked for.
    Connected,
    /// It has a nameplate, and nobody named it yet.
    WaitingSender,
    /// It waits at a channel for the other role.
    WaitingAtChannel,
    /// The other end is there, and at least one of them does not know.
    Matched,
    /// Bytes are moved.
    Proxying,
    /// Bytes were moved, and that is over.
    Done,
    /// Nobody came in time.
    Expired,
    /// It was told why not.
    Refused,
    /// It went away before anybody came.
    Left,
}

/// What happens to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It got a nameplate.
    Numbered,
    /// It is the first at its channel.
    Queued,
    /// The other end is there.
    Pair,
    /// Both know.
    Tell,
    /// One of the two, or a limit, ended it.
    End,
    /// It waited as long as it may.
    TimeUp,
    /// It is sent away.
    Refuse,
    /// It closed its connection.
    Leave,
}

impl State {
    /// The state after an event; `None` where it cannot happen.
    pub(super) fn after(self, event: Event) -> Option<State> {
        match (self, event) {
            (State::Connected, Event::Numbered) => Some(State::WaitingSender),
            (State::Connected, Event::Queued) => Some(State::WaitingAtChannel),
            (State::Connected | State::WaitingSender | State::WaitingAtChannel, Event::Pair) => {
                Some(State::Matched)
            }
            (State::Connected | State::WaitingSender | State::WaitingAtChannel, Event::Refuse) => {
                Some(State::Refused)
            }
            (State::Connected | State::WaitingSender | State::WaitingAtChannel, Event::Leave) => {
                Some(State::Left)
            }
            (State::WaitingSender | State::WaitingAtChannel, Event::TimeUp) => Some(State::Expired),
            (State::Matched, Event::Tell) => Some(State::Proxying),
            (State::Matched | State::Proxying, Event::End) => Some(State::Done),
            _ => None,
        }
    }

    /// Where ends in this state are counted.
    fn gauge(self, metrics: &WorkerMetrics) -> Option<&Gauge> {
        match self {
            State::WaitingSender => Some(&metrics.relay_waiting_senders),
            State::WaitingAtChannel => Some(&metrics.relay_waiting_at_channels),
            State::Matched | State::Proxying => Some(&metrics.relay_paired),
            State::Connected | State::Done | State::Expired | State::Refused | State::Left => None,
        }
    }
}

/// The state of one connection, counted while it lasts.
#[derive(Debug)]
pub(super) struct Progress {
    state: State,
    metrics: Arc<WorkerMetrics>,
}

impl Progress {
    /// Of an end that has just connected.
    pub(super) fn new(metrics: Arc<WorkerMetrics>) -> Progress {
        Progress { state: State::Connected, metrics }
    }

    /// Takes the step.
    ///
    /// # Panics
    /// When the table has no such step.
    pub(super) fn step(&mut self, event: Event) {
        let Some(next) = self.state.after(event) else {
            unreachable!("{event:?} cannot happen to an end that is {:?}", self.state)
        };
        self.leave();
        self.state = next;
        if let Some(gauge) = next.gauge(&self.metrics) {
            gauge.increment();
        }
        if next == State::Left {
            self.metrics.relay_left.increment();
        }
    }

    fn leave(&self) {
        if let Some(gauge) = self.state.gauge(&self.metrics) {
            gauge.decrement();
        }
    }
}

impl Drop for Progress {
    /// A connection that is cut off is not counted any longer.
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 9] = [
        State::Connected,
        State::WaitingSender,
        State::WaitingAtChannel,
        State::Matched,
        State::Proxying,
        State::Done,
        State::Expired,
        State::Refused,
        State::Left,
    ];
    const EVENTS: [Event; 8] = [
        Event::Numbered,
        Event::Queued,
        Event::Pair,
        Event::Tell,
        Event::End,
        Event::TimeUp,
        Event::Refuse,
        Event::Leave,
    ];

    /// The diagram, one row a state, one column an event.
    const DIAGRAM: [[Option<State>; 8]; 9] = {
        use State::{
            Done, Expired, Left, Matched, Proxying, Refused, WaitingAtChannel, WaitingSender,
        };
        const NO: Option<State> = None;
        let waiting = [NO, NO, Some(Matched), NO, NO, Some(Expired), Some(Refused), Some(Left)];
        [
            [
                Some(WaitingSender),
                Some(WaitingAtChannel),
                Some(Matched),
                NO,
                NO,
                NO,
                Some(Refused),
                Some(Left),
            ],
            waiting,
            waiting,
            [NO, NO, NO, Some(Proxying), Some(Done), NO, NO, NO],
            [NO, NO, NO, NO, Some(Done), NO, NO, NO],
            [NO; 8],
            [NO; 8],
            [NO; 8],
            [NO; 8],
        ]
    };

    #[test]
    fn every_state_answers_every_event_as_the_diagram_has_it() {
        for (state, row) in STATES.into_iter().zip(DIAGRAM) {
            for (event, next) in EVENTS.into_iter().zip(row) {
                assert_eq!(state.after(event), next, "{state:?}, {event:?}");
            }
        }
    }

    #[test]
    fn an_end_is_counted_where_it_stands_and_nowhere_when_it_is_gone() {
        let metrics: Arc<WorkerMetrics> = Arc::default();
        let counts = || {
            let (senders, channels) =
                (&metrics.relay_waiting_senders, &metrics.relay_waiting_at_channels);
            [senders, channels, &metrics.relay_paired].map(Gauge::get)
        };
        let mut progress = Progress::new(Arc::clone(&metrics));
        for (event, expected) in [
            (Event::Numbered, [1, 0, 0]),
            (Event::Pair, [0, 0, 1]),
            (Event::Tell, [0, 0, 1]),
            (Event::End, [0, 0, 0]),
        ] {
            progress.step(event);
            assert_eq!(counts(), expected, "{event:?}");
        }
        let mut cut_off = Progress::new(Arc::clone(&metrics));
        cut_off.step(Event::Queued);
        assert_eq!(counts(), [0, 1, 0]);
        drop(cut_off);
        assert_eq!(counts(), [0, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "cannot happen")]
    fn a_step_that_is_not_in_the_table_is_our_bug() {
        Progress::new(Arc::default()).step(Event::TimeUp);
    }
}
