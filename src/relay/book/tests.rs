//! Tests of the book: who is found, who is not any more, who is one too many.

use proptest::prelude::*;

use super::*;

const CHANNEL: Channel = [7; 32];
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn roomy<W>() -> Book<W> {
    Book::new(Caps { all: 1_000, each_address: 1_000 })
}

fn counting() -> impl FnMut() -> u32 {
    let mut next = 0;
    move || {
        next += 1;
        next - 1
    }
}

fn met<W>(joined: Result<Joined<W>, RefusalCode>) -> Option<W> {
    match joined.unwrap() {
        Joined::Met(there) => Some(there),
        Joined::Queued { .. } => None,
    }
}

fn queued<W>(joined: Result<Joined<W>, RefusalCode>) -> (Ticket, Option<W>) {
    match joined.unwrap() {
        Joined::Queued { ticket, replaced } => (ticket, replaced),
        Joined::Met(_) => panic!("nobody should be there"),
    }
}

#[test]
fn a_nameplate_is_claimed_once() {
    let mut book = roomy();
    let (nameplate, ticket) = book.register(HERE, "sender", counting()).unwrap();
    assert_eq!(nameplate, 1);
    assert_eq!(book.claim(2), None);
    assert_eq!(book.claim(1), Some("sender"));
    assert_eq!(book.claim(1), None);
    let (again, _) = book.register(HERE, "another", counting()).unwrap();
    assert_eq!(again, nameplate, "free again");
    book.withdraw(ticket);
    assert_eq!(book.claim(again), Some("another"), "an old ticket takes nobody out");
}

#[test]
fn a_sender_that_leaves_takes_its_nameplate_along() {
    let mut book = roomy();
    let (nameplate, ticket) = book.register(HERE, (), counting()).unwrap();
    book.withdraw(ticket);
    assert_eq!(book.claim(nameplate), None);
    book.withdraw(ticket);
    assert_eq!(book.waiting.count, 0);
}

#[test]
fn opposite_roles_meet_at_a_channel_in_either_order() {
    for (first, second) in [(Role::Sender, Role::Receiver), (Role::Receiver, Role::Sender)] {
        let mut book = roomy();
        let (ticket, replaced) = queued(book.join(first, CHANNEL, HERE, "first"));
        assert_eq!(replaced, None);
        queued(book.join(second, [8; 32], HERE, "elsewhere"));
        assert_eq!(met(book.join(second, CHANNEL, HERE, "second")), Some("first"));
        queued(book.join(second, CHANNEL, HERE, "third"));
        book.withdraw(ticket);
        assert_eq!(met(book.join(first, CHANNEL, HERE, "fourth")), Some("third"));
        assert_eq!(book.waiting.count, 1, "the one that is elsewhere");
    }
}

#[test]
fn the_newer_connection_of_a_role_has_the_place() {
    let mut book = Book::new(Caps { all: 1, each_address: 1 });
    let (old, _) = queued(book.join(Role::Sender, CHANNEL, HERE, "old"));
    let (_, replaced) = queued(book.join(Role::Sender, CHANNEL, HERE, "new"));
    assert_eq!(replaced, Some("old"), "and is no further one");
    book.withdraw(old);
    assert_eq!(met(book.join(Role::Receiver, CHANNEL, HERE, "receiver")), Some("new"));
}

#[test]
fn as_many_wait_as_may_in_all_and_from_one_address() {
    let mut book = Book::new(Caps { all: 4, each_address: 2 });
    let [one, other, third] = [1, 2, 3].map(|host| IpAddr::from([192, 0, 2, host]));
    let mut draw = counting();
    let mut register = |book: &mut Book<()>, address| book.register(address, (), &mut draw);
    let (first, _) = register(&mut book, one).unwrap();
    let (_, second) = register(&mut book, one).unwrap();
    assert_eq!(register(&mut book, one), Err(RefusalCode::AddressFull));
    register(&mut book, other).unwrap();
    register(&mut book, third).unwrap();
    assert_eq!(register(&mut book, other), Err(RefusalCode::Full));
    let refused = book.join(Role::Sender, CHANNEL, other, ());
    assert_eq!(refused.err(), Some(RefusalCode::Full));
    assert_eq!(book.claim(first), Some(()), "who is waited for comes to a full book");
    register(&mut book, one).unwrap();
    book.withdraw(second);
    register(&mut book, one).unwrap();
}

#[test]
fn a_full_book_still_brings_those_together_who_wait() {
    let mut book = Book::new(Caps { all: 1, each_address: 1 });
    queued(book.join(Role::Sender, CHANNEL, HERE, "sender"));
    assert!(book.join(Role::Sender, [8; 32], HERE, "too many").is_err());
    assert_eq!(met(book.join(Role::Receiver, CHANNEL, HERE, "receiver")), Some("sender"));
}

#[test]
fn who_says_nothing_takes_no_place_of_others() {
    let mut book: Book<()> = Book::new(Caps { all: 1, each_address: 2 });
    let [one, other] = [1, 2].map(|host| IpAddr::from([192, 0, 2, host]));
    assert_eq!([one, one].map(|address| book.come(address)), [Ok(()), Ok(())]);
    assert_eq!(book.come(one), Err(RefusalCode::AddressFull));
    assert_eq!(book.come(other), Ok(()));
    assert!(book.register(one, (), || 0).is_ok());
    book.heard(one);
    assert_eq!(book.come(one), Ok(()));
    for address in [one, one, other] {
        book.heard(address);
    }
    assert!(book.unheard.of_address.is_empty(), "nothing is kept of who has left");
}

#[test]
fn hosts_of_one_network_count_together_where_a_host_has_a_network() {
    let count = |addresses: [&str; 2]| {
        let mut book: Book<()> = Book::new(Caps { all: 10, each_address: 1 });
        addresses.map(|address| book.come(address.parse().unwrap()).is_ok())
    };
    assert_eq!(count(["2001:db8::1", "2001:db8::ffff:1"]), [true, false]);
    assert_eq!(count(["2001:db8::1", "2001:db8:0:1::1"]), [true, true]);
    assert_eq!(count(["192.0.2.1", "::ffff:192.0.2.1"]), [true, false]);
    assert_eq!(count(["192.0.2.1", "192.0.2.2"]), [true, true]);
}

#[test]
fn nameplates_are_short_and_grow_as_they_fill() {
    let mut book = roomy();
    let mut draw = counting();
    let mut digits =
        |book: &mut Book<()>| book.register(HERE, (), &mut draw).unwrap().0.to_string().len();
    let longest = (0..499).map(|_| digits(&mut book)).max();
    assert_eq!(longest, Some(3), "while half of three digits are free");
    assert_eq!(book.register(HERE, (), || 5_000).unwrap().0, 5_001, "then four");
}

#[test]
fn a_draw_that_never_finds_a_free_number_is_given_up() {
    let mut book = roomy();
    let numbers: Vec<u32> = (0..600).map(|_| book.register(HERE, (), || 0).unwrap().0).collect();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn no_two_senders_have_one_number(draws in prop::collection::vec(any::<u32>(), 1..300)) {
        let mut book = roomy();
        let mut given = std::collections::HashSet::new();
        for draw in draws {
            let (nameplate, _) = book.register(HERE, (), || draw).unwrap();
            prop_assert!((1..1_000).contains(&nameplate), "{}", nameplate);
            prop_assert!(given.insert(nameplate));
        }
    }
}
