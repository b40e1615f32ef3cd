//! How two ends that know one code come to a key that only they know, over a connection that anybody
//! may read, change or end: SPAKE2, then a proof each way. One agreement a nameplate.
//!
//! ```text
//! sender                                   receiver
//!   │ ── Pake(version, X) ──▶  ◀── Pake(version, Y) ── │       both at once
//!   │         K = SPAKE2(code, own secret, other's message)
//!   │ ── Confirm(proof of the sender) ──▶              │
//!   │              ◀── Confirm(proof of the receiver) ─│       both at once
//!   │         each compares in constant time
//! ```
//!
//! Who has another code learns that and nothing else: to try a second one he needs a second
//! nameplate. What is derived from K is in docs/send.md, "Keys".

use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest as _, Sha256};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::code::Code;
use super::error::PeerError;
use super::keys::{Key, SessionKey, expand};
use crate::wire::{AgreementMessage, Role, TLV_HEAD_SIZE, TlvError, agreement_value_size};

/// Bytes that a SPAKE2 secret is drawn from: 512 bits, so that what is left of the division by the
/// order of the group (252 bits) is even.
const SECRET_SIZE: usize = 64;

/// The message of SPAKE2: which side, and a point of the curve.
type Pake = [u8; 33];

/// An end that has sent its message.
struct Exchange {
    role: Role,
    nameplate: u32,
    secret: Spake2<Ed25519Group>,
    own: Pake,
}

/// An end that has the key, if the other has it too.
struct Unproved {
    session: Key,
    own_proof: Key,
    other_proof: Key,
}

/// Agrees with whoever is at the other end of a connection.
///
/// # Errors
/// [`PeerError::WrongCode`] when the other end proves a key of another code, and else
/// [`PeerError::Unagreed`]: whatever goes wrong, the nameplate is used up.
pub(super) async fn agree<C: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut C,
    role: Role,
    code: &Code,
) -> Result<SessionKey, PeerError> {
    let mut random = Zeroizing::new([0; SECRET_SIZE]);
    getrandom::fill(random.as_mut()).map_err(|error| PeerError::Unequipped(error.to_string()))?;
    let exchange = Exchange::start(role, code, random);
    send(connection, &AgreementMessage::Pake(exchange.own)).await?;
    let AgreementMessage::Pake(other) = receive(connection).await? else {
        return Err(out_of_order());
    };
    let unproved = exchange.finish(&other)?;
    send(connection, &AgreementMessage::Confirm(*unproved.own_proof)).await?;
    let AgreementMessage::Confirm(proof) = receive(connection).await? else {
        return Err(out_of_order());
    };
    unproved.check(&proof)
}

impl Exchange {
    fn start(role: Role, code: &Code, random: Zeroizing<[u8; SECRET_SIZE]>) -> Exchange {
        let password = Password::new(code.text().as_bytes());
        let sender = Identity::new(b"ringhold sender");
        let receiver = Identity::new(b"ringhold receiver");
        let random = Drawn(random);
        let (secret, message) = match role {
            Role::Sender => Spake2::start_a_with_rng(&password, &sender, &receiver, random),
            Role::Receiver => Spake2::start_b_with_rng(&password, &sender, &receiver, random),
        };
        match message.try_into() {
            Ok(own) => Exchange { role, nameplate: code.nameplate(), secret, own },
            Err(_) => unreachable!("a message is a side of one byte and a point of 32"),
        }
    }

    /// With the other end's message. A message of this end's own side is refused, so nobody can be
    /// answered with what he said himself; so is what is no point.
    fn finish(self, other: &Pake) -> Result<Unproved, PeerError> {
        let shared = self
            .secret
            .finish(other)
            .map_err(|error| PeerError::Unagreed(format!("its message cannot be used: {error}")))?;
        let shared = Zeroizing::new(shared);
        let (sender, receiver) = match self.role {
            Role::Sender => (&self.own, other),
            Role::Receiver => (other, &self.own),
        };
        let keys = KeySchedule::new(&shared, self.nameplate, sender, receiver);
        let (own_proof, other_proof) = match self.role {
            Role::Sender => (keys.of(b"confirm sender"), keys.of(b"confirm receiver")),
            Role::Receiver => (keys.of(b"confirm receiver"), keys.of(b"confirm sender")),
        };
        Ok(Unproved { session: keys.of(b"session"), own_proof, other_proof })
    }
}

impl Unproved {
    fn check(self, proof: &[u8; 32]) -> Result<SessionKey, PeerError> {
        if bool::from(self.other_proof.as_slice().ct_eq(proof)) {
            Ok(SessionKey::new(self.session))
        } else {
            Err(PeerError::WrongCode)
        }
    }
}

/// What SPAKE2's result and the exchange give.
struct KeySchedule {
    hkdf: Hkdf<Sha256>,
    transcript: [u8; 32],
}

impl KeySchedule {
    fn new(shared: &[u8], nameplate: u32, sender: &Pake, receiver: &Pake) -> KeySchedule {
        let transcript = Sha256::new()
            .chain_update([AgreementMessage::VERSION])
            .chain_update(nameplate.to_be_bytes())
            .chain_update(sender)
            .chain_update(receiver)
            .finalize();
        let hkdf = Hkdf::new(Some(b"ringhold peer 1"), shared);
        KeySchedule { hkdf, transcript: transcript.into() }
    }

    fn of(&self, label: &[u8]) -> Key {
        expand(&self.hkdf, &[label, &self.transcript])
    }
}

async fn send<C: AsyncWrite + Unpin>(
    connection: &mut C,
    message: &AgreementMessage,
) -> Result<(), PeerError> {
    connection.write_all(&message.encode()).await.map_err(left)?;
    connection.flush().await.map_err(left)
}

/// The next message, and no byte of what follows.
async fn receive<C: AsyncRead + Unpin>(connection: &mut C) -> Result<AgreementMessage, PeerError> {
    let mut head = [0; TLV_HEAD_SIZE];
    connection.read_exact(&mut head).await.map_err(left)?;
    let unusable = |error: TlvError| PeerError::Unagreed(error.to_string());
    let mut value = vec![0; agreement_value_size(head).map_err(unusable)?];
    connection.read_exact(&mut value).await.map_err(left)?;
    AgreementMessage::decode(head[0], &value).map_err(unusable)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn left(error: std::io::Error) -> PeerError {
    PeerError::Unagreed(format!(
        "the other end left before it proved that it knows the code: {error}"
    ))
}

fn out_of_order() -> PeerError {
    PeerError::Unagreed("its messages are out of order".to_owned())
}

/// Bytes that were drawn before, for a library that would draw by itself and panic where there are
/// none.
struct Drawn(Zeroizing<[u8; SECRET_SIZE]>);

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        unreachable!("a secret is drawn as bytes")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("a secret is drawn as bytes")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.0.as_slice());
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Drawn {}

#[cfg(test)]
mod tests;
