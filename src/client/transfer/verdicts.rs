//! What became of each file at the sender: told once, whatever is said again over another line.

use std::sync::{Mutex, PoisonError};

/// One file's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has it, and it is what was sent.
    Matched,
    /// It could not be sent as it was offered.
    Spoiled,
}

/// The fates of all entries.
#[derive(Debug)]
pub(super) struct Verdicts(Mutex<Vec<Option<Verdict>>>);

impl Verdicts {
    pub(super) fn new(count: usize) -> Verdicts {
        Verdicts(Mutex::new(vec![None; count]))
    }

    /// Notes it; whether nothing was said of the file before. A spoiled file stays so.
    pub(super) fn note(&self, file: u32, verdict: Verdict) -> bool {
        // Nothing in here panics halfway.
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fates.get_mut(file as usize) {
            Some(fate @ None) => {
                *fate = Some(verdict);
                true
            }
            Some(Some(_)) | None => false,
        }
    }

    /// Files that have one.
    pub(super) fn count(&self, verdict: Option<Verdict>) -> usize {
        let fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fates.iter().filter(|fate| **fate == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_is_noted_once() {
        let verdicts = Verdicts::new(2);
        assert!(verdicts.note(1, Verdict::Spoiled));
        assert!(!verdicts.note(1, Verdict::Matched));
        assert!(!verdicts.note(2, Verdict::Matched), "there is no such file");
        assert_eq!(verdicts.count(Some(Verdict::Spoiled)), 1);
        assert_eq!(verdicts.count(None), 1);
    }
}
