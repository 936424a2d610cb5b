//! The gate port: the one place where it is decided, in order, who gets a coupon.
//!
//! # What every adapter promises
//!
//! * **Atomic.** A call reads, decides, writes the outbox entry and then the holders in one step; no other call is
//!   seen half done (ARCHITECTURE G6).
//! * **One epoch, one memory.** A call carries the log that the caller reads, and the epoch that it learnt from it. The
//!   gate refuses it unless it holds the campaign of that log under exactly this epoch and has not lost its memory since
//!   it was loaded (its own incarnation is the one it was loaded for, and the sizes that it keeps are true: ARCHITECTURE
//!   G1, G2).
//! * **Numbered.** Decisions are numbered 1, 2, 3, … within a campaign. Every reply names the last one made.
//! * **Outbox.** A decided entry stays readable until a call says that it is logged (ARCHITECTURE G7). The gate itself
//!   never logs anything and never tells anybody anything: callers wait for the log (ARCHITECTURE A1).
//! * **Time.** Gate time is the server's, never going back (ARCHITECTURE G8).
//! * **Loading** happens at most once an epoch, whole or not at all (ARCHITECTURE G5). What was loaded for another log
//!   gives way to any epoch: the two have nothing to do with each other.
//!
//! A call that fails with [`GateError::Unavailable`] may or may not have been carried out: its entries are then found
//! in the outbox by whoever comes next.

pub mod memory;
#[cfg(feature = "cluster")]
pub mod redis;

#[cfg(test)]
mod contract;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{
    Ask, Book, CampaignId, Command, Definition, Flags, Held, Refused, UserId, Verdict,
};
use firstcome_shared::event::Entry;

/// What every guarded call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The identity of the log that the caller reads and appends to.
    pub log: &'a str,
    /// The epoch of the campaign's end in the log.
    pub epoch: u64,
    /// The last decision known to be logged, and the sequence of the message it stands in: the outbox is trimmed up
    /// to it. Monotone: an older value than the gate has is no harm.
    pub logged: Logged,
    /// The caller's own time: more than [`MAX_SKEW_MS`] from the gate's is refused.
    pub now: Millis,
}

/// Clocks further apart than this, in milliseconds, are not trusted (ARCHITECTURE G8).
pub const MAX_SKEW_MS: i64 = 5_000;

/// Coupons to be asked for at once.
pub const ROWS: u64 = 10_000;

/// A decision and the sequence of the message it stands in, learnt together (ARCHITECTURE L2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Logged {
    /// Number of the decision.
    pub decision: u64,
    /// Sequence of its message on the campaign's subject.
    pub sequence: u64,
}

/// What a guarded call returns besides its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The last decision made, this call's included: the answer must wait until it is logged (ARCHITECTURE A1).
    pub decision: u64,
    /// The last decision that the gate was told is logged.
    pub logged: u64,
    /// What this very call decided, in order; in the outbox as well.
    pub entries: Vec<Entry>,
    /// The result.
    pub body: T,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Nothing was done: the gate does not hold this campaign, of this log, under this epoch.
    #[error("the gate does not hold the campaign under this epoch")]
    Forgot,
    /// Nothing was done: the clocks of gate and caller are too far apart.
    #[error("the gate's clock and this instance's are {apart_ms} ms apart: set them by NTP")]
    ClocksApart {
        /// How far, in milliseconds.
        apart_ms: i64,
    },
    /// Perhaps done, perhaps not.
    #[error("the gate is unavailable: {0}")]
    Unavailable(String),
}

/// A look at a campaign's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The campaign as last changed.
    pub definition: Definition,
    /// What operators switched.
    pub flags: Flags,
    /// Coupons issued a window, in the definition's order.
    pub issued: Vec<u64>,
    /// Gate time.
    pub now: Millis,
    /// Rises with stock and flags.
    pub version: u64,
}

/// What confirms a sold-out cache: as long as none of it changes, nobody new can have got a coupon (ARCHITECTURE A3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The gate's own incarnation, now.
    pub incarnation: Arc<str>,
    /// The log that it holds the campaign of.
    pub log: Arc<str>,
    /// The epoch it holds the campaign under.
    pub epoch: u64,
    /// Up to which decision it was told that all is logged.
    pub logged: u64,
    /// Rises with stock and flags.
    pub version: u64,
    /// Gate time.
    pub now: Millis,
}

/// One coupon as the gate holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRow {
    /// Who holds it.
    pub user: UserId,
    /// The coupon.
    pub held: Held,
}

/// A campaign folded from the log, ready to be loaded.
#[derive(Debug)]
pub struct Load {
    /// The identity of the log that it was folded from.
    pub log: String,
    /// The fence's epoch; 1 for a campaign just created.
    pub epoch: u64,
    /// The incarnation that the fence names.
    pub incarnation: String,
    /// The fence's nonce.
    pub nonce: String,
    /// What the log says.
    pub book: Book,
    /// Where it ends.
    pub logged: Logged,
}

/// Decides. See the module's promises.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// Names the adapter: `memory`, `redis`.
    fn kind(&self) -> &'static str;

    /// Whether a call travels to another process, and takes about as long as an append.
    fn is_remote(&self) -> bool;

    /// Which memory this is, right now: it changes when the gate may have forgotten.
    async fn incarnation(&self, campaign: &CampaignId) -> Result<String, GateError>;

    /// Decides `asks` in order; one verdict an ask.
    async fn decide(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        asks: &[Ask],
    ) -> Result<Reply<Vec<Verdict>>, GateError>;

    /// Carries out an operator's command; a repeated one changes nothing and has no entries.
    async fn command(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        command: &Command,
        actor: &str,
    ) -> Result<Reply<Result<(), Refused>>, GateError>;

    /// Entries of the outbox after decision `after`, in order, gapless, about `max_bytes` of them and at least one if
    /// there is any.
    async fn outbox(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        after: u64,
        max_bytes: usize,
    ) -> Result<Reply<Vec<Entry>>, GateError>;

    /// A look at the state.
    async fn view(&self, campaign: &CampaignId, call: Call<'_>) -> Result<Reply<View>, GateError>;

    /// One unguarded read, begun after the call; `None` when the gate does not know the campaign. Cheap enough for
    /// every refused stranger: an adapter over a network joins calls that wait into one read.
    async fn glance(&self, campaign: &CampaignId) -> Result<Option<Glance>, GateError>;

    /// Whether it takes writes, and so could decide: a memory that is full, or that cannot write its own file, answers
    /// every read. Changes nothing.
    async fn writable(&self, campaign: &CampaignId) -> Result<(), GateError>;

    /// Coupons with sequence numbers in `from..=to`, in no order, from the holders themselves. Ask for at most
    /// [`ROWS`] numbers at once: the gate decides nothing meanwhile.
    async fn rows(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<Reply<Vec<GateRow>>, GateError>;

    /// Loads a campaign, whole, in one step. [`GateError::Forgot`]: nothing was loaded, because the gate is no longer
    /// the incarnation that the fence names, or holds this epoch or a higher one of the same log.
    async fn load(&self, campaign: &CampaignId, load: Load) -> Result<(), GateError>;
}
