//! Writing a batch: read what it touches, fold it, write it back; coupons first, then what counts them, the checkpoint
//! last. All that can refuse the data is asked before the first write, so a refused batch leaves nothing behind.

use firstcome_shared::domain::CampaignId;
use firstcome_shared::projection::{ApplyError, Claim, Delivery};
use mongodb::bson::{Bson, Document, doc};
use serde::Serialize;

use super::documents::{BUCKET, BucketDocument, BucketKey, CAMPAIGN, CampaignDocument, CouponDocument};
use super::server::{Failed, Server};
use super::{coupons, lease, signed};
use crate::projection::{Touched, Views};

/// Guarded documents in one call: some 4 MB where campaigns have a year of windows.
const UPDATES: usize = 100;

pub(super) async fn apply(
    server: &Server,
    claim: &Claim,
    from: u64,
    deliveries: &[Delivery],
    to: u64,
) -> Result<(), ApplyError> {
    lease::stale_unless(lease::held(server, claim).await? == from)?;
    fold(server, deliveries).await?;
    lease::advance(server, claim, from, to, Document::new()).await
}

/// Folds `deliveries` into the stored views.
pub(super) async fn fold(server: &Server, deliveries: &[Delivery]) -> Result<(), ApplyError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let stored = read(server, &Touched::by(deliveries)).await?;
    let mut views = stored.clone();
    views.fold(deliveries)?;
    write(server, &stored, views).await
}

/// The stored ones of the views that are touched.
pub(super) async fn read(server: &Server, touched: &Touched) -> Result<Views, Failed> {
    let mut views = Views::default();
    let campaigns = server.collection::<CampaignDocument>(CAMPAIGN);
    let ids: Vec<&str> = touched.campaigns.iter().map(CampaignId::as_str).collect();
    for found in server.all(campaigns.find(doc! { "_id": { "$in": ids } })).await? {
        views.campaigns.insert(found.id, found.view);
    }
    if touched.buckets.is_empty() {
        return Ok(views);
    }
    let buckets = server.collection::<BucketDocument>(BUCKET);
    let keys: Vec<Document> =
        touched.buckets.iter().map(|(campaign, at)| doc! { "c": campaign.as_str(), "at": at.0 }).collect();
    for found in server.all(buckets.find(doc! { "_id": { "$in": keys } })).await? {
        let bucket = found.bucket();
        let BucketKey { c, at } = found.id;
        views.buckets.insert((c, at), bucket);
    }
    Ok(views)
}

/// Writes folded views back over the `stored` ones they were folded from.
pub(super) async fn write(server: &Server, stored: &Views, views: Views) -> Result<(), ApplyError> {
    let coupons: Vec<CouponDocument> = views.coupons.iter().map(CouponDocument::from).collect();
    let mut campaigns = Guarded::default();
    for (id, view) in views.campaigns {
        let before = stored.campaigns.get(&id);
        if before != Some(&view) {
            let sequence = before.map(|view| view.position.sequence);
            campaigns.add(sequence, &CampaignDocument::from(view))?;
        }
    }
    let mut buckets = Guarded::default();
    for (key, bucket) in &views.buckets {
        let before = stored.buckets.get(key);
        if before != Some(bucket) {
            let document = BucketDocument::new(&key.0, key.1, bucket);
            buckets.add(before.map(|bucket| bucket.sequence), &document)?;
        }
    }
    coupons::insert(server, &coupons::missing(server, coupons).await?).await?;
    campaigns.put(server, CAMPAIGN).await?;
    buckets.put(server, BUCKET).await
}

/// Documents that are written only where they stand as they were read.
#[derive(Default)]
struct Guarded {
    /// Those that were not there.
    new: Vec<Document>,
    /// Statements for those that were.
    updates: Vec<Document>,
}

impl Guarded {
    /// Adds a document that was read at `sequence`.
    fn add(&mut self, sequence: Option<u64>, document: &impl Serialize) -> Result<(), ApplyError> {
        let document = mongodb::bson::serialize_to_document(document).map_err(|error| unfit(&error))?;
        match sequence {
            None => self.new.push(document),
            Some(sequence) => {
                let id = document.get("_id").cloned().unwrap_or(Bson::Null);
                let seen = doc! { "_id": id, "sequence": signed(sequence) };
                self.updates.push(doc! { "q": seen, "u": document });
            }
        }
        Ok(())
    }

    async fn put(self, server: &Server, collection: &str) -> Result<(), ApplyError> {
        if !self.new.is_empty() {
            // A key that is taken: somebody else was first, and this batch is stale.
            server.call(server.collection::<Document>(collection).insert_many(self.new)).await?;
        }
        for statements in self.updates.chunks(UPDATES) {
            lease::stale_unless(server.update(collection, statements.to_vec()).await?)?;
        }
        Ok(())
    }
}

pub(super) fn unfit(error: &mongodb::bson::error::Error) -> ApplyError {
    ApplyError::Refused(error.to_string())
}
