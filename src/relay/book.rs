//! Who waits where: nameplates, channels, and how many wait from each address. Pure: no locks, no
//! time, no connections; random bits are brought by the caller.
//!
//! An entry has a ticket. Whoever left its entry behind takes it out by the ticket, so that it never
//! takes out another one's that has the same number or channel by now.

use std::collections::HashMap;
use std::collections::hash_map;
use std::net::{IpAddr, Ipv6Addr};

use crate::base::limits::{
    NAMEPLATE_DIGITS_MAX, NAMEPLATE_DIGITS_MIN, NAMEPLATE_DRAWS_MAX, RELAY_ADDRESS_PREFIX_V6,
};
use crate::wire::{RefusalCode, Role};

/// A channel's name, which only its two ends know.
pub(super) type Channel = [u8; 32];

/// Where an entry is, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    place: Place,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nameplate(u32),
    Channel(Channel),
}

/// What a join finds.
#[derive(Debug)]
pub(super) enum Joined<W> {
    /// The other role: its waiter. One's own is dropped.
    Met(W),
    /// Nobody, or an older connection of the same role, whose place this one has now.
    Queued {
        /// How to leave.
        ticket: Ticket,
        /// Who was there.
        replaced: Option<W>,
    },
}

#[derive(Debug)]
struct Entry<W> {
    waiter: W,
    number: u64,
}

/// Everybody who is not paired.
#[derive(Debug)]
pub(super) struct Book<W> {
    nameplates: HashMap<u32, Entry<W>>,
    channels: HashMap<Channel, (Role, Entry<W>)>,
    addresses: HashMap<IpAddr, usize>,
    waiting_count: usize,
    tickets: u64,
}

impl<W> Book<W> {
    /// Nobody.
    pub(super) fn new() -> Book<W> {
        Book {
            nameplates: HashMap::new(),
            channels: HashMap::new(),
            addresses: HashMap::new(),
            waiting_count: 0,
            tickets: 0,
        }
    }

    /// Counts a connection that is not paired, if there may be one more.
    pub(super) fn admit(
        &mut self,
        address: IpAddr,
        waiting_max: usize,
        per_address_max: usize,
    ) -> Result<(), RefusalCode> {
        let address = household(address);
        if self.waiting_count >= waiting_max {
            return Err(RefusalCode::Full);
        }
        if self.addresses.get(&address).is_some_and(|count| *count >= per_address_max) {
            return Err(RefusalCode::AddressFull);
        }
        self.waiting_count += 1;
        *self.addresses.entry(address).or_default() += 1;
        Ok(())
    }

