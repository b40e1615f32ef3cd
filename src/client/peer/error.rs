//! Why two ends do not come together, or no longer, by what the caller can do about it.

use std::error::Error;
use std::fmt;

use crate::base::limits::MESSAGE_SIZE_MAX;
use crate::wire::{RecordFault, RefusalCode};

/// A line that did not come about or that broke. Nothing that was received from it is wrong: what a
/// reader has given out was proved record by record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The relay's address cannot be used. The sentence says why.
    Address(String),
    /// This machine lacks something: randomness. The sentence says what.
    Unequipped(String),
    /// No connection to the relay came about.
    Unreachable(String),
    /// The connection broke.
    Broken(String),
    /// The relay or the other end is silent. The sentence says which, and for how long.
    TimedOut(String),
    /// The relay has no room, or stops.
    Busy {
        /// Why, for the program.
        code: RefusalCode,
        /// Why, for the user.
        sentence: String,
    },
    /// The relay does not want this end, and never will.
    Refused {
        /// Why, for the program.
        code: RefusalCode,
        /// Why, for the user.
        sentence: String,
    },
    /// The nameplate is not there: never given, used up, expired, or its sender left.
    NoSuchNameplate(String),
    /// The other end has another code. The nameplate is used up.
    WrongCode,
    /// No key was agreed upon, for another reason than a wrong code. The nameplate is used up.
    Unagreed(String),
    /// What comes is no protocol of ringhold's.
    Nonsense(String),
    /// A record is not what the other end sent, or may not come here. The line is given up; what
    /// came before it is proved.
    Tampered(RecordFault),
    /// The message is longer than any may be; its size, bytes.
    TooLarge(usize),
    /// An earlier call on this half of the line failed, or was dropped before its end.
    Abandoned,
}

impl PeerError {
    /// Whether the same may succeed over another line, or at the relay a little later. A
    /// [`Tampered`](PeerError::Tampered) line is worth one, as the next has fresh keys, but not
    /// many: who damaged this one may do so again.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            PeerError::Unreachable(_)
            | PeerError::Broken(_)
            | PeerError::TimedOut(_)
            | PeerError::Busy { .. }
            | PeerError::Tampered(_)
            | PeerError::Abandoned => true,
            PeerError::Address(_)
            | PeerError::Unequipped(_)
            | PeerError::Refused { .. }
            | PeerError::NoSuchNameplate(_)
            | PeerError::WrongCode
            | PeerError::Unagreed(_)
            | PeerError::Nonsense(_)
            | PeerError::TooLarge(_) => false,
        }
    }

    /// What the relay says by a refusal.
    pub(super) fn of_refusal(code: RefusalCode, sentence: String) -> PeerError {
        match code {
            RefusalCode::NoSuchNameplate | RefusalCode::Expired => {
                PeerError::NoSuchNameplate(sentence)
            }
            RefusalCode::AddressFull
            | RefusalCode::Full
            | RefusalCode::Stopping
            | RefusalCode::TooSlow
            | RefusalCode::RoleTaken => PeerError::Busy { code, sentence },
            RefusalCode::Version | RefusalCode::Malformed | RefusalCode::Other(_) => {
                PeerError::Refused { code, sentence }
            }
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerError::Address(why) => write!(f, "the relay's address cannot be used: {why}"),
            PeerError::Unequipped(why) => write!(f, "this machine lacks something: {why}"),
            PeerError::Unreachable(why) => write!(f, "no connection to the relay: {why}"),
            PeerError::Broken(why) => write!(f, "the connection broke: {why}"),
            PeerError::TimedOut(why) => f.write_str(why),
            PeerError::Busy { sentence, .. } | PeerError::Refused { sentence, .. } => {
                write!(f, "the relay refused: {sentence}")
            }
            PeerError::NoSuchNameplate(sentence) => write!(
                f,
                "nobody waits under the number of this code ({sentence}): check the number, or ask \
                 for a new code"
            ),
            PeerError::WrongCode => f.write_str(
                "the code was wrong, and is used up now: start the sending again and use its new \
                 code",
            ),
            PeerError::Unagreed(why) => write!(
                f,
                "the two ends did not agree on a key ({why}), and the code is used up now: start \
                 the sending again and use its new code"
            ),
            PeerError::Nonsense(why) => write!(
                f,
                "this is no relay or end of ringhold's: {why}; check the relay's address, and use \
                 programs of the same age"
            ),
            PeerError::Tampered(fault) => write!(
                f,
                "the line was given up, as what came over it is not what was sent: {fault}"
            ),
            PeerError::TooLarge(size) => {
                write!(f, "a message of {size} bytes; at most {MESSAGE_SIZE_MAX} can be sent")
            }
            PeerError::Abandoned => {
                f.write_str("an earlier step of this line did not come to its end: open another")
            }
        }
    }
}

impl Error for PeerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let PeerError::Tampered(fault) = self { Some(fault) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_a_retry_makes_sense() {
        for (code, again) in [
            (RefusalCode::Version, false),
            (RefusalCode::Malformed, false),
            (RefusalCode::NoSuchNameplate, false),
            (RefusalCode::Expired, false),
            (RefusalCode::AddressFull, true),
            (RefusalCode::Full, true),
            (RefusalCode::Stopping, true),
            (RefusalCode::TooSlow, true),
            (RefusalCode::RoleTaken, true),
            (RefusalCode::Other(77), false),
        ] {
            let error = PeerError::of_refusal(code, "why".to_owned());
            assert_eq!(error.is_worth_a_retry(), again, "{code:?}");
            assert!(error.to_string().contains("why"), "{error}");
        }
    }

    #[test]
    fn a_used_up_code_asks_for_a_new_one() {
        for error in [PeerError::WrongCode, PeerError::Unagreed("why".to_owned())] {
            assert!(error.to_string().contains("new code"));
            assert!(!error.is_worth_a_retry());
        }
    }
}
