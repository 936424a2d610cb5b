//! How far a projection has come, for those who wait for it (`at_least`), watch it (lag) or show it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::clock::{Clock, Millis};
use crate::event_log::{EventLog, LogUnavailable};
use crate::position::Position;
use crate::wire::ProjectionView;

/// The progress of one projection in this process. Written by its reader, read by everybody.
#[derive(Debug)]
pub struct Progress {
    name: &'static str,
    sequences: watch::Sender<Vec<u64>>,
    /// One a partition.
    notes: Mutex<Vec<Notes>>,
    forgot: AtomicBool,
}

#[derive(Debug, Default)]
struct Notes {
    parked: u64,
    stalled: Option<String>,
    forgot: bool,
}

impl Progress {
    /// Nothing read yet of that many partitions.
    pub fn new(name: &'static str, partitions: u32) -> Self {
        let count = usize::try_from(partitions).unwrap_or(1);
        let sequences = vec![0; count];
        let notes = Mutex::new((0..count).map(|_| Notes::default()).collect::<Vec<_>>());
        Self { name, sequences: watch::Sender::new(sequences), notes, forgot: AtomicBool::new(false) }
    }

    /// The partition has been read up to `sequence`.
    pub(super) fn reached(&self, partition: u32, sequence: u64) {
        self.sequences.send_if_modified(|sequences| {
            let known = sequences.get_mut(index(partition));
            known.is_some_and(|known| std::mem::replace(known, sequence) != sequence)
        });
    }

    pub(super) fn note_parked(&self, partition: u32, parked: usize) {
        if let Some(notes) = self.notes().get_mut(index(partition)) {
            notes.parked = u64::try_from(parked).unwrap_or(u64::MAX);
        }
    }

    pub(super) fn note_stalled(&self, partition: u32, reason: Option<String>, forgot: bool) {
        let mut all = self.notes();
        if let Some(notes) = all.get_mut(index(partition)) {
            (notes.stalled, notes.forgot) = (reason, forgot);
        }
        self.forgot.store(all.iter().any(|notes| notes.forgot), Ordering::Release);
    }

    /// The log is not the one that was read before (ARCHITECTURE L7), and why that is known: nothing may be issued.
    pub fn forgot(&self) -> Option<String> {
        // Asked for by every request: the lock only when the answer is yes.
        if !self.forgot.load(Ordering::Acquire) {
            return None;
        }
        self.notes().iter().find(|notes| notes.forgot).and_then(|notes| notes.stalled.clone())
    }

    /// Why it does not advance, when it does not.
    pub fn stalled(&self) -> Option<String> {
        self.notes().iter().find_map(|notes| notes.stalled.clone())
    }

    pub(super) fn stalled_at(&self, partition: u32) -> Option<String> {
        self.notes().get(index(partition)).and_then(|notes| notes.stalled.clone())
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

    /// The progress as the API shows it.
    pub async fn view(
        &self,
        log: &dyn EventLog,
        clock: &dyn Clock,
    ) -> Result<ProjectionView, LogUnavailable> {
        // Locked once: two guards in one expression would wait for each other for ever.
        let (parked, stalled) = {
            let all = self.notes();
            (all.iter().map(|notes| notes.parked).sum(), all.iter().find_map(|notes| notes.stalled.clone()))
        };
        let mut view = ProjectionView {
            name: self.name.to_owned(),
            positions: Vec::new(),
            lag_events: 0,
            lag_seconds: 0.0,
            parked,
            stalled,
        };
        for partition in 0..log.partitions() {
            let sequence = self.sequence(partition);
            let backlog = log.backlog(partition, sequence).await?;
            view.positions.push(Position::new(partition, sequence));
            view.lag_events += backlog.messages;
            view.lag_seconds =
                view.lag_seconds.max(backlog.oldest.map_or(0.0, |at| seconds_since(clock, at)));
        }
        Ok(view)
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Vec<Notes>> {
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn index(partition: u32) -> usize {
    usize::try_from(partition).unwrap_or(usize::MAX)
}

fn seconds_since(clock: &dyn Clock, at: Millis) -> f64 {
    // Exact up to 2^53 ms: far beyond any lag.
    #[expect(clippy::cast_precision_loss, reason = "a lag has fewer than 2^53 milliseconds")]
    let milliseconds = clock.now().since(at) as f64;
    milliseconds / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_partition_does_not_hide_that_another_forgot() {
        let progress = Progress::new("ledger", 2);
        progress.note_stalled(0, Some("the log forgot".to_owned()), true);
        progress.note_stalled(1, None, false);
        assert_eq!(progress.forgot().as_deref(), Some("the log forgot"));
        assert_eq!(progress.stalled().as_deref(), Some("the log forgot"));
        progress.note_stalled(0, None, false);
        assert_eq!((progress.forgot(), progress.stalled()), (None, None));
    }
}
