//! Lanes take turns. The log flushes one append after the other, so of ten campaigns that append at once nine wait, and
//! with them what they hold: a few people each, again and again. A lane that waits for its turn before it decides has
//! everybody by then who came meanwhile, in one call of the gate and one append.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Batches of an instance that are decided or appended at once: one in the gate, one on the disk, one on its way.
const AT_ONCE: usize = 3;
/// Turns are a courtesy: when the log hangs, no lane waits for another to find that out.
const PATIENCE: Duration = Duration::from_millis(20);

/// The turns of an instance.
#[derive(Debug)]
pub struct Turns {
    permits: Arc<Semaphore>,
    patience: Duration,
}

/// A lane's turn; it ends with this value.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(AT_ONCE, PATIENCE)
    }
}

impl Turns {
    pub(super) fn new(at_once: usize, patience: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once)), patience }
    }

    /// Whether nobody would have to wait.
    pub(super) fn free(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// The next turn, in the order of asking; `None` when it is long in coming: then the lane goes without.
    pub(super) async fn take(&self) -> Option<Turn> {
        let permit = timeout(self.patience, Arc::clone(&self.permits).acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit })
    }
}
