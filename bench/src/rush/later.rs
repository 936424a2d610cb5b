//! People who will ask again: after "not yet open", "busy", or no answer. They wait here and not on a connection, so
//! that those who come meanwhile are served.

use std::cmp::Ordering as Order;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::load::micros;

/// A person who asks again. All times count from the beginning of the rush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// When to ask.
    pub(super) due: Duration,
    /// Since when this person waits for an answer: what latency is measured from.
    pub(super) since: Duration,
    /// Who.
    pub(super) person: u32,
    /// How often this person was told nothing clear.
    pub(super) tries: u32,
    /// Told only that it is not open yet.
    pub(super) early: bool,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Order {
        // The heap gives its greatest first: that is the earliest.
        (other.due, other.person, other.tries).cmp(&(self.due, self.person, self.tries))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

/// The people who wait, earliest first.
#[derive(Debug)]
pub(super) struct Later {
    heap: Mutex<BinaryHeap<Waiting>>,
    /// Microseconds of the earliest, so that nobody takes the lock to find nothing. `u64::MAX`: nobody waits.
    earliest: AtomicU64,
}

impl Default for Later {
    fn default() -> Self {
        Self { heap: Mutex::default(), earliest: AtomicU64::new(u64::MAX) }
    }
}

impl Later {
    /// Somebody waits.
    pub(super) fn push(&self, waiting: Waiting) {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        heap.push(waiting);
        self.note(&heap);
    }

    /// Takes the earliest, if due no later than that.
    pub(super) fn pop_before(&self, limit: Duration) -> Option<Waiting> {
        if self.earliest.load(Ordering::Acquire) > micros(limit) {
            return None;
        }
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        if heap.peek().is_none_or(|first| first.due > limit) {
            return None;
        }
        let first = heap.pop();
        self.note(&heap);
        first
    }

    fn note(&self, heap: &BinaryHeap<Waiting>) {
        let earliest = heap.peek().map_or(u64::MAX, |first| micros(first.due));
        self.earliest.store(earliest, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_earliest_first_and_nobody_too_early() {
        let later = Later::default();
        let at = Duration::from_millis;
        for (person, due) in [(1, 30), (2, 10), (3, 20)] {
            let since = Duration::ZERO;
            later.push(Waiting { due: at(due), since, person, tries: 0, early: false });
        }
        assert_eq!(later.pop_before(at(9)), None);
        let order: Vec<u32> =
            std::iter::from_fn(|| later.pop_before(at(25))).map(|waiting| waiting.person).collect();
        assert_eq!(order, [2, 3]);
        assert_eq!(later.pop_before(Duration::MAX).map(|waiting| waiting.person), Some(1));
        assert_eq!(later.pop_before(Duration::MAX), None);
    }
}
