//! Numbers for the runs of this process: a root caller gives each run uids of its own by them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

static TAKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn taken() -> MutexGuard<'static, BTreeSet<u32>> {
    // Every change is a single insert or remove.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number no other run has, as long as this lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// The lowest that is free.
    pub(crate) fn take() -> Slot {
        let mut taken = taken();
        let free = (0..).find(|number| !taken.contains(number));
        let number = free.unwrap_or_default();
        taken.insert(number);
        Slot(number)
    }

    pub(crate) fn number(&self) -> u32 {
        self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        taken().remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_at_once_are_the_same() {
        let (one, two) = (Slot::take(), Slot::take());
        assert_ne!(one, two);
        let number = one.number();
        drop(one);
        assert_eq!(Slot::take().number(), number, "it is free again");
    }
}
