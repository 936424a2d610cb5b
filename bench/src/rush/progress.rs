//! How a rush goes, while it goes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::answers::{Again, Answer};
use crate::load::per_second;
use crate::text::{rate, thousands};

/// A rush at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Since the beginning.
    pub elapsed: Duration,
    /// Asks sent; a repetition of one is not another.
    pub asked: u64,
    /// Told of a new coupon.
    pub issued: u64,
    /// Told again of the coupon they had.
    pub already_issued: u64,
    /// Told that all are taken.
    pub sold_out: u64,
    /// Refused otherwise.
    pub refused: u64,
    /// How often people had to ask again.
    pub again: Again,
    /// Requests that are being answered now.
    pub in_flight: u64,
    /// New coupons a second, over the last second.
    pub issued_per_second: f64,
    /// Clear answers of any kind a second, over the last second.
    pub answers_per_second: f64,
}

/// One line of counts: `6,866 asked · 5,000 issued · 1,200 sold out · 1,614 answers/s`, and behind it what went wrong.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} asked · {} issued · {} sold out · {} answers/s",
            thousands(self.asked),
            thousands(self.issued),
            thousands(self.sold_out),
            rate(self.answers_per_second)
        )?;
        let Again { busy, unavailable, cut, not_open } = self.again;
        for (count, what) in
            [(not_open, "too early"), (busy + unavailable + cut, "told nothing"), (self.refused, "refused")]
        {
            if count > 0 {
                write!(f, " · {} {what}", thousands(count))?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    asked: AtomicU64,
    issued: AtomicU64,
    already_issued: AtomicU64,
    sold_out: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) not_open: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn asked(&self) {
        add(&self.asked);
    }

    pub(super) fn sent(&self) {
        add(&self.in_flight);
    }

    pub(super) fn came_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn told(&self, answer: &Answer) {
        match answer {
            Answer::Issued(_) => add(&self.issued),
            Answer::AlreadyIssued(_) => add(&self.already_issued),
            Answer::SoldOut => add(&self.sold_out),
            Answer::Refused(_) => add(&self.refused),
            Answer::Unanswered => {}
        }
    }

    pub(super) fn again(&self) -> Again {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Again {
            busy: read(&self.busy),
            unavailable: read(&self.unavailable),
            cut: read(&self.cut),
            not_open: read(&self.not_open),
        }
    }
}

/// Reads the counters and knows what they were a second ago.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    past: VecDeque<(Duration, u64, u64)>,
}

impl Meter {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, past: VecDeque::from([(Duration::ZERO, 0, 0)]) }
    }

    pub(super) fn read(&mut self, counters: &Counters) -> Progress {
        let elapsed = self.began.elapsed();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut progress = Progress {
            elapsed,
            asked: read(&counters.asked),
            issued: read(&counters.issued),
            already_issued: read(&counters.already_issued),
            sold_out: read(&counters.sold_out),
            refused: read(&counters.refused),
            again: counters.again(),
            in_flight: read(&counters.in_flight),
            ..Progress::default()
        };
        let answers = progress.issued + progress.already_issued + progress.sold_out + progress.refused;
        while self.past.len() > 1 && self.past[1].0 + Duration::from_secs(1) <= elapsed {
            self.past.pop_front();
        }
        if let Some((then, issued, answered)) = self.past.front().copied() {
            let span = elapsed.saturating_sub(then);
            progress.issued_per_second = per_second(progress.issued.saturating_sub(issued), span);
            progress.answers_per_second = per_second(answers.saturating_sub(answered), span);
        }
        self.past.push_back((elapsed, progress.issued, answers));
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_went_wrong_only_when_something_did() {
        let mut progress = Progress {
            asked: 6_866,
            issued: 5_000,
            sold_out: 1_200,
            answers_per_second: 1_614.4,
            ..Progress::default()
        };
        let line = "6,866 asked · 5,000 issued · 1,200 sold out · 1,614 answers/s";
        assert_eq!(progress.to_string(), line);
        progress.again = Again { busy: 2, cut: 1, ..Again::default() };
        assert_eq!(progress.to_string(), format!("{line} · 3 told nothing"));
    }
}
