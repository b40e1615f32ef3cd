//! The messages between an end of a transfer and the relay, before the relay moves bytes:
//!
//! ```text
//! 0x01 Register    version u8                                        an end to the relay
//! 0x02 Claim       version u8 | nameplate u32
//! 0x03 Join        version u8 | role u8 | channel [32]
//! 0x81 Nameplate   number u32 | expires_s u32                        the relay to an end
//! 0x82 Waiting
//! 0x83 Matched
//! 0x84 Refused     code u8 | sentence, UTF-8 without control characters, at most 256 bytes
//! ```
//!
//! Their frame is that of `tlv.rs`. An end sends one message. What it may rely on is in
//! docs/relay.md. After `Matched` every byte is the other end's.

use std::fmt;

use super::tlv::{TLV_HEAD_SIZE, TlvError, message, value_size};
use crate::base::limits::REFUSAL_SENTENCE_SIZE_MAX;

/// The version that is spoken here.
const VERSION: u8 = 1;

const REGISTER: u8 = 0x01;
const CLAIM: u8 = 0x02;
const JOIN: u8 = 0x03;
const NAMEPLATE: u8 = 0x81;
const WAITING: u8 = 0x82;
const MATCHED: u8 = 0x83;
const REFUSED: u8 = 0x84;

/// What an end says, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMessage {
    /// A sender wants a nameplate, and to wait for whoever names it.
    Register,
    /// A receiver names it.
    Claim {
        /// The number that the sender was given.
        nameplate: u32,
    },
    /// An end wants to meet the other one at a channel that only the two know.
    Join {
        /// Which of the two.
        role: Role,
        /// The channel's name.
        channel: [u8; 32],
    },
}

/// Which end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that has the files.
    Sender,
    /// The one that gets them.
    Receiver,
}

/// What the relay says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage {
    /// The sender's nameplate, and how long it is good for.
    Nameplate {
        /// Its number.
        number: u32,
        /// Time until it expires, seconds.
        expires_s: u32,
    },
    /// The other end is not there yet, and the relay still is.
    Waiting,
    /// The other end is there: every byte that follows is its.
    Matched,
    /// No; the relay closes the connection.
    Refused {
        /// Why, for the program.
        code: RefusalCode,
        /// Why, for the user.
        sentence: String,
    },
}

/// Why an end is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// Another version of the protocol.
    Version,
    /// No message, or one that does not belong there.
    Malformed,
    /// The nameplate was never given, is used up or expired, or its sender left.
    NoSuchNameplate,
    /// Nobody came in time.
    Expired,
    /// Too many ends wait from that address.
    AddressFull,
    /// Too many ends wait in all.
    Full,
    /// The relay stops.
    Stopping,
    /// The message took too long.
    TooSlow,
    /// An end of the same role waits at the channel.
    RoleTaken,
    /// One that a later version of the relay knows; never 1 to 9.
    Other(u8),
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RendezvousError {
    /// What any message can be wrong in.
    Frame(TlvError),
    /// A role that is neither of the two.
    Role(u8),
    /// A sentence that is not text, or speaks to the terminal.
    Sentence,
}

/// How many bytes of value follow a head. Unknown types and oversize values are refused before
/// anybody waits for them.
pub fn rendezvous_value_size(head: [u8; TLV_HEAD_SIZE]) -> Result<usize, RendezvousError> {
    Ok(value_size(head, |kind| matches!(kind, REGISTER..=JOIN | NAMEPLATE..=REFUSED))?)
}

impl EndMessage {
    /// The message as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            EndMessage::Register => message(REGISTER, &[&[VERSION]]),
            EndMessage::Claim { nameplate } => {
                message(CLAIM, &[&[VERSION], &nameplate.to_be_bytes()])
            }
            EndMessage::Join { role, channel } => {
                message(JOIN, &[&[VERSION, role.byte()], channel])
            }
        }
    }

    /// The message of this type with this value.
    pub fn decode(kind: u8, value: &[u8]) -> Result<EndMessage, RendezvousError> {
        if !matches!(kind, REGISTER..=JOIN) {
            return Err(TlvError::Type(kind).into());
        }
        let wrong_length = TlvError::Length { kind, size: value.len() };
        let (&version, rest) = value.split_first().ok_or(wrong_length)?;
        // Before the length: that of another version is another version's business.
        if version != VERSION {
            return Err(TlvError::Version { said: version, spoken: VERSION }.into());
        }
        match (kind, rest) {
            (REGISTER, []) => Ok(EndMessage::Register),
            (CLAIM, &[a, b, c, d]) => {
                Ok(EndMessage::Claim { nameplate: u32::from_be_bytes([a, b, c, d]) })
            }
            (JOIN, [role, channel @ ..]) => {
                let channel = channel.try_into().map_err(|_| wrong_length)?;
                Ok(EndMessage::Join { role: Role::of(*role)?, channel })
            }
            _ => Err(wrong_length.into()),
        }
    }
}

