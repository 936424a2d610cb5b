//! Asking the database. Every query rides on an index, and lists are cut by key, never by offset.

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId};
use firstcome_shared::fingerprint::{Range, Row, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::wire::{Fingerprint, Store, TimelineBucket};
use mongodb::bson::{Document, deserialize_from_document, doc};
use serde::Deserialize;

use super::documents::{BUCKET, CAMPAIGN, COUPON, CampaignDocument, Counts, CouponDocument};
use super::{MongoReadModel, away, lease, signed};
use crate::projection::{CampaignView, CouponView};
use crate::read_model::{Order, ReadModel, Span};

/// Coupons that a fingerprint fetches at once.
const ROWS: u32 = 5_000;

#[async_trait]
impl ReadModel for MongoReadModel {
    fn kind(&self) -> &'static str {
        "mongo"
    }

    async fn campaign(&self, id: &CampaignId) -> Result<Option<CampaignView>, StoreUnavailable> {
        let campaigns = self.readers.collection::<CampaignDocument>(CAMPAIGN);
        let found = self.readers.call(campaigns.find_one(doc! { "_id": id.as_str() })).await?;
        Ok(found.map(|found| found.view))
    }

    async fn campaigns(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<CampaignView>, StoreUnavailable> {
        let campaigns = self.readers.collection::<CampaignDocument>(CAMPAIGN);
        let filter = doc! { "_id": { "$gt": after.unwrap_or_default() } };
        let page = campaigns.find(filter).sort(doc! { "_id": 1 }).limit(limit.into());
        Ok(self.readers.all(page).await?.into_iter().map(|found| found.view).collect())
    }

    async fn moved(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(CampaignId, u64)>, StoreUnavailable> {
        #[derive(Deserialize)]
        struct Moved {
            #[serde(rename = "_id")]
            id: CampaignId,
            sequence: u64,
        }
        let campaigns = self.readers.collection::<Moved>(CAMPAIGN);
        let page = campaigns
            .find(doc! { "partition": i64::from(partition), "sequence": { "$gt": signed(after) } })
            .sort(doc! { "partition": 1, "sequence": 1 })
            .projection(doc! { "sequence": 1 })
            .limit(limit.into());
        Ok(self.readers.all(page).await?.into_iter().map(|moved| (moved.id, moved.sequence)).collect())
    }

    async fn timeline(
        &self,
        campaign: &CampaignId,
        span: Span,
    ) -> Result<Vec<TimelineBucket>, StoreUnavailable> {
        #[derive(Deserialize)]
        struct Summed {
            #[serde(rename = "_id")]
            at: Millis,
            #[serde(flatten)]
            counts: Counts,
        }
        let key = |at: Millis| doc! { "c": campaign.as_str(), "at": at.0 };
        let begin = doc! { "$subtract": ["$_id.at", { "$mod": ["$_id.at", span.step.max(1)] }] };
        let mut group = doc! { "_id": begin };
        for count in ["issued", "redeemed", "restored", "revoked", "expired"] {
            group.insert(count, doc! { "$sum": format!("${count}") });
        }
        let buckets = self.readers.collection::<Document>(BUCKET);
        let sums = buckets.aggregate([
            doc! { "$match": { "_id": { "$gte": key(span.from), "$lt": key(span.to) } } },
            doc! { "$group": group },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": i64::from(span.limit) },
        ]);
        let summed = |document| {
            let Summed { at, counts } = deserialize_from_document(document).map_err(|error| away(&error))?;
            Ok(counts.bucket(at))
        };
        self.readers.all(sums).await?.into_iter().map(summed).collect()
    }

    async fn coupons(
        &self,
        campaign: &CampaignId,
        order: Order,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable> {
        // Coupons stand in the database before the campaign has counted them, in any order: a batch may be on its way, or
        // be cut off. So those beyond its highest are left out, and what is shown has no gap (ARCHITECTURE J2).
        let highest = self.campaign(campaign).await?.map_or(0, |view| signed(view.highest));
        let key = |seq: i64| doc! { "c": campaign.as_str(), "s": seq };
        let (beyond, direction) = match order {
            Order::Ascending => (doc! { "$gt": key(after.map_or(-1, signed)), "$lte": key(highest) }, 1),
            Order::Descending => {
                let before = after.map_or(i64::MAX, signed).min(highest.saturating_add(1));
                (doc! { "$gt": key(-1), "$lt": key(before) }, -1)
            }
        };
        self.page(doc! { "_id": beyond }, direction, limit).await
    }

    async fn coupons_of(
        &self,
        user: &UserId,
        after: Option<(&CampaignId, u64)>,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable> {
        let mut filter = doc! { "user": user.as_str() };
        if let Some((campaign, seq)) = after {
            filter.insert("_id", doc! { "$gt": { "c": campaign.as_str(), "s": signed(seq) } });
        }
        self.page(filter, 1, limit).await
    }

    async fn coupon(&self, code: &str) -> Result<Option<CouponView>, StoreUnavailable> {
        let coupons = self.readers.collection::<CouponDocument>(COUPON);
        let found = self.readers.call(coupons.find_one(doc! { "code": code })).await?;
        Ok(found.map(CouponView::from))
    }

    async fn fingerprint(
        &self,
        campaign: &CampaignId,
        range: &Range,
    ) -> Result<Option<Fingerprint>, StoreUnavailable> {
        let Some(view) = self.campaign(campaign).await? else { return Ok(None) };
        // First the checkpoint, then the rows up to it, which are all there by then. Those beyond it are left out: a
        // batch may be on its way.
        let partition = view.position.partition;
        let stored = lease::stored(&self.readers, partition).await?;
        let reached = stored.map_or(0, |stored| stored.sequence);
        let upto = range.upto.map_or(reached, |upto| upto.sequence.min(reached));
        let key = |seq: u64| doc! { "c": campaign.as_str(), "s": signed(seq) };
        let filter = doc! {
            "_id": { "$gte": key(range.from), "$lte": key(range.to) },
            "sequence": { "$lte": signed(upto) },
        };
        let coupons = self.readers.collection::<CouponDocument>(COUPON);
        let mut rows = self.readers.call(coupons.find(filter).batch_size(ROWS)).await?;
        let mut sum = Sum::default();
        while self.readers.call(rows.advance()).await? {
            let row: CouponDocument = rows.deserialize_current().map_err(|error| away(&error))?;
            let summed = Row {
                seq: row.id.s,
                user_id: row.user.to_string(),
                code: row.code,
                issued_at: row.issued,
                expires_at: row.expires,
                status: Some(row.status),
            };
            sum.add(range, summed);
        }
        let position = Position::new(partition, reached);
        Ok(Some(sum.fingerprint(Store::ReadModel, campaign.as_str(), position, range)))
    }
}

impl MongoReadModel {
    async fn page(
        &self,
        filter: Document,
        direction: i32,
        limit: u32,
    ) -> Result<Vec<CouponView>, StoreUnavailable> {
        let coupons = self.readers.collection::<CouponDocument>(COUPON);
        let page = coupons.find(filter).sort(doc! { "_id": direction }).limit(limit.into());
        Ok(self.readers.all(page).await?.into_iter().map(CouponView::from).collect())
    }
}
