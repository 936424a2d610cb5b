//! What ledger writer and projector have in common: both read the log in order and keep a checkpoint with their
//! data. The loop stands in [`reader`], once; what differs is a [`Projection`].

mod lag;
mod progress;
mod reader;

pub use lag::Lag;
pub use progress::Progress;
pub use reader::{Reader, ReaderStopped};

use std::time::Duration;

use async_trait::async_trait;

use crate::chain::{Broken, Chain};
use crate::clock::Millis;
use crate::domain::CampaignId;
use crate::event::Message;
use crate::event_log::{Budget, Lane, Subject};
use crate::position::Position;

/// A decoded message on its way into a store.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it was appended.
    pub subject: Subject,
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub message: Message,
}

/// How far a projection has read a partition, and of which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the log.
    pub log: String,
    /// Sequence of the last message that is applied, parked or discarded.
    pub sequence: u64,
}

/// The right to write a partition of a projection: who has a newer token has taken it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The partition.
    pub partition: u32,
    /// Rises with every change of hands.
    pub token: u64,
    /// Identity of the log that is read.
    pub log: String,
}

/// A campaign that waits because of one message (a dead letter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The campaign.
    pub campaign: CampaignId,
    /// The message that could not be applied. Everything of the campaign from here on waits in the log.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Millis,
    /// How often it was tried.
    pub attempts: u32,
    /// The message's bytes, as text, for people.
    pub payload: String,
    /// What an operator asked for and the reader has not done yet; a step of a discard that skips turns it into a replay.
    pub remedy: Option<Remedy>,
}

/// What an operator can do about a parked campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Go on from the parked message.
    Replay,
    /// Skip the parked message, go on behind it.
    Discard,
}

impl Remedy {
    /// Its name in the log and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
}

/// One step of a parked campaign back to level.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The campaign.
    pub campaign: &'a CampaignId,
    /// The checkpoint that it is read up to: a step that starts from another one is stale.
    pub at: u64,
    /// The first step of a discard: the lane and its chain behind the skipped message; nothing else in that step.
    pub skipped: Option<(Lane, Chain)>,
    /// What to apply now.
    pub deliveries: &'a [Delivery],
    /// Where the rest begins; `None`: level with the checkpoint, unpark in the same step (ARCHITECTURE J3).
    pub rest: Option<Position>,
}

/// What a projection's next batch may be, and when.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// How long to wait first.
    pub wait: Duration,
    /// How much to read.
    pub most: Budget,
}

/// A batch was not applied; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store is not where it was left: somebody else has written, or a crash took its last moments. Read the
    /// checkpoint and start again from there.
    #[error("another reader has taken over, or the store has lost its last moments")]
    Stale,
    /// The store refuses the data (SQLSTATE classes 22 and 23, or the like): trying again cannot help.
    #[error("{0}")]
    Refused(String),
    /// The log is not the one that was read before (ARCHITECTURE L7).
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The store is away.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// The store did not answer, or could not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{store} is unavailable: {problem}")]
pub struct StoreUnavailable {
    /// Which store.
    pub store: &'static str,
    /// What it said.
    pub problem: String,
}

/// A store that follows the log.
///
/// Every write carries the [`Claim`] and the checkpoint it starts from, and is refused as [`ApplyError::Stale`] when
/// either is not the stored one: a second writer changes nothing. Reading is at least once, so applying must be
/// idempotent; where data and checkpoint are not one transaction, the checkpoint is written last.
#[async_trait]
pub trait Projection: Send + Sync {
    /// `ledger` or `read_model`.
    fn name(&self) -> &'static str;

    /// Takes or renews the lease on a partition for `ttl_ms` from `now`; `None` while somebody else has it.
    async fn claim(
        &self,
        partition: u32,
        holder: &str,
        now: Millis,
        ttl_ms: i64,
    ) -> Result<Option<u64>, StoreUnavailable>;

    /// Gives the lease up, if `holder` has it: whoever claims next has it at once. For stores that several may follow.
    async fn release(&self, _partition: u32, _holder: &str) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    /// What the next batch may be, out of `most`: less, or later, where somebody has set a rate. The reader asks
    /// before each batch and waits with nothing open, its lease renewed meanwhile.
    fn allowance(&self, most: Budget) -> Allowance {
        Allowance { wait: Duration::ZERO, most }
    }

    /// How far the partition was read; `None` when it never was.
    async fn checkpoint(&self, partition: u32) -> Result<Option<Checkpoint>, StoreUnavailable>;

    /// Applies `deliveries`, which follow each other in the log, and moves the checkpoint from `from` to `to`. Each
    /// must continue its campaign's [`Chain`].
    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError>;

    /// Parks a campaign at the message `to` and moves the checkpoint from `from` to `to`.
    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError>;

    /// All parked campaigns of a partition.
    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreUnavailable>;

    /// Notes what an operator asks for; false when nothing is parked at that position.
    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable>;

    /// Takes a parked campaign one step on.
    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError>;

    /// A replay failed again: parks the campaign at that message, with the new reason. The wish to replay is done with;
    /// one to discard that message, which came meanwhile, stands.
    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError>;
}