impl RelayMessage {
    /// A refusal; of a sentence that is too long the beginning, without control characters.
    pub fn refused(code: RefusalCode, sentence: &str) -> RelayMessage {
        RelayMessage::Refused { code, sentence: sayable(sentence) }
    }

    /// The message as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            RelayMessage::Nameplate { number, expires_s } => {
                message(NAMEPLATE, &[&number.to_be_bytes(), &expires_s.to_be_bytes()])
            }
            RelayMessage::Waiting => message(WAITING, &[]),
            RelayMessage::Matched => message(MATCHED, &[]),
            RelayMessage::Refused { code, sentence } => {
                message(REFUSED, &[&[code.byte()], sayable(sentence).as_bytes()])
            }
        }
    }

    /// The message of this type with this value.
    pub fn decode(kind: u8, value: &[u8]) -> Result<RelayMessage, RendezvousError> {
        if kind == NAMEPLATE
            && let ([number, expires_s], []) = value.as_chunks()
        {
            let [number, expires_s] = [number, expires_s].map(|it| u32::from_be_bytes(*it));
            return Ok(RelayMessage::Nameplate { number, expires_s });
        }
        match (kind, value) {
            (WAITING, []) => Ok(RelayMessage::Waiting),
            (MATCHED, []) => Ok(RelayMessage::Matched),
            (REFUSED, [code, text @ ..]) if text.len() <= REFUSAL_SENTENCE_SIZE_MAX => {
                let code = RefusalCode::of(*code);
                Ok(RelayMessage::Refused { code, sentence: sentence(text)?.to_owned() })
            }
            (NAMEPLATE..=REFUSED, _) => Err(TlvError::Length { kind, size: value.len() }.into()),
            _ => Err(TlvError::Type(kind).into()),
        }
    }
}

impl Role {
    fn of(byte: u8) -> Result<Role, RendezvousError> {
        match byte {
            0 => Ok(Role::Sender),
            1 => Ok(Role::Receiver),
            _ => Err(RendezvousError::Role(byte)),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Role::Sender => 0,
            Role::Receiver => 1,
        }
    }
}

impl RefusalCode {
    fn of(byte: u8) -> RefusalCode {
        match byte {
            1 => RefusalCode::Version,
            2 => RefusalCode::Malformed,
            3 => RefusalCode::NoSuchNameplate,
            4 => RefusalCode::Expired,
            5 => RefusalCode::AddressFull,
            6 => RefusalCode::Full,
            7 => RefusalCode::Stopping,
            8 => RefusalCode::TooSlow,
            9 => RefusalCode::RoleTaken,
            other => RefusalCode::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            RefusalCode::Version => 1,
            RefusalCode::Malformed => 2,
            RefusalCode::NoSuchNameplate => 3,
            RefusalCode::Expired => 4,
            RefusalCode::AddressFull => 5,
            RefusalCode::Full => 6,
            RefusalCode::Stopping => 7,
            RefusalCode::TooSlow => 8,
            RefusalCode::RoleTaken => 9,
            RefusalCode::Other(byte) => byte,
        }
    }
}

impl fmt::Display for RendezvousError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RendezvousError::Frame(error) => error.fmt(f),
            RendezvousError::Role(role) => {
                write!(f, "no role {role}: 0 is a sender, 1 a receiver")
            }
            RendezvousError::Sentence => f.write_str("a refusal whose sentence is not plain text"),
        }
    }
}

impl std::error::Error for RendezvousError {}

impl From<TlvError> for RendezvousError {
    fn from(error: TlvError) -> RendezvousError {
        RendezvousError::Frame(error)
    }
}

fn sayable(sentence: &str) -> String {
    let mut said: String = sentence.chars().filter(|c| !c.is_control()).collect();
    said.truncate(said.floor_char_boundary(REFUSAL_SENTENCE_SIZE_MAX));
    said
}

/// It may be printed as it is: a stranger who plays relay does not speak to the terminal.
fn sentence(text: &[u8]) -> Result<&str, RendezvousError> {
    let text = std::str::from_utf8(text).map_err(|_| RendezvousError::Sentence)?;
    if text.chars().any(char::is_control) {
        return Err(RendezvousError::Sentence);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
