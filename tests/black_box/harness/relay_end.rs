//! An end of a transfer as the relay sees it: one message, its answers, and then bytes.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use ringhold::wire::{
    EndMessage, RefusalCode, RelayMessage, Role, TLV_HEAD_SIZE, rendezvous_value_size,
};

/// How long a test waits for bytes before it fails.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// One connection to a relay.
pub(crate) struct RelayEnd {
    pub(crate) stream: TcpStream,
}

impl RelayEnd {
    /// Connects, and says nothing yet.
    pub(crate) fn connect(relay: SocketAddr) -> RelayEnd {
        RelayEnd::over(TcpStream::connect(relay).expect("the relay accepts connections"))
    }

    /// Over a connection that is there.
    pub(crate) fn over(stream: TcpStream) -> RelayEnd {
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(READ_TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        RelayEnd { stream }
    }

    /// Connects and says this.
    pub(crate) fn saying(relay: SocketAddr, message: EndMessage) -> RelayEnd {
        let mut end = RelayEnd::connect(relay);
        end.send(&message.encode());
        end
    }

    /// A sender that has a nameplate, and its number.
    pub(crate) fn registered(relay: SocketAddr) -> (RelayEnd, u32) {
        let mut end = RelayEnd::saying(relay, EndMessage::Register);
        let said = end.hear();
        let RelayMessage::Nameplate { number, .. } = said else { panic!("no nameplate: {said:?}") };
        (end, number)
    }

    /// A receiver that names a nameplate.
    pub(crate) fn claiming(relay: SocketAddr, nameplate: u32) -> RelayEnd {
        RelayEnd::saying(relay, EndMessage::Claim { nameplate })
    }

    /// An end that waits at a channel.
    pub(crate) fn waiting(relay: SocketAddr, role: Role, channel: [u8; 32]) -> RelayEnd {
        let mut end = RelayEnd::saying(relay, EndMessage::Join { role, channel });
        assert_eq!(end.hear(), RelayMessage::Waiting);
        end
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the relay takes bytes");
    }

    /// The relay's next message, exactly.
    pub(crate) fn hear(&mut self) -> RelayMessage {
        self.try_hear().expect("the relay says something")
    }

    /// The same, or why there is none.
    pub(crate) fn try_hear(&mut self) -> io::Result<RelayMessage> {
        let mut head = [0; TLV_HEAD_SIZE];
        self.stream.read_exact(&mut head)?;
        let mut value = vec![0; rendezvous_value_size(head).map_err(io::Error::other)?];
        self.stream.read_exact(&mut value)?;
        RelayMessage::decode(head[0], &value).map_err(io::Error::other)
    }

    /// Waits until the other end is there.
    pub(crate) fn matched(&mut self) {
        assert_eq!(self.hear(), RelayMessage::Matched);
    }

    /// Waits for the refusal, which is the last that the relay says; its sentence.
    pub(crate) fn refused(&mut self, code: RefusalCode) -> String {
        let mut said = self.hear();
        while said == RelayMessage::Waiting {
            said = self.hear();
        }
        let RelayMessage::Refused { code: given, sentence } = said else {
            panic!("not refused: {said:?}")
        };
        assert_eq!(given, code, "{sentence}");
        assert!(self.has_ended(), "a refusal is the last");
        sentence
    }

    /// Whether nothing more comes, ever. Waits for that or for a byte.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => {
                let is_silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!is_silent, "neither a byte nor the end");
                true
            }
        }
    }

    /// Exactly these bytes come next.
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut received = vec![0; bytes.len()];
        self.stream.read_exact(&mut received).expect("the other end's bytes");
        assert!(received == bytes, "other bytes than were sent");
    }

    /// Says that nothing more comes from here.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// Two ends that met by a nameplate: the sender and the receiver.
pub(crate) fn paired_by_nameplate(relay: SocketAddr) -> (RelayEnd, RelayEnd) {
    let (mut sender, nameplate) = RelayEnd::registered(relay);
    let mut receiver = RelayEnd::claiming(relay, nameplate);
    sender.matched();
    receiver.matched();
    (sender, receiver)
}

/// Two ends that met at a channel: the one that waited and the one that came.
pub(crate) fn paired_at_a_channel(
    relay: SocketAddr,
    first: Role,
    channel: [u8; 32],
) -> (RelayEnd, RelayEnd) {
    let second = match first {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    };
    let mut there = RelayEnd::waiting(relay, first, channel);
    let mut here = RelayEnd::saying(relay, EndMessage::Join { role: second, channel });
    there.matched();
    here.matched();
    (there, here)
}
