//! Where a connection stands, as one table.
//!
//! ```text
//!          Dial              Opened        Ask             Sent               Head
//!  Closed ------> Connecting ------> Idle -----> Sending ------> Awaiting ----------> Receiving
//!    ^                                ^             |                                    |
//!    |                                |             | Head: the server answers early     | End
//!    |                                +-------------|------------------------------------+
//!    |                                              v            End
//!    +--------- Lost, from every other ---------- Refused ------------> Spent --- Lost ---> Closed
//! ```
//! An answer that comes before the whole request was sent leaves the connection spent: what the
//! server would take for the next request is the rest of this body (RFC 9112, section 9.3).

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No socket.
    Closed,
    /// Asked to connect.
    Connecting,
    /// Open, and asked for nothing.
    Idle,
    /// A request is going out.
    Sending,
    /// The request is out, the head of the answer not in.
    Awaiting,
    /// The body of the answer is coming in.
    Receiving,
    /// The body of an answer is coming in that came before the request was out.
    Refused,
    /// Answered, but good for no other request.
    Spent,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A connection is wanted.
    Dial,
    /// It is open.
    Opened,
    /// A request is to be made.
    Ask,
    /// The last byte of the request went out.
    Sent,
    /// The head of the answer is in.
    Head,
    /// The last byte of the answer is in.
    End,
    /// It was closed, by either side.
    Lost,
}

impl Stage {
    /// The next state; none where the event cannot happen.
    pub(crate) fn next(self, event: Event) -> Option<Stage> {
        Some(match (self, event) {
            (Stage::Closed, Event::Dial) => Stage::Connecting,
            (Stage::Connecting, Event::Opened) | (Stage::Receiving, Event::End) => Stage::Idle,
            (Stage::Idle, Event::Ask) => Stage::Sending,
            (Stage::Sending, Event::Sent) => Stage::Awaiting,
            (Stage::Awaiting, Event::Head) => Stage::Receiving,
            (Stage::Sending, Event::Head) => Stage::Refused,
            (Stage::Refused, Event::End) => Stage::Spent,
            (stage, Event::Lost) if stage != Stage::Closed => Stage::Closed,
            _ => return None,
        })
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(self) -> bool {
        matches!(self, Stage::Sending | Stage::Awaiting | Stage::Receiving | Stage::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 8] = [
        Stage::Closed,
        Stage::Connecting,
        Stage::Idle,
        Stage::Sending,
        Stage::Awaiting,
        Stage::Receiving,
        Stage::Refused,
        Stage::Spent,
    ];
    const EVENTS: [Event; 7] =
        [Event::Dial, Event::Opened, Event::Ask, Event::Sent, Event::Head, Event::End, Event::Lost];

    /// The diagram, in the order of `EVENTS`: `.` cannot happen.
    const TABLE: [(Stage, [&str; 7]); 8] = [
        (Stage::Closed, ["Connecting", ".", ".", ".", ".", ".", "."]),
        (Stage::Connecting, [".", "Idle", ".", ".", ".", ".", "Closed"]),
        (Stage::Idle, [".", ".", "Sending", ".", ".", ".", "Closed"]),
        (Stage::Sending, [".", ".", ".", "Awaiting", "Refused", ".", "Closed"]),
        (Stage::Awaiting, [".", ".", ".", ".", "Receiving", ".", "Closed"]),
        (Stage::Receiving, [".", ".", ".", ".", ".", "Idle", "Closed"]),
        (Stage::Refused, [".", ".", ".", ".", ".", "Spent", "Closed"]),
        (Stage::Spent, [".", ".", ".", ".", ".", ".", "Closed"]),
    ];

    #[test]
    fn every_event_in_every_state_does_what_the_diagram_says() {
        assert_eq!(TABLE.map(|(stage, _)| stage), STAGES);
        for (stage, row) in TABLE {
            for (event, expected) in EVENTS.into_iter().zip(row) {
                let next = stage.next(event);
                let name = next.map_or(".".to_owned(), |next| format!("{next:?}"));
                assert_eq!(name, expected, "{event:?} in {stage:?}");
            }
        }
    }
}
