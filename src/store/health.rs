//! Whether the volume takes writes. One per process: what one worker learns, all of them know.
//!
//! ```text
//!                  broke                     broke, the third in a row
//!       ┌────────┐ ─────► ┌─────────┐ ─────────────────────────────► ┌────────┐
//!   ──► │ Sound  │        │ Suspect │ ─┐ broke                       │ Failed │
//!       └────────┘ ◄───── └─────────┘ ◄┘                             └────────┘
//!          │ ▲     worked      │ gone                                 ▲ ▲   │
//!          │ │                 └──────────────────────────────────────┘ │   │
//!          │ │ gone                                                     │   │
//!          └─┼──────────────────────────────────────────────────────────┘   │
//!            └──────────────────────────────────────────────────────────────┘
//!                                 a probe worked
//! ```
//!
//! - *Broke* is an object lost to a failed write or sync; *gone* is a volume that is read-only or
//!   no longer there, where counting would only lose more uploads. A full disk is neither.
//! - *Worked* is an object published. It leads nobody out of `Failed`: it began before.
//! - `Failed` ends by a probe alone (`caretaker.rs`), which the one who failed it begins.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::limits::VOLUME_FAILURES_MAX;

/// What is known of the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// The last thing heard of it was good.
    #[default]
    Sound,
    /// So many objects were lost in a row.
    Suspect(u8),
    /// It takes no uploads.
    Failed,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An object was published.
    Worked,
    /// An object was lost to a failed write or sync.
    Broke,
    /// It is read-only, or not there.
    Gone,
    /// A probe wrote and synced a file.
    Probed,
}

impl Condition {
    /// What it becomes; `None` for what cannot happen.
    fn after(self, event: Event) -> Option<Condition> {
        match (self, event) {
            (Condition::Sound | Condition::Suspect(_), Event::Worked)
            | (Condition::Failed, Event::Probed) => Some(Condition::Sound),
            (Condition::Sound, Event::Broke) => Some(Condition::Suspect(1)),
            (Condition::Suspect(count), Event::Broke) if count + 1 < VOLUME_FAILURES_MAX => {
                Some(Condition::Suspect(count + 1))
            }
            (Condition::Suspect(_), Event::Broke)
            | (Condition::Sound | Condition::Suspect(_), Event::Gone)
            | (Condition::Failed, Event::Worked | Event::Broke | Event::Gone) => {
                Some(Condition::Failed)
            }
            // Nobody probes a volume that has not failed.
            (Condition::Sound | Condition::Suspect(_), Event::Probed) => None,
        }
    }
}

/// The volume's condition, and why it failed if it did.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// What every upload looks at: whether there is anything in the book but `Sound`, and whether
    /// that is `Failed`. Written under the book's lock.
    is_doubtful: AtomicBool,
    has_failed: AtomicBool,
    /// The truth. Locked when something breaks or heals, never on the way of an upload that works.
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    condition: Condition,
    cause: String,
}

impl Health {
    /// Whether uploads are refused.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Why, while they are.
    pub(super) fn failure(&self) -> Option<String> {
        let book = self.book();
        (book.condition == Condition::Failed).then(|| book.cause.clone())
    }

    /// An object was published.
    pub(super) fn worked(&self) {
        if self.is_doubtful.load(Ordering::Relaxed) {
            self.learn(Event::Worked, "");
        }
    }

    /// Notes an event; whether it was the one that failed the volume, or healed it. `cause` is kept
    /// when it failed.
    pub(super) fn learn(&self, event: Event, cause: &str) -> bool {
        let mut book = self.book();
        let Some(next) = book.condition.after(event) else { return false };
        let before = std::mem::replace(&mut book.condition, next);
        let has_failed = next == Condition::Failed;
        let has_turned = has_failed != (before == Condition::Failed);
        if has_failed && has_turned {
            cause.clone_into(&mut book.cause);
        }
        self.is_doubtful.store(next != Condition::Sound, Ordering::Relaxed);
        self.has_failed.store(has_failed, Ordering::Relaxed);
        has_turned
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operator can do about a volume that failed with `errno`.
pub(super) fn remedy(errno: Option<i32>) -> &'static str {
    match errno {
        Some(libc::EROFS) => {
            "mount it read-write again, after a look at the kernel log for why it was not"
        }
        Some(
            libc::ENOENT | libc::ENOTDIR | libc::EXDEV | libc::ENODEV | libc::ENXIO | libc::ESTALE,
        ) => "bring the root directory back as it was, or restart the daemon on what is there now",
        Some(libc::EACCES | libc::EPERM) => "give the daemon's user the root directory again",
        _ => "look at the kernel log, check the drive and the filesystem, restart afterwards",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_in_every_condition_leads_where_the_drawing_says() {
        use Condition::{Failed, Sound, Suspect};
        use Event::{Broke, Gone, Probed, Worked};

        let conditions = [Sound, Suspect(1), Suspect(2), Failed];
        let expected = [
            (Worked, [Some(Sound), Some(Sound), Some(Sound), Some(Failed)]),
            (Broke, [Some(Suspect(1)), Some(Suspect(2)), Some(Failed), Some(Failed)]),
            (Gone, [Some(Failed); 4]),
            (Probed, [None, None, None, Some(Sound)]),
        ];
        assert_eq!(VOLUME_FAILURES_MAX, 3, "the table is written for three");
        for (event, row) in expected {
            for (condition, next) in conditions.into_iter().zip(row) {
                assert_eq!(condition.after(event), next, "{condition:?} {event:?}");
            }
        }
    }

    #[test]
    fn three_objects_lost_in_a_row_fail_the_volume_and_a_success_between_does_not() {
        let health = Health::default();
        for _ in 0..5 {
            assert!(!health.learn(Event::Broke, "sync: EIO"));
            assert!(!health.learn(Event::Broke, "sync: EIO"));
            health.worked();
        }
        assert!(!health.has_failed());
        assert!(!health.learn(Event::Broke, "one"));
        assert!(!health.learn(Event::Broke, "two"));
        assert!(health.learn(Event::Broke, "three"), "one of them fails it");
        assert!(!health.learn(Event::Broke, "four"), "and no other");
        health.worked();
        assert_eq!(health.failure().as_deref(), Some("three"));
    }

    #[test]
    fn a_probe_alone_heals_a_failed_volume() {
        let health = Health::default();
        assert!(!health.learn(Event::Probed, ""));
        assert!(health.learn(Event::Gone, "read-only"));
        assert!(health.has_failed());
        assert!(health.learn(Event::Probed, ""));
        assert!(!health.has_failed());
        assert_eq!(health.failure(), None);
        assert!(!health.learn(Event::Broke, ""), "and counting begins anew");
    }
}
