//! What does this message do to these views? Pure: no I/O, no clock, no async, so that every adapter of the read
//! model counts alike and a property test can hold what matters: however the history is cut into batches, and
//! however often one of them comes again, the views come out the same.
//!
//! Every view that counts carries the sequence up to which it has counted and skips what it has counted already
//! (ARCHITECTURE J2). So a store without transactions over several documents may lose a batch half-way: it is folded
//! again from each document's own position.

mod bucket;
mod campaign;
mod coupon;

#[cfg(test)]
mod tests;

pub use bucket::{Bucket, second};
pub use campaign::{CampaignView, WindowCount};
pub use coupon::CouponView;

use std::collections::{BTreeMap, BTreeSet};

use firstcome_shared::chain::{Broken, Chain};
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{ApplyError, Delivery};

/// A message does not fit the views.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not continue its campaign: the log is not the one it was.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Its data makes no sense; trying again cannot help. Names no code and no person.
    #[error("{0}")]
    Refused(String),
}

impl From<Unfit> for ApplyError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Broken(broken) => Self::Broken(broken),
            Unfit::Refused(reason) => Self::Refused(reason),
        }
    }
}

/// The views that a batch touches: an adapter reads these before it folds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Campaign documents.
    pub campaigns: BTreeSet<CampaignId>,
    /// Seconds of a campaign's timeline, by their first millisecond.
    pub buckets: BTreeSet<(CampaignId, Millis)>,
}

impl Touched {
    /// What `deliveries` touch.
    pub fn by(deliveries: &[Delivery]) -> Self {
        let mut touched = Self::default();
        for delivery in deliveries {
            let campaign = &delivery.subject.campaign;
            if !touched.campaigns.contains(campaign) {
                touched.campaigns.insert(campaign.clone());
            }
            for at in bucket::counted(&delivery.message).into_keys() {
                touched.buckets.insert((campaign.clone(), at));
            }
        }
        touched
    }
}

/// Views on their way through a batch: filled by an adapter with what it holds of [`Touched`], folded, written back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// Campaign documents.
    pub campaigns: BTreeMap<CampaignId, CampaignView>,
    /// Seconds of the timeline, by their first millisecond.
    pub buckets: BTreeMap<(CampaignId, Millis), Bucket>,
    /// Coupons of the batch; to be written where the stored one has no higher or equal version.
    pub coupons: Vec<CouponView>,
}

impl Views {
    /// Folds `deliveries`, in order. After an error the views are of no use: throw them away.
    pub fn fold(&mut self, deliveries: &[Delivery]) -> Result<(), Unfit> {
        for delivery in deliveries {
            self.campaign(&delivery.subject.campaign, delivery.position.partition).fold(delivery)?;
            for (at, counts) in bucket::counted(&delivery.message) {
                let key = (delivery.subject.campaign.clone(), at);
                let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(at));
                bucket.fold(delivery.position.sequence, &counts);
            }
            self.coupons.extend(coupon::issued(delivery));
        }
        Ok(())
    }

    /// Leaves the message at `position` out: its campaign goes on behind it.
    pub fn skip(&mut self, campaign: &CampaignId, lane: Lane, chain: Chain, position: Position) {
        self.campaign(campaign, position.partition).skip(lane, chain, position);
    }

    fn campaign(&mut self, id: &CampaignId, partition: u32) -> &mut CampaignView {
        self.campaigns.entry(id.clone()).or_insert_with(|| CampaignView::new(id.clone(), partition))
    }
}
