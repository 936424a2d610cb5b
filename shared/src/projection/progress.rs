//! How far a projection has come, for those who wait for it (`at_least`), watch it (lag) or show it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::watch;

use super::{Delivery, Parked};
use crate::clock::{Clock, Millis};
use crate::domain::CampaignId;
use crate::event_log::EventLog;
use crate::position::Position;
use crate::telemetry::{APPLIED_MESSAGES_TOTAL, APPLY_SECONDS, VISIBLE_SECONDS};
use crate::wire::ProjectionView;

/// The progress of one projection in this process. Written by its reader, read by everybody.
#[derive(Debug)]
pub struct Progress {
    name: &'static str,
    sequences: watch::Sender<Vec<u64>>,
    /// One a partition.
    notes: Mutex<Vec<Notes>>,
    forgot: AtomicBool,
    counted: OnceLock<Counted>,
}

/// What is counted of the messages that are applied here. Known with the first of them: metrics are installed by then.
struct Counted {
    messages: Counter,
    apply: Histogram,
    visible: Histogram,
}

impl Counted {
    fn new(projection: &'static str) -> Self {
        Self {
            messages: counter!(APPLIED_MESSAGES_TOTAL, "projection" => projection),
            apply: histogram!(APPLY_SECONDS, "projection" => projection),
            visible: histogram!(VISIBLE_SECONDS, "projection" => projection),
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

#[derive(Debug, Default)]
struct Notes {
    /// From which message on each parked campaign waits.
    parked: BTreeMap<CampaignId, u64>,
    stalled: Option<Stall>,
    /// Messages behind, and the age of the first of them in seconds, when it was last known.
    lag: (u64, f64),
    /// The log answered when it was last asked for that.
    knows_lag: bool,
}

/// What stands in a reader's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The store is away, or does not take what it must.
    Store,
    /// The log is not the one that was read before (ARCHITECTURE L7).
    Forgot,
    /// The log is away, or another reader has taken over.
    Other,
}

/// What a partition's reader met.
#[derive(Debug)]
struct Stall {
    reason: String,
    obstacle: Obstacle,
    /// How far the partition was read then.
    at: u64,
}

impl Stall {
    fn is_forgot(&self) -> bool {
        self.obstacle == Obstacle::Forgot
    }
}

impl Progress {
    /// Nothing read yet of that many partitions.
    pub fn new(name: &'static str, partitions: u32) -> Self {
        let count = usize::try_from(partitions).unwrap_or(1);
        let sequences = vec![0; count];
        let notes = Mutex::new((0..count).map(|_| Notes::default()).collect::<Vec<_>>());
        let (sequences, forgot) = (watch::Sender::new(sequences), AtomicBool::new(false));
        Self { name, sequences, notes, forgot, counted: OnceLock::new() }
    }

    /// These messages stand in the projection since now, after a batch that took so long.
    pub(super) fn applied(&self, deliveries: &[Delivery], now: Millis, took: Duration) {
        let counted = self.counted.get_or_init(|| Counted::new(self.name));
        counted.apply.record(took);
        for delivery in deliveries {
            counted.messages.increment(1);
            // A message is decided and logged in one go: its first decision waited longest.
            if let Some(entry) = delivery.message.entries.first() {
                counted.visible.record(seconds(now.since(entry.at)));
            }
        }
    }

    /// The partition has been read up to `sequence`.
    pub(super) fn reached(&self, partition: u32, sequence: u64) {
        self.sequences.send_if_modified(|sequences| {
            let known = sequences.get_mut(index(partition));
            known.is_some_and(|known| std::mem::replace(known, sequence) != sequence)
        });
    }

    /// These campaigns of the partition are parked, and no others.
    pub(super) fn note_parked(&self, partition: u32, parked: &[Parked]) {
        if let Some(notes) = self.notes().get_mut(index(partition)) {
            let each = parked.iter().map(|letter| (letter.campaign.clone(), letter.position.sequence));
            notes.parked = each.collect();
        }
    }

    /// One more campaign is parked.
    pub(super) fn add_parked(&self, letter: &Parked) {
        if let Some(notes) = self.notes().get_mut(index(letter.position.partition)) {
            notes.parked.insert(letter.campaign.clone(), letter.position.sequence);
        }
    }

    /// The parked campaigns of a partition, as last known, and from which message on each waits.
    pub fn parked(&self, partition: u32) -> BTreeMap<CampaignId, u64> {
        self.notes().get(index(partition)).map(|notes| notes.parked.clone()).unwrap_or_default()
    }

    /// The partition cannot be read on from here.
    pub(super) fn note_stalled(&self, partition: u32, reason: String, obstacle: Obstacle) {
        let met = Stall { reason, obstacle, at: self.sequence(partition) };
        self.set_stalled(partition, |stalled| {
            // What the log forgot is not back because something else stands in the way as well.
            if met.is_forgot() || !stalled.as_ref().is_some_and(Stall::is_forgot) {
                *stalled = Some(met);
            }
        });
    }

    /// The partition is read on, or there is nothing to read.
    pub(super) fn note_advancing(&self, partition: u32) {
        self.set_stalled(partition, |stalled| *stalled = None);
    }

    /// Somebody else reads the partition, and has come to `at`. Whether what stood in the way here is gone is known only
    /// when the place has been passed, or nothing is left to read.
    pub(super) fn note_followed(&self, partition: u32, at: u64, level: bool) {
        self.set_stalled(partition, |stalled| {
            stalled.take_if(|stall| level || stall.at != at);
        });
    }

    fn set_stalled(&self, partition: u32, change: impl FnOnce(&mut Option<Stall>)) {
        let mut all = self.notes();
        if let Some(notes) = all.get_mut(index(partition)) {
            change(&mut notes.stalled);
        }
        let forgot = all.iter().filter_map(|notes| notes.stalled.as_ref()).any(Stall::is_forgot);
        self.forgot.store(forgot, Ordering::Release);
    }

    /// The log is not the one that was read before (ARCHITECTURE L7), and why that is known: nothing may be issued.
    pub fn forgot(&self) -> Option<String> {
        // Asked for by every request: the lock only when the answer is yes.
        if !self.forgot.load(Ordering::Acquire) {
            return None;
        }
        self.stall(Stall::is_forgot)
    }

    /// Why its store cannot be written, when that is what stands in the way.
    pub fn store_away(&self) -> Option<String> {
        self.stall(|stall| stall.obstacle == Obstacle::Store)
    }

    /// Why it does not advance, when it does not.
    pub fn stalled(&self) -> Option<String> {
        self.stall(|_| true)
    }

    fn stall(&self, which: impl Fn(&Stall) -> bool) -> Option<String> {
        let notes = self.notes();
        let stall = notes.iter().filter_map(|notes| notes.stalled.as_ref()).find(|stall| which(stall));
        stall.map(|stall| stall.reason.clone())
    }

    pub(super) fn stalled_at(&self, partition: u32) -> Option<String> {
        let notes = self.notes();
        notes.get(index(partition)).and_then(|notes| Some(notes.stalled.as_ref()?.reason.clone()))
    }

    /// How far a partition has been read.
    pub fn sequence(&self, partition: u32) -> u64 {
        self.sequences.borrow().get(index(partition)).copied().unwrap_or(0)
    }

    /// Wakes whenever any partition has moved.
    pub fn subscribe(&self) -> watch::Receiver<Vec<u64>> {
        self.sequences.subscribe()
    }

    /// Returns when the position has been reached; the caller brings the deadline.
    pub async fn wait_for(&self, position: Position) {
        let mut sequences = self.sequences.subscribe();
        let reached = |known: &Vec<u64>| {
            known.get(index(position.partition)).is_some_and(|at| *at >= position.sequence)
        };
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = sequences.wait_for(reached).await;
    }

    /// The progress as the API shows it. While the log does not answer, the lag is what it last was, and why is said.
    pub async fn view(&self, log: &dyn EventLog, clock: &dyn Clock) -> ProjectionView {
        let mut away = None;
        for partition in 0..log.partitions() {
            match log.backlog(partition, self.sequence(partition)).await {
                Ok(backlog) => {
                    let behind = backlog.oldest.map_or(0.0, |at| seconds(clock.now().since(at)));
                    if let Some(notes) = self.notes().get_mut(index(partition)) {
                        (notes.lag, notes.knows_lag) = ((backlog.messages, behind), true);
                    }
                }
                Err(error) => {
                    if let Some(notes) = self.notes().get_mut(index(partition)) {
                        notes.knows_lag = false;
                    }
                    away = Some(error.to_string());
                }
            }
        }
        let position = |partition| Position::new(partition, self.sequence(partition));
        let stalled = self.stalled();
        let notes = self.notes();
        ProjectionView {
            name: self.name.to_owned(),
            positions: (0..log.partitions()).map(position).collect(),
            lag_events: notes.iter().map(|notes| notes.lag.0).sum(),
            lag_seconds: notes.iter().map(|notes| notes.lag.1).fold(0.0, f64::max),
            parked: notes.iter().map(|notes| u64::try_from(notes.parked.len()).unwrap_or(u64::MAX)).sum(),
            stalled: stalled.or(away),
        }
    }

    /// Whether the lag of the last view is what it was then, and not what it last was.
    pub fn knows_lag(&self) -> bool {
        self.notes().iter().all(|notes| notes.knows_lag)
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Vec<Notes>> {
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn index(partition: u32) -> usize {
    usize::try_from(partition).unwrap_or(usize::MAX)
}

/// Exact up to 2^53 ms: far beyond any lag.
#[expect(clippy::cast_precision_loss, reason = "a lag has fewer than 2^53 milliseconds")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_partition_does_not_hide_that_another_forgot() {
        let progress = Progress::new("ledger", 2);
        progress.note_stalled(0, "the log forgot".to_owned(), Obstacle::Forgot);
        progress.note_advancing(1);
        assert_eq!(progress.forgot().as_deref(), Some("the log forgot"));
        assert_eq!(progress.stalled().as_deref(), Some("the log forgot"));
        progress.note_advancing(0);
        assert_eq!((progress.forgot(), progress.stalled()), (None, None));
    }

    /// A store that is away as well does not bring back what the log forgot: nothing may be issued meanwhile either.
    #[test]
    fn what_the_log_forgot_is_not_forgotten_over_another_obstacle() {
        let progress = Progress::new("ledger", 1);
        progress.note_stalled(0, "the log forgot".to_owned(), Obstacle::Forgot);
        for obstacle in [Obstacle::Store, Obstacle::Other] {
            progress.note_stalled(0, "away".to_owned(), obstacle);
            assert_eq!(progress.forgot().as_deref(), Some("the log forgot"));
        }
        progress.note_advancing(0);
        progress.note_stalled(0, "away".to_owned(), Obstacle::Store);
        assert_eq!((progress.forgot(), progress.store_away().as_deref()), (None, Some("away")));
    }

    #[test]
    fn who_follows_keeps_the_reason_until_the_place_is_passed_or_nothing_is_left() {
        let progress = Progress::new("ledger", 1);
        let forgot = || progress.note_stalled(0, "the log forgot".to_owned(), Obstacle::Forgot);
        progress.reached(0, 7);
        forgot();
        progress.note_followed(0, 7, false);
        assert_eq!(progress.forgot().as_deref(), Some("the log forgot"));
        progress.note_followed(0, 8, false);
        assert_eq!((progress.forgot(), progress.stalled()), (None, None));
        forgot();
        progress.note_followed(0, 7, true);
        assert_eq!((progress.forgot(), progress.stalled()), (None, None));
    }
}
