//! So many lines a second and no more; the next line says how many were left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lets some events of each second pass.
#[derive(Debug)]
pub(super) struct Throttle {
    per_second: u32,
    began: Instant,
    /// The second that is being counted in its upper half, its events in the lower.
    window: AtomicU64,
    left_out: AtomicU64,
}

impl Throttle {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, began: Instant::now(), window: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// `None`: leave this one out. Else how many were left out since the last that passed.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(self.began.elapsed().as_secs())
    }

    fn pass_at(&self, second: u64) -> Option<u64> {
        let next = |window: u64| if window >> 32 == second { window + 1 } else { (second << 32) + 1 };
        let before =
            self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| Some(next(window)));
        let count = next(before.unwrap_or_else(|window| window)) & u64::from(u32::MAX);
        if count > u64::from(self.per_second) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_many_it_left_out() {
        let throttle = Throttle::new(2);
        let passed = |second| throttle.pass_at(second);
        assert_eq!([passed(0), passed(0), passed(0), passed(0)], [Some(0), Some(0), None, None]);
        assert_eq!([passed(1), passed(1), passed(1)], [Some(2), Some(0), None]);
        assert_eq!(passed(7), Some(1));
    }
}
