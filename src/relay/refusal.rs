//! Why an end is sent away: the code for its program, the sentence for its user, the counter for the
//! operator.

use std::fmt;
use std::time::Duration;

use super::RelayOptions;
use crate::base::limits::RELAY_HANDSHAKE_TIMEOUT_S;
use crate::base::units::DurationArg;
use crate::telemetry::{Counter, WorkerMetrics};
use crate::wire::{RefusalCode, RelayMessage, RendezvousError, TlvError};

/// A refusal and what is known of its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: RefusalCode,
    sentence: String,
}

impl Refusal {
    /// Of bytes that are no message.
    pub(super) fn unreadable(error: RendezvousError) -> Refusal {
        let code = match error {
            RendezvousError::Frame(TlvError::Version { .. }) => RefusalCode::Version,
            RendezvousError::Frame(
                TlvError::Type(_) | TlvError::Oversize(_) | TlvError::Length { .. },
            )
            | RendezvousError::Role(_)
            | RendezvousError::Sentence => RefusalCode::Malformed,
        };
        Refusal::new(code, format!("this is a ringhold relay: {error}"))
    }

    /// Of a message that was not finished.
    pub(super) fn truncated(received_bytes: usize) -> Refusal {
        let sentence = format!("the message ends after {received_bytes} bytes, in its middle");
        Refusal::new(RefusalCode::Malformed, sentence)
    }

    /// Of bytes before their time.
    pub(super) fn out_of_order() -> Refusal {
        let sentence = "bytes came before the other end did: send nothing until it is matched";
        Refusal::new(RefusalCode::Malformed, sentence)
    }

    /// Of a message that took too long.
    pub(super) fn too_slow() -> Refusal {
        let sentence = format!("no whole message came within {RELAY_HANDSHAKE_TIMEOUT_S} s");
        Refusal::new(RefusalCode::TooSlow, sentence)
    }

    /// Of a number that nobody waits at.
    pub(super) fn no_such_nameplate(nameplate: u32) -> Refusal {
        let sentence = format!(
            "nobody waits at {nameplate}: the code was used, has expired, or its sender left; ask \
             for a new one"
        );
        Refusal::new(RefusalCode::NoSuchNameplate, sentence)
    }

    /// Of one whose address claimed too many numbers that nobody has.
    pub(super) fn guessing(wait: Duration) -> Refusal {
        let wait_s = wait.as_nanos().div_ceil(1_000_000_000);
        let sentence =
            format!("too many wrong numbers came from your address: try again in {wait_s} s");
        Refusal::new(RefusalCode::AddressFull, sentence)
    }

    /// Of one that waited long enough.
    pub(super) fn expired(options: &RelayOptions) -> Refusal {
        let sentence = format!("nobody came within {}", DurationArg(options.expire));
        Refusal::new(RefusalCode::Expired, sentence)
    }

    /// Of one too many.
    pub(super) fn no_room(code: RefusalCode, options: &RelayOptions) -> Refusal {
        let sentence = if code == RefusalCode::AddressFull {
            let count = options.waiting_per_address_max;
            format!("{count} ends from your address wait already: try again in a while")
        } else {
            let count = options.waiting_max;
            format!("{count} ends wait already, the relay is full: try again in a while")
        };
        Refusal::new(code, sentence)
    }

    /// Of one whose place another one has.
    pub(super) fn replaced() -> Refusal {
        let sentence = "a newer connection of the same role waits at this channel";
        Refusal::new(RefusalCode::RoleTaken, sentence)
    }

    /// Of everybody who waits when the relay stops.
    pub(super) fn stopping() -> Refusal {
        Refusal::new(RefusalCode::Stopping, "the relay stops: try again in a moment")
    }

    /// As it is sent.
    pub(super) fn message(&self) -> RelayMessage {
        RelayMessage::refused(self.code, &self.sentence)
    }

    /// Where it is counted.
    pub(super) fn counter<'m>(&self, metrics: &'m WorkerMetrics) -> Option<&'m Counter> {
        match self.code {
            RefusalCode::Version => Some(&metrics.relay_refused_version),
            RefusalCode::Malformed => Some(&metrics.relay_refused_malformed),
            RefusalCode::NoSuchNameplate => Some(&metrics.relay_refused_nameplate),
            RefusalCode::Expired => Some(&metrics.relay_refused_expired),
            RefusalCode::AddressFull => Some(&metrics.relay_refused_address),
            RefusalCode::Full => Some(&metrics.relay_refused_full),
            RefusalCode::Stopping => Some(&metrics.relay_refused_stopping),
            RefusalCode::TooSlow => Some(&metrics.relay_refused_slow),
            RefusalCode::RoleTaken => Some(&metrics.relay_refused_role),
            RefusalCode::Other(_) => None,
        }
    }

    fn new(code: RefusalCode, sentence: impl Into<String>) -> Refusal {
        Refusal { code, sentence: sentence.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::REFUSAL_SENTENCE_SIZE_MAX;

    #[test]
    fn every_sentence_fits_into_its_message() {
        let options = RelayOptions::default();
        for refusal in [
            Refusal::unreadable(TlvError::Version { said: 255, spoken: 255 }.into()),
            Refusal::unreadable(TlvError::Oversize(65_535).into()),
            Refusal::truncated(36),
            Refusal::out_of_order(),
            Refusal::too_slow(),
            Refusal::no_such_nameplate(u32::MAX),
            Refusal::guessing(Duration::MAX),
            Refusal::expired(&options),
            Refusal::no_room(RefusalCode::Full, &options),
            Refusal::no_room(RefusalCode::AddressFull, &options),
            Refusal::replaced(),
            Refusal::stopping(),
        ] {
            let sentence = refusal.to_string();
            assert!(sentence.len() <= REFUSAL_SENTENCE_SIZE_MAX, "{sentence}");
            let said = RelayMessage::Refused { code: refusal.code, sentence };
            assert_eq!(refusal.message(), said);
        }
    }

    #[test]
    fn every_refusal_is_counted_by_itself() {
        let metrics = WorkerMetrics::default();
        let codes = [
            RefusalCode::Version,
            RefusalCode::Malformed,
            RefusalCode::NoSuchNameplate,
            RefusalCode::Expired,
            RefusalCode::AddressFull,
            RefusalCode::Full,
            RefusalCode::Stopping,
            RefusalCode::TooSlow,
            RefusalCode::RoleTaken,
        ];
        for code in codes {
            let counter = Refusal::new(code, "").counter(&metrics).expect("it is counted");
            assert_eq!(counter.get(), 0, "{code:?} shares its counter");
            counter.increment();
        }
    }

    #[test]
    fn another_version_is_told_from_nonsense() {
        let code = |error| Refusal::unreadable(error).code;
        assert_eq!(code(TlvError::Version { said: 2, spoken: 1 }.into()), RefusalCode::Version);
        assert_eq!(code(TlvError::Type(b'G').into()), RefusalCode::Malformed);
    }
}
