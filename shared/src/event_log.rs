//! The event log port. The log is the truth: what stands in it has happened, in that order, and nothing else has.
//!
//! # What every adapter promises
//!
//! * Messages are appended to a [`Subject`] and numbered within its partition. Sequence numbers rise and never recur,
//!   not even after a failed append.
//! * [`EventLog::append`] is a compare-and-set on the subject's last sequence, atomic against every other append, and
//!   durable (flushed to disk on a quorum) before it answers `Ok`. It is the only guard against double writing: no
//!   message ids, no deduplication window (ARCHITECTURE L1).
//! * A dropped or timed-out append is in doubt: it may still be stored later, but only behind the very message that
//!   it expected. So the same bytes may be sent again, and at most one copy is ever stored.
//! * An empty answer is linearizable, of [`EventLog::end`] and of a read, and so is the end of a [`Backlog`] after which
//!   nothing stands: what is not there was not there (ARCHITECTURE L6). Where that cannot be known, the log is unavailable.
//! * A message that [`EventLog::end`] shows was the last one when it was asked for, or, for some seconds after the servers
//!   changed their leader, shortly before: an append behind it finds out, and so does a read after it.
//! * The log has an [identity](EventLog::identity), random, for life. Another identity is another log (ARCHITECTURE L7).
//! * Nothing expires; when the log is full, appends are refused as [`AppendError::Unavailable`].

#[cfg(feature = "cluster")]
pub mod jetstream;
pub mod sqlite;

#[cfg(test)]
mod contract;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Millis;
use crate::domain::CampaignId;
use crate::position::Position;

/// Which of a campaign's two subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The gate's decisions, creation and fences; nothing else.
    Decisions,
    /// What is decided elsewhere: redemptions, operators' acts on projections.
    Uses,
}

/// Where a message is appended: a campaign's decisions or its uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Whose.
    pub campaign: CampaignId,
    /// Which of the two.
    pub lane: Lane,
}

impl Subject {
    /// The subject of the gate's decisions.
    pub fn decisions(campaign: &CampaignId) -> Self {
        Self { campaign: campaign.clone(), lane: Lane::Decisions }
    }

    /// The subject of what is decided elsewhere.
    pub fn uses(campaign: &CampaignId) -> Self {
        Self { campaign: campaign.clone(), lane: Lane::Uses }
    }

    /// The partition that both of a campaign's subjects live in: FNV-1a over its name, modulo `partitions`. Fixed
    /// for ever: a campaign must never move.
    pub fn partition(&self, partitions: u32) -> u32 {
        let hash = self.campaign.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        u32::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lane {
            Lane::Decisions => write!(f, "{}", self.campaign),
            Lane::Uses => write!(f, "{}.use", self.campaign),
        }
    }
}

/// A message as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it was appended.
    pub subject: Subject,
    /// Where it stands.
    pub position: Position,
    /// When the log stored it, on the log's clock: for measuring lag, never for deciding.
    pub stored_at: Millis,
    /// Its bytes.
    pub payload: Bytes,
}

/// The log did not answer, or could not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the event log is unavailable: {reason}")]
pub struct LogUnavailable {
    /// Why.
    pub reason: String,
    /// It did answer, and is not what it was: another identity, or an end before what it has acknowledged (ARCHITECTURE
    /// L7). Waiting does not help.
    pub forgot: bool,
}

impl LogUnavailable {
    /// The log is away, for that reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), forgot: false }
    }
}

/// Why an append was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Not stored: the subject's last sequence is not the expected one.
    #[error("another message was appended first: the subject ends at {end}")]
    Refused {
        /// The subject's last sequence; 0 when it is empty.
        end: u64,
    },
    /// Not known: an append to this subject is in process, perhaps an earlier copy of this one. Send the same bytes
    /// again after a short wait.
    #[error("an append to this subject is in process")]
    InProcess,
    /// Not known: it may have been stored, or be stored yet. Look at the end (ARCHITECTURE L4).
    #[error(transparent)]
    Unavailable(#[from] LogUnavailable),
}

/// Messages after a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The partition's last sequence; 0 when it is empty.
    pub end: u64,
    /// How many messages stand after the checkpoint.
    pub messages: u64,
    /// When the first of them was stored.
    pub oldest: Option<Millis>,
}

/// About how large a message may become: entries that weigh more together are parted, where there is more than one. A
/// log must take messages that are somewhat larger than this (ARCHITECTURE L8).
pub const MESSAGE_BYTES: usize = 512 << 10;

/// How much one read may return; at least one message always fits.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Most messages.
    pub messages: u32,
    /// Most bytes of payload, about.
    pub bytes: usize,
}

/// The event log. See the module's promises.
#[async_trait]
pub trait EventLog: Send + Sync + fmt::Debug {
    /// Names the adapter: `sqlite`, `jetstream`.
    fn kind(&self) -> &'static str;

    /// The log's identity: random, given when the log was made.
    fn identity(&self) -> &str;

    /// How many partitions it has; never changes.
    fn partitions(&self) -> u32;

    /// Appends `payload` if the subject's last sequence is `expected` (0: it is empty); returns its sequence.
    async fn append(&self, subject: &Subject, expected: u64, payload: Bytes) -> Result<u64, AppendError>;

    /// The subject's last message.
    async fn end(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable>;

    /// The subject's first message.
    async fn first(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable>;

    /// Messages of one subject after sequence `after`, in order.
    async fn read(
        &self,
        subject: &Subject,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable>;

    /// Messages of both subjects of one campaign after sequence `after`, in the log's order.
    async fn read_campaign(
        &self,
        campaign: &CampaignId,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable>;

    /// Messages of a whole partition after sequence `after`, in order. Fewer than the budget allows do not mean the
    /// end: only an empty answer does.
    async fn read_partition(
        &self,
        partition: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable>;

    /// What stands in a partition after sequence `after`.
    async fn backlog(&self, partition: u32, after: u64) -> Result<Backlog, LogUnavailable>;

    /// The partition's last sequence; 0 when it is empty. What is below `least` is certain, as the end of a [`Backlog`]
    /// is; the rest may be old, which takes fewer questions to know.
    async fn last_sequence(&self, partition: u32, _least: u64) -> Result<u64, LogUnavailable> {
        Ok(self.backlog(partition, u64::MAX).await?.end)
    }

    /// Campaigns that have messages, in order of their names, after `after`.
    async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<CampaignId>, LogUnavailable>;

    /// Returns when the partition may hold a message after `after`. Waking too often is allowed, and so is sleeping
    /// through a message of another process: callers wait with a deadline of their own.
    async fn changed(&self, partition: u32, after: u64);
}

/// The position of a sequence on a subject of `log`.
pub fn position(log: &dyn EventLog, subject: &Subject, sequence: u64) -> Position {
    Position::new(subject.partition(log.partitions()), sequence)
}
