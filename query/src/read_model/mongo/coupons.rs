//! Coupons on their way into the database. They are looked up first, by number and by code: so a refused batch has
//! written nothing, and one that comes again inserts only what it lacks.

use std::collections::{BTreeMap, HashMap, HashSet};

use firstcome_shared::domain::CampaignId;
use firstcome_shared::projection::ApplyError;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::documents::{COUPON, CouponDocument, CouponKey};
use super::server::{Failed, Server};
use super::signed;
use super::write::unfit;

/// Coupons in one call: however large a batch is, each call ends within its deadline.
pub(super) const INSERTS: usize = 1_000;
/// Calls at once that insert coupons, or look for them.
const SIDE_BY_SIDE: usize = 2;

/// Those of `coupons` that are not there yet. Refuses those whose number or code belongs to another coupon, among
/// themselves or in the database.
pub(super) async fn missing(
    server: &Server,
    coupons: Vec<CouponDocument>,
) -> Result<Vec<CouponDocument>, ApplyError> {
    let mut wanted = BTreeMap::new();
    let mut codes = HashSet::new();
    for coupon in coupons {
        if !codes.insert(coupon.code.clone()) {
            return Err(taken(&coupon));
        }
        wanted.insert(coupon.id.clone(), coupon);
    }
    // By number first: a batch that comes again is found here, and no code needs to be looked up.
    for stored in found(server, spans(wanted.keys())).await? {
        if let Some(coupon) = wanted.remove(&stored.id)
            && !stored.holds(&coupon)
        {
            return Err(taken(&coupon));
        }
    }
    let codes: Vec<&str> = wanted.values().map(|coupon| coupon.code.as_str()).collect();
    let filters = codes.chunks(INSERTS).map(|codes| doc! { "code": { "$in": codes.to_vec() } });
    for stored in found(server, filters.collect()).await? {
        // The very same: another writer has been here since.
        if !wanted.get(&stored.id).is_some_and(|coupon| stored.holds(coupon)) {
            return Err(taken(&stored));
        }
    }
    Ok(wanted.into_values().collect())
}

/// Filters for the coupons with these keys, in order, and some between them: a batch numbers each campaign's in a row.
fn spans<'a>(keys: impl Iterator<Item = &'a CouponKey>) -> Vec<Document> {
    let mut spans: Vec<(&CampaignId, u64, u64)> = Vec::new();
    for CouponKey { c, s } in keys {
        match spans.last_mut() {
            Some((campaign, first, last)) if *campaign == c && *s - *first < INSERTS as u64 => *last = *s,
            _ => spans.push((c, *s, *s)),
        }
    }
    let key = |campaign: &CampaignId, seq| doc! { "c": campaign.as_str(), "s": signed(seq) };
    let filter = |(campaign, first, last)| {
        doc! { "_id": { "$gte": key(campaign, first), "$lte": key(campaign, last) } }
    };
    spans.into_iter().map(filter).collect()
}

/// Inserts coupons. One that is there already is what a batch that comes again finds.
pub(super) async fn insert(server: &Server, coupons: &[CouponDocument]) -> Result<(), ApplyError> {
    let calls: Vec<_> = coupons.chunks(INSERTS).map(|chunk| insert_some(server, chunk)).collect();
    stream::iter(calls).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn insert_some(server: &Server, coupons: &[CouponDocument]) -> Result<(), ApplyError> {
    let documents = coupons
        .iter()
        .map(|coupon| mongodb::bson::serialize_to_raw_document_buf(coupon).map_err(|error| unfit(&error)))
        .collect::<Result<Vec<RawDocumentBuf>, _>>()?;
    let collection = server.collection::<RawDocumentBuf>(COUPON);
    let places = match server.call(collection.insert_many(documents).ordered(false)).await {
        Ok(_) => return Ok(()),
        Err(Failed::Duplicates(places)) => places,
        Err(error) => return Err(error.into()),
    };
    // Another writer was here since they were looked for: its coupons must be the same, document by document.
    let there: Vec<&CouponDocument> = places.into_iter().filter_map(|place| coupons.get(place)).collect();
    let keys = there.iter().map(|coupon| doc! { "c": coupon.id.c.as_str(), "s": signed(coupon.id.s) });
    let filter = doc! { "_id": { "$in": keys.collect::<Vec<_>>() } };
    let stored: HashMap<CouponKey, CouponDocument> =
        found(server, vec![filter]).await?.into_iter().map(|stored| (stored.id.clone(), stored)).collect();
    let is_there =
        |coupon: &CouponDocument| stored.get(&coupon.id).is_some_and(|stored| stored.holds(coupon));
    match there.into_iter().find(|coupon| !is_there(coupon)) {
        Some(other) => Err(taken(other)),
        None => Ok(()),
    }
}

/// What stored coupons any of the filters finds.
async fn found(server: &Server, filters: Vec<Document>) -> Result<Vec<CouponDocument>, Failed> {
    let coupons = server.collection::<CouponDocument>(COUPON);
    let calls: Vec<_> = filters.into_iter().map(|filter| server.all(coupons.find(filter))).collect();
    let found: Vec<Vec<CouponDocument>> = stream::iter(calls).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Names no code: codes are money.
fn taken(coupon: &CouponDocument) -> ApplyError {
    let CouponKey { c: campaign, s: seq } = &coupon.id;
    ApplyError::Refused(format!(
        "coupon {seq} of {campaign}: its number or its code belongs to another coupon"
    ))
}
