//! The read model port: history and statistics, for people. It is a [`Projection`] that can be asked.
//!
//! # What every adapter promises
//!
//! * The views are those of [`crate::projection`], folded from the log and from nothing else. Delete the store and it
//!   comes back.
//! * No transaction over several documents is promised. Each document that counts (a campaign, a second of its
//!   timeline) counts one campaign, carries the position up to which it has counted, and is written only where it
//!   still is at the position that was read; a coupon is written only over a lower version; the checkpoint comes
//!   last. Any failed condition ends the batch as `Stale` (ARCHITECTURE J2). So a person's coupons, and one by its
//!   code, may be seen one batch ahead of the campaign that counts them; its totals and its list never go back, and the
//!   list has no gap (P3).
//! * A query asked after [`Projection::checkpoint`] gave a sequence sees at least everything up to it.
//! * Queries do not wait for the writer.

#[cfg(feature = "cluster")]
pub mod mongo;
pub mod sqlite;

#[cfg(test)]
mod contract;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId};
use firstcome_shared::fingerprint::Range;
use firstcome_shared::projection::{Projection, StoreUnavailable};
use firstcome_shared::wire::{Fingerprint, TimelineBucket};

use crate::projection::{CampaignView, CouponView};

/// The order of a list of coupons, by sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// First come first.
    #[default]
    Ascending,
    /// Latest first.
    Descending,
}

/// A span of a campaign's timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Length of a bucket in milliseconds: a whole number of seconds. Buckets begin at its multiples.
    pub step: i64,
    /// Seconds that begin at this moment or later count.
    pub from: Millis,
    /// Seconds that begin at this moment or later do not count.
    pub to: Millis,
    /// Most buckets.
    pub limit: u32,
}

/// The read model. See the module's promises.
#[async_trait]
pub trait ReadModel: Projection + std::fmt::Debug {
    /// Names the adapter: `sqlite`, `mongo`.
    fn kind(&self) -> &'static str;

    /// One campaign.
    async fn campaign(&self, id: &CampaignId) -> Result<Option<CampaignView>, StoreUnavailable>;

    /// Campaigns in order of their names, after `after`.
    async fn campaigns(&self, after: Option<&str>, limit: u32)
    -> Result<Vec<CampaignView>, StoreUnavailable>;

    /// Campaigns of a partition whose last counted message stands after `after`, in that order, each with that
    /// message's sequence.
    async fn moved(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(CampaignId, u64)>, StoreUnavailable>;

    /// Counts a bucket, in order of time; buckets without counts are left out.
    async fn timeline(
        &self,
        campaign: &CampaignId,
        span: Span,
    ) -> Result<Vec<TimelineBucket>, StoreUnavailable>;

    /// Coupons of a campaign in that order, after sequence number `after`; only those that the campaign has counted, so
    /// that whoever goes on behind the last one misses none.
    async fn coupons(
        &self,
        campaign: &CampaignId,
        order: Order,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable>;

    /// A person's coupons, by campaign and sequence number, after `after`.
    async fn coupons_of(
        &self,
        user: &UserId,
        after: Option<(&CampaignId, u64)>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable>;

    /// The coupon of that code.
    async fn coupon(&self, code: &str) -> Result<Option<CouponView>, StoreUnavailable>;

    /// Sums up a campaign's coupons from their rows, never from a counter; `None` when the campaign is not known. Its
    /// position is a checkpoint that the rows have reached.
    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Option<Fingerprint>, StoreUnavailable>;
}