    /// Ends the counting of one that was admitted.
    pub(super) fn release(&mut self, address: IpAddr) {
        assert!(self.waiting_count > 0, "released and never admitted");
        self.waiting_count -= 1;
        if let hash_map::Entry::Occupied(mut count) = self.addresses.entry(household(address)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// A nameplate for a sender: a short number that nobody has.
    pub(super) fn register(&mut self, waiter: W, draw: impl FnMut() -> u32) -> (u32, Ticket) {
        let nameplate = self.free_nameplate(draw);
        let entry = Entry { waiter, number: self.next_ticket() };
        let ticket = Ticket { place: Place::Nameplate(nameplate), number: entry.number };
        let taken = self.nameplates.insert(nameplate, entry);
        assert!(taken.is_none(), "a nameplate given twice");
        (nameplate, ticket)
    }

    /// Whoever waits at a nameplate, which is used up by this.
    pub(super) fn claim(&mut self, nameplate: u32) -> Option<W> {
        self.nameplates.remove(&nameplate).map(|entry| entry.waiter)
    }

    /// The other role at a channel, or a place there.
    pub(super) fn join(&mut self, role: Role, channel: Channel, waiter: W) -> Joined<W> {
        if self.channels.get(&channel).is_some_and(|(there, _)| *there != role)
            && let Some((_, entry)) = self.channels.remove(&channel)
        {
            return Joined::Met(entry.waiter);
        }
        let entry = Entry { waiter, number: self.next_ticket() };
        let ticket = Ticket { place: Place::Channel(channel), number: entry.number };
        let replaced = self.channels.insert(channel, (role, entry));
        Joined::Queued { ticket, replaced: replaced.map(|(_, entry)| entry.waiter) }
    }

    /// Takes an entry out, if it is still there.
    pub(super) fn withdraw(&mut self, ticket: Ticket) {
        match ticket.place {
            Place::Nameplate(nameplate) => {
                if self.nameplates.get(&nameplate).is_some_and(|it| it.number == ticket.number) {
                    self.nameplates.remove(&nameplate);
                }
            }
            Place::Channel(channel) => {
                if self.channels.get(&channel).is_some_and(|it| it.1.number == ticket.number) {
                    self.channels.remove(&channel);
                }
            }
        }
    }

    /// Drawn, so that a mistyped number hardly ever is somebody's; of as few digits as leave half
    /// of the numbers free, so that it is short to say and soon drawn. A nameplate is no secret.
    fn free_nameplate(&self, mut draw: impl FnMut() -> u32) -> u32 {
        let count = self.nameplates.len() + 1;
        let largest = |digits: u32| 10_u32.pow(digits) - 1;
        let is_roomy = |digits: &u32| count.saturating_mul(2) <= largest(*digits) as usize;
        let digits = (NAMEPLATE_DIGITS_MIN..NAMEPLATE_DIGITS_MAX).find(is_roomy);
        let largest = largest(digits.unwrap_or(NAMEPLATE_DIGITS_MAX));
        let is_free = |nameplate: &u32| !self.nameplates.contains_key(nameplate);
        // The remainder prefers small numbers by one in 400 at most.
        let drawn = (0..NAMEPLATE_DRAWS_MAX).map(|_| 1 + draw() % largest).find(is_free);
        drawn.or_else(|| (1..=largest).find(is_free)).unwrap_or_else(|| {
            unreachable!("admissions are fewer than the numbers of the most digits")
        })
    }

    fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

/// What counts as one address: a host of IPv4, a network of IPv6, where a host has as many as it
/// likes.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let host_bits = Ipv6Addr::BITS - RELAY_ADDRESS_PREFIX_V6;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> host_bits << host_bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHANNEL: Channel = [7; 32];

    fn counting() -> impl FnMut() -> u32 {
        let mut next = 0;
        move || {
            next += 1;
            next - 1
        }
    }

    fn met<W>(joined: Joined<W>) -> Option<W> {
        match joined {
            Joined::Met(there) => Some(there),
            Joined::Queued { .. } => None,
        }
    }

    fn queued<W>(joined: Joined<W>) -> (Ticket, Option<W>) {
        match joined {
            Joined::Queued { ticket, replaced } => (ticket, replaced),
            Joined::Met(_) => panic!("nobody should be there"),
        }
    }

    #[test]
    fn a_nameplate_is_claimed_once() {
        let mut book = Book::new();
        let (nameplate, ticket) = book.register("sender", counting());
        assert_eq!(nameplate, 1);
        assert_eq!(book.claim(2), None);
        assert_eq!(book.claim(1), Some("sender"));
        assert_eq!(book.claim(1), None);
        let (again, _) = book.register("another", counting());
        assert_eq!(again, nameplate, "free again");
        book.withdraw(ticket);
        assert_eq!(book.claim(again), Some("another"), "an old ticket takes nobody out");
    }

    #[test]
    fn a_sender_that_leaves_takes_its_nameplate_along() {
        let mut book = Book::new();
        let (nameplate, ticket) = book.register((), counting());
        book.withdraw(ticket);
        assert_eq!(book.claim(nameplate), None);
        book.withdraw(ticket);
    }

    #[test]
    fn opposite_roles_meet_at_a_channel_in_either_order() {
        for (first, second) in [(Role::Sender, Role::Receiver), (Role::Receiver, Role::Sender)] {
            let mut book = Book::new();
            let (ticket, replaced) = queued(book.join(first, CHANNEL, "first"));
            assert_eq!(replaced, None);
            queued(book.join(second, [8; 32], "elsewhere"));
            let both = met(book.join(second, CHANNEL, "second"));
            assert_eq!(both, Some("first"));
            queued(book.join(second, CHANNEL, "third"));
            book.withdraw(ticket);
            assert_eq!(met(book.join(first, CHANNEL, "fourth")), Some("third"));
        }
    }

    #[test]
    fn the_newer_connection_of_a_role_has_the_place() {
        let mut book = Book::new();
        let (old, _) = queued(book.join(Role::Sender, CHANNEL, "old"));
        let (_, replaced) = queued(book.join(Role::Sender, CHANNEL, "new"));
        assert_eq!(replaced, Some("old"));
        book.withdraw(old);
        let both = met(book.join(Role::Receiver, CHANNEL, "receiver"));
        assert_eq!(both, Some("new"));
    }

    #[test]
    fn as_many_wait_as_may_in_all_and_from_one_address() {
        let mut book: Book<()> = Book::new();
        let [one, other, third] = [1, 2, 3].map(|host| IpAddr::from([192, 0, 2, host]));
        assert_eq!(book.admit(one, 4, 2), Ok(()));
        assert_eq!(book.admit(one, 4, 2), Ok(()));
        assert_eq!(book.admit(one, 4, 2), Err(RefusalCode::AddressFull));
        assert_eq!(book.admit(other, 4, 2), Ok(()));
        assert_eq!(book.admit(third, 4, 2), Ok(()));
        assert_eq!(book.admit(other, 4, 2), Err(RefusalCode::Full));
        book.release(one);
        assert_eq!(book.admit(one, 4, 2), Ok(()));
        for address in [one, one, other, third] {
            book.release(address);
        }
        assert!(book.addresses.is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn hosts_of_one_network_count_together_where_a_host_has_a_network() {
        let count = |addresses: &[&str]| {
            let mut book: Book<()> = Book::new();
            let admitted =
                addresses.iter().map(|address| book.admit(address.parse().unwrap(), 10, 1).is_ok());
            admitted.collect::<Vec<_>>()
        };
        assert_eq!(count(&["2001:db8::1", "2001:db8::ffff:1"]), [true, false]);
        assert_eq!(count(&["2001:db8::1", "2001:db8:0:1::1"]), [true, true]);
        assert_eq!(count(&["192.0.2.1", "::ffff:192.0.2.1"]), [true, false]);
        assert_eq!(count(&["192.0.2.1", "192.0.2.2"]), [true, true]);
    }

    #[test]
    fn nameplates_are_short_and_grow_as_they_fill() {
        let mut book = Book::new();
        let mut draw = counting();
        let mut digits = |book: &mut Book<()>| book.register((), &mut draw).0.to_string().len();
        let longest = (0..499).map(|_| digits(&mut book)).max();
        assert_eq!(longest, Some(3), "while half of three digits are free");
        let mut far = || 5_000;
        assert_eq!(book.register((), &mut far).0, 5_001, "then four");
    }

    #[test]
    fn a_draw_that_never_finds_a_free_number_is_given_up() {
        let mut book = Book::new();
        let numbers: Vec<u32> = (0..600).map(|_| book.register((), || 0).0).collect();
        assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn no_two_senders_have_one_number(draws in prop::collection::vec(any::<u32>(), 1..300)) {
            let mut book = Book::new();
            let mut given = std::collections::HashSet::new();
            for draw in draws {
                let (nameplate, _) = book.register((), || draw);
                prop_assert!((1..1_000).contains(&nameplate), "{}", nameplate);
                prop_assert!(given.insert(nameplate));
            }
        }
    }
}
