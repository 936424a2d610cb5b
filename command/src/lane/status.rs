//! What a lane's worker lets others see: the end it knows, what is not logged yet, and whether it may decide.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;

/// Why nothing is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The log does not answer, or takes no writes: not for this campaign alone.
    Away(String),
    /// An append of this campaign stays in process (ARCHITECTURE L5); the log may take those of others.
    InProcess(String),
    /// What the log holds of this campaign cannot be gone on with (ARCHITECTURE L7).
    Forgot(String),
}

impl Stopped {
    pub(super) fn reason(self) -> String {
        let (Self::Away(reason) | Self::InProcess(reason) | Self::Forgot(reason)) = self;
        reason
    }
}

/// Written by the worker, read by everybody.
#[derive(Debug, Default)]
pub struct Status {
    end: Mutex<Chain>,
    stopped: Mutex<Option<Stopped>>,
    /// Whether there is a reason in `stopped`: every ask looks here.
    is_stopped: AtomicBool,
    decision: AtomicU64,
    rebuilds: AtomicU64,
    oldest: AtomicI64,
    rebuilding: AtomicI64,
}

impl Status {
    pub(super) fn new(end: Chain) -> Self {
        Self { end: Mutex::new(end), ..Self::default() }
    }

    /// The campaign's end in the log, as far as this instance knows: position, epoch and decision together.
    pub fn end(&self) -> Chain {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is decided at present, when nothing is (P5).
    pub fn away(&self) -> Option<String> {
        self.stopped().map(Stopped::reason)
    }

    /// The same when it is the log as a whole that is to blame.
    pub fn log_away(&self) -> Option<String> {
        let Stopped::Away(reason) = self.stopped()? else { return None };
        Some(reason)
    }

    /// The same when it is only what the log holds of this campaign.
    pub fn forgot(&self) -> Option<String> {
        let Stopped::Forgot(reason) = self.stopped()? else { return None };
        Some(reason)
    }

    fn stopped(&self) -> Option<Stopped> {
        if !self.is_stopped.load(Ordering::Acquire) {
            return None;
        }
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The highest decision of the gate that this instance has seen.
    pub fn decision(&self) -> u64 {
        self.decision.load(Ordering::Relaxed).max(self.end().last)
    }

    /// Rebuilds that this instance made.
    pub fn rebuilds(&self) -> u64 {
        self.rebuilds.load(Ordering::Relaxed)
    }

    /// When the oldest decision was made that is not known to be logged; `None` when there is none.
    pub fn oldest(&self) -> Option<Millis> {
        moment(&self.oldest)
    }

    /// Since when this instance has been rebuilding the gate; `None` when it is not.
    pub fn rebuilding(&self) -> Option<Millis> {
        moment(&self.rebuilding)
    }

    pub(super) fn set_end(&self, end: Chain) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    pub(super) fn set_stopped(&self, why: Option<Stopped>) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stopped.store(why.is_some(), Ordering::Release);
        *stopped = why;
    }

    pub(super) fn set_decision(&self, decision: u64) {
        self.decision.store(decision, Ordering::Relaxed);
    }

    pub(super) fn set_oldest(&self, at: Option<Millis>) {
        self.oldest.store(at.map_or(0, |at| at.0), Ordering::Relaxed);
    }

    pub(super) fn set_rebuilding(&self, since: Option<Millis>) {
        self.rebuilding.store(since.map_or(0, |at| at.0), Ordering::Relaxed);
    }

    pub(super) fn count_rebuild(&self) {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }
}

fn moment(at: &AtomicI64) -> Option<Millis> {
    match at.load(Ordering::Relaxed) {
        0 => None,
        at => Some(Millis(at)),
    }
}
