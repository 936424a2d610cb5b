//! How fast a ledger is written: as fast as it can, or as many coupons a second as somebody has set, so that other users
//! of the database are not crowded out.
//!
//! A batch is written as a whole and at once; what it costs is waited for before the next. So nobody waits in a
//! transaction, no time that was idle is made up for, and a burst is never larger than one batch of each partition that is
//! read here (their readers may begin at once, and pay for all), which the rate makes smaller (ARCHITECTURE J1 forbids to
//! cut one that was read).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firstcome_shared::event_log::Budget;
use firstcome_shared::projection::Allowance;
use tokio::time::Instant;

/// No coupon takes fewer bytes of a message.
const COUPON_BYTES: u64 = 48;
/// A batch is at most what the rate allows in this part of a second.
const PART: u64 = 2;
/// A batch is never made smaller than by so many halvings.
#[cfg(feature = "cluster")]
const MOST_HALVINGS: u32 = 12;

/// The pace of one ledger, whatever its partitions.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Coupons a second; 0: no limit.
    rate: u64,
    /// When what was written is paid for.
    free: Option<Instant>,
    /// How often batches were halved because one took too long.
    halvings: u32,
}

impl Pace {
    pub(super) fn rate(&self) -> u64 {
        self.state().rate
    }

    /// Sets the rate; what is still to be waited for is waited for at the new one.
    pub(super) fn set_rate(&self, rate: u64) {
        self.state().set_rate(rate, Instant::now());
    }

    /// What the next batch may be.
    pub(super) fn allowance(&self, most: Budget) -> Allowance {
        self.state().allowance(most, Instant::now())
    }

    /// So many coupons were written, since `began`.
    pub(super) fn wrote(&self, coupons: u64, began: Instant) {
        self.state().wrote(coupons, began);
    }

    /// A batch took so long that it was given up: smaller ones may come through.
    #[cfg(feature = "cluster")]
    pub(super) fn gave_up(&self) {
        let mut state = self.state();
        state.halvings = (state.halvings + 2).min(MOST_HALVINGS);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn set_rate(&mut self, rate: u64, now: Instant) {
        let owed = self.owed(now).as_nanos().saturating_mul(self.rate.into());
        self.free = owed.checked_div(rate.into()).and_then(|nanos| now.checked_add(duration(nanos)));
        self.rate = rate;
    }

    fn allowance(&self, most: Budget, now: Instant) -> Allowance {
        let paced = match self.rate {
            0 => most.bytes,
            rate => {
                let bytes = (rate / PART).max(1).saturating_mul(COUPON_BYTES);
                most.bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX))
            }
        };
        let most = Budget {
            messages: (most.messages >> self.halvings).max(1),
            bytes: paced.min(most.bytes >> self.halvings).max(1),
        };
        Allowance { wait: self.owed(now), most }
    }

    fn wrote(&mut self, coupons: u64, began: Instant) {
        self.halvings = self.halvings.saturating_sub(1);
        let cost = u128::from(coupons).saturating_mul(1_000_000_000).checked_div(self.rate.into());
        if let Some(cost) = cost {
            let from = self.free.map_or(began, |free| free.max(began));
            self.free = from.checked_add(duration(cost));
        }
    }

    fn owed(&self, now: Instant) -> Duration {
        self.free.map_or(Duration::ZERO, |free| free.saturating_duration_since(now))
    }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Budget = Budget { messages: 4_096, bytes: 8 << 20 };

    fn wait(state: &State, now: Instant) -> Duration {
        state.allowance(MOST, now).wait
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let (mut state, now) = (State::default(), Instant::now());
        state.wrote(1_000_000, now);
        assert_eq!(wait(&state, now), Duration::ZERO);
        assert_eq!(state.allowance(MOST, now).most.bytes, MOST.bytes);
    }

    #[test]
    fn a_batch_is_paid_for_before_the_next_and_idle_time_is_not_made_up_for() {
        let (mut state, begun) = (State::default(), Instant::now());
        state.set_rate(100, begun);
        assert_eq!(wait(&state, begun), Duration::ZERO, "the first goes at once");
        state.wrote(150, begun);
        assert_eq!(wait(&state, begun), seconds(1.5));
        assert_eq!(wait(&state, begun + seconds(1.0)), seconds(0.5));
        // Written while the one before was not paid for: both are.
        state.wrote(50, begun + seconds(1.0));
        assert_eq!(wait(&state, begun + seconds(1.0)), seconds(1.0));
        let later = begun + seconds(60.0);
        assert_eq!(wait(&state, later), Duration::ZERO);
        state.wrote(100, later);
        assert_eq!(wait(&state, later), seconds(1.0), "a minute of rest buys nothing");
    }

    #[test]
    fn another_rate_counts_at_once() {
        let (mut state, now) = (State::default(), Instant::now());
        state.set_rate(10, now);
        state.wrote(1_000, now);
        assert_eq!(wait(&state, now), seconds(100.0));
        state.set_rate(1_000, now);
        assert_eq!(wait(&state, now), seconds(1.0));
        state.set_rate(0, now);
        assert_eq!((wait(&state, now), state.rate), (Duration::ZERO, 0));
        state.set_rate(10, now);
        assert_eq!(wait(&state, now), Duration::ZERO, "what was forgiven stays forgiven");
        state.set_rate(u64::MAX, now);
        state.wrote(u64::MAX, now);
        assert!(wait(&state, now) <= seconds(1.0));
    }

    #[test]
    fn a_low_rate_makes_batches_small() {
        let (mut state, now) = (State::default(), Instant::now());
        state.set_rate(1_000, now);
        assert_eq!(state.allowance(MOST, now).most.bytes, 500 * 48);
        state.set_rate(1, now);
        assert_eq!(state.allowance(MOST, now).most.bytes, 48);
        state.set_rate(u64::MAX, now);
        assert_eq!(state.allowance(MOST, now).most.bytes, MOST.bytes);
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn a_batch_that_was_given_up_comes_again_smaller_and_grows_back() {
        let pace = Pace::default();
        let most = || pace.allowance(MOST).most;
        pace.gave_up();
        assert_eq!((most().bytes, most().messages), (2 << 20, 1_024));
        for _ in 0..20 {
            pace.gave_up();
        }
        assert_eq!((most().bytes, most().messages), (2 << 10, 1));
        for _ in 0..12 {
            pace.wrote(1, Instant::now());
        }
        assert_eq!((most().bytes, most().messages), (MOST.bytes, MOST.messages));
    }
}
