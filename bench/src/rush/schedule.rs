//! Who asks when. The asks of a rush stand in lanes: a connection takes from one lane only, so that the copies of one
//! ask, each in a lane of its own, go over different connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Pace;
use crate::load::{Pacer, float};

/// The second click follows the first after this.
const DOUBLE_CLICK: Duration = Duration::from_millis(120);

/// One ask: who, and when from the beginning of the rush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) person: u32,
    pub(super) due: Duration,
}

/// Asks in the order of their time, taken by several connections.
#[derive(Debug)]
pub(super) struct Lane {
    asks: Arc<[Ask]>,
    next: AtomicUsize,
    /// Absent in a closed loop.
    pacer: Option<Pacer>,
}

impl Lane {
    /// When the next ask is due that nobody has taken.
    pub(super) fn peek(&self) -> Option<Duration> {
        self.asks.get(self.next.load(Ordering::Relaxed)).map(|ask| ask.due)
    }

    /// Takes the next ask and waits until its time has come.
    pub(super) async fn take(&self) -> Option<Ask> {
        let ask = *self.asks.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        if let Some(pacer) = &self.pacer {
            pacer.turn().await;
        }
        Some(ask)
    }

    /// Whether times are given, or everybody asks as soon as a connection is free.
    pub(super) fn is_paced(&self) -> bool {
        self.pacer.is_some()
    }

    pub(super) fn last_due(&self) -> Option<Duration> {
        self.asks.last().map(|ask| ask.due)
    }
}

/// The lanes of a rush, one for each copy.
pub(super) fn lanes(
    began: Instant,
    people: u32,
    copies: u32,
    double_click_every: Option<u32>,
    pace: Pace,
) -> Vec<Lane> {
    (0..copies)
        .map(|copy| {
            let double = double_click_every.filter(|_| copy == 0);
            let asks: Arc<[Ask]> = asks(people, double, pace).into();
            let pacer = (pace != Pace::AtOnce).then(|| {
                let asks = Arc::clone(&asks);
                Pacer::start(began, move |turn| asks.get(turn).map(|ask| ask.due))
            });
            Lane { asks, next: AtomicUsize::new(0), pacer }
        })
        .collect()
}

fn asks(people: u32, double_click_every: Option<u32>, pace: Pace) -> Vec<Ask> {
    let mut asks = Vec::with_capacity(people as usize + people as usize / 16);
    for person in 0..people {
        let due = arrival(person, people, pace);
        asks.push(Ask { person, due });
        if double_click_every.is_some_and(|every| person % every == every - 1) {
            let after = if pace == Pace::AtOnce { Duration::ZERO } else { DOUBLE_CLICK };
            asks.push(Ask { person, due: due + after });
        }
    }
    asks.sort_by_key(|ask| ask.due);
    asks
}

fn arrival(person: u32, people: u32, pace: Pace) -> Duration {
    match pace {
        Pace::AtOnce => Duration::ZERO,
        Pace::Rate(rate) => Duration::from_secs_f64(f64::from(person) / rate),
        // The number of people who have come grows with the square of time: the crowd swells evenly.
        Pace::Ramp(over) => over.mul_f64((float(person.into()) / float(people.max(1).into())).sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_swells_and_keeps_within_its_time() {
        let over = Duration::from_secs(20);
        let asks = asks(1_000, None, Pace::Ramp(over));
        let by = |seconds| asks.iter().filter(|ask| ask.due < Duration::from_secs(seconds)).count();
        assert_eq!(asks.len(), 1_000);
        assert!(asks.is_sorted_by_key(|ask| ask.due));
        assert_eq!((by(10), by(20)), (250, 1_000));
    }

    #[test]
    fn some_click_twice_and_the_second_click_comes_later() {
        let asks = asks(100, Some(10), Pace::Rate(100.0));
        let ninth: Vec<_> = asks.iter().filter(|ask| ask.person == 9).map(|ask| ask.due).collect();
        assert_eq!(asks.len(), 110);
        assert_eq!(ninth, [Duration::from_millis(90), Duration::from_millis(210)]);
    }

    #[tokio::test]
    async fn every_lane_has_everybody() {
        let lanes = lanes(Instant::now(), 3, 2, None, Pace::AtOnce);
        for lane in &lanes {
            let mut people = Vec::new();
            while let Some(ask) = lane.take().await {
                people.push(ask.person);
            }
            assert_eq!(people, [0, 1, 2]);
        }
        assert_eq!(lanes.len(), 2);
    }
}
