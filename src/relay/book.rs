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
    address: IpAddr,
}

/// Connections of one kind, by the address they come from.
#[derive(Debug, Default)]
struct Census {
    count: usize,
    of_address: HashMap<IpAddr, usize>,
}

/// How many of them there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    pub(super) all: usize,
    pub(super) each_address: usize,
}

/// Everybody who is not paired: those who wait, and those who have not said yet what they want.
/// They are counted apart, so that who is waited for can come to a relay that is full.
#[derive(Debug)]
pub(super) struct Book<W> {
    nameplates: HashMap<u32, Entry<W>>,
    channels: HashMap<Channel, (Role, Entry<W>)>,
    waiting: Census,
    unheard: Census,
    tickets: u64,
    caps: Caps,
}

impl<W> Book<W> {
    /// Nobody; at most so many who wait.
    pub(super) fn new(caps: Caps) -> Book<W> {
        let (waiting, unheard) = (Census::default(), Census::default());
        let (nameplates, channels) = (HashMap::new(), HashMap::new());
        Book { nameplates, channels, waiting, unheard, tickets: 0, caps }
    }

    /// Counts a connection that has said nothing yet. There are as many as a worker takes
    /// connections, but not all of one address.
    pub(super) fn come(&mut self, address: IpAddr) -> Result<(), RefusalCode> {
        self.unheard.add(address, Caps { all: usize::MAX, ..self.caps })
    }

    /// It has been heard, or is gone.
    pub(super) fn heard(&mut self, address: IpAddr) {
        self.unheard.remove(address);
    }

    /// A nameplate for a sender: a short number that nobody has.
    pub(super) fn register(
        &mut self,
        address: IpAddr,
        waiter: W,
        draw: impl FnMut() -> u32,
    ) -> Result<(u32, Ticket), RefusalCode> {
        let entry = self.entry(address, waiter)?;
        let nameplate = self.free_nameplate(draw);
        let ticket = Ticket { place: Place::Nameplate(nameplate), number: entry.number };
        let taken = self.nameplates.insert(nameplate, entry);
        assert!(taken.is_none(), "a nameplate given twice");
        Ok((nameplate, ticket))
    }

    /// Whoever waits at a nameplate, which is used up by this.
    pub(super) fn claim(&mut self, nameplate: u32) -> Option<W> {
        let entry = self.nameplates.remove(&nameplate)?;
        Some(self.take(entry))
    }

    /// The other role at a channel, or a place there.
    pub(super) fn join(
        &mut self,
        role: Role,
        channel: Channel,
        address: IpAddr,
        waiter: W,
    ) -> Result<Joined<W>, RefusalCode> {
        let there = self.channels.remove(&channel);
        let there = there.map(|(its_role, entry)| (its_role, self.take(entry)));
        let replaced = match there {
            Some((its_role, met)) if its_role != role => return Ok(Joined::Met(met)),
            same => same.map(|(_, old)| old),
        };
        let entry = self.entry(address, waiter)?;
        let ticket = Ticket { place: Place::Channel(channel), number: entry.number };
        self.channels.insert(channel, (role, entry));
        Ok(Joined::Queued { ticket, replaced })
    }

    /// Takes an entry out, if it is still there.
    pub(super) fn withdraw(&mut self, ticket: Ticket) {
        let is_its = |entry: &Entry<W>| entry.number == ticket.number;
        let entry = match ticket.place {
            Place::Nameplate(nameplate) => {
                let is_there = self.nameplates.get(&nameplate).is_some_and(is_its);
                is_there.then(|| self.nameplates.remove(&nameplate)).flatten()
            }
            Place::Channel(channel) => {
                let is_there = self.channels.get(&channel).is_some_and(|(_, it)| is_its(it));
                is_there.then(|| self.channels.remove(&channel)).flatten().map(|(_, it)| it)
            }
        };
        entry.map(|entry| self.take(entry));
    }

    /// Who waits from now on.
    fn entry(&mut self, address: IpAddr, waiter: W) -> Result<Entry<W>, RefusalCode> {
        self.waiting.add(address, self.caps)?;
        self.tickets += 1;
        Ok(Entry { waiter, number: self.tickets, address })
    }

    /// Who waits no longer.
    fn take(&mut self, entry: Entry<W>) -> W {
        self.waiting.remove(entry.address);
        entry.waiter
    }

    /// Drawn, so that a mistyped number hardly ever is somebody's; of as few digits as leave half
    /// of the numbers free, so that it is short to say and soon drawn. A nameplate is no secret.
    fn free_nameplate(&self, mut draw: impl FnMut() -> u32) -> u32 {
        // The one that is looked for among them.
        let count = self.nameplates.len() + 1;
        let largest = |digits: u32| 10_u32.pow(digits) - 1;
        let is_roomy = |digits: &u32| count.saturating_mul(2) <= largest(*digits) as usize;
        let digits = (NAMEPLATE_DIGITS_MIN..NAMEPLATE_DIGITS_MAX).find(is_roomy);
        let largest = largest(digits.unwrap_or(NAMEPLATE_DIGITS_MAX));
        let is_free = |nameplate: &u32| !self.nameplates.contains_key(nameplate);
        // The remainder prefers small numbers by one in 400 at most.
        let drawn = (0..NAMEPLATE_DRAWS_MAX).map(|_| 1 + draw() % largest).find(is_free);
        drawn.or_else(|| (1..=largest).find(is_free)).unwrap_or_else(|| {
            unreachable!("fewer may wait than there are numbers of the most digits")
        })
    }
}

impl Census {
    fn add(&mut self, address: IpAddr, caps: Caps) -> Result<(), RefusalCode> {
        let address = household(address);
        if self.count >= caps.all {
            return Err(RefusalCode::Full);
        }
        if self.of_address.get(&address).is_some_and(|count| *count >= caps.each_address) {
            return Err(RefusalCode::AddressFull);
        }
        self.count += 1;
        *self.of_address.entry(address).or_default() += 1;
        Ok(())
    }

    fn remove(&mut self, address: IpAddr) {
        let hash_map::Entry::Occupied(mut count) = self.of_address.entry(household(address)) else {
            unreachable!("counted out and never in")
        };
        self.count -= 1;
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// What counts as one address: a host of IPv4, a network of IPv6, where a host has as many as it
/// likes.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let host_bits = Ipv6Addr::BITS - RELAY_ADDRESS_PREFIX_V6;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> host_bits << host_bits))
        }
    }
}

#[cfg(test)]
mod tests;
