//! What stands in the database, shaped as it is asked for:
//!
//! | collection | `_id` | what else |
//! |---|---|---|
//! | `campaign` | name | partition, the sequence up to which it has counted, the view |
//! | `bucket` | campaign `c`, second `at` | the sequence up to which it has counted, the counts |
//! | `coupon` | campaign `c`, number `s` | holder, code, times, status; the sequence of the message that issued it |
//! | `checkpoint` | partition | sequence, log, lease, what is parked |
//!
//! Times are milliseconds since 1970. Pages of a campaign's coupons and its timeline ride on `_id`: few indexes, because
//! each costs every insert. None of them but `_id` is unique. That a code belongs to one coupon is looked up before a
//! batch is written, by the partition's one writer, and is a constraint in the ledger; here a unique index would double
//! the cost of an insert on some engines.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId};
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Parked, Remedy};
use firstcome_shared::wire::{CouponStatus, Time, TimelineBucket};
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use crate::projection::{Bucket, CampaignView, CouponView};

pub(super) const CAMPAIGN: &str = "campaign";
pub(super) const BUCKET: &str = "bucket";
pub(super) const COUPON: &str = "coupon";
pub(super) const CHECKPOINT: &str = "checkpoint";

/// Indexes beside those on `_id`, by collection.
pub(super) fn indexes() -> [(&'static str, Vec<Document>); 2] {
    [
        (
            COUPON,
            vec![
                doc! { "name": "code", "key": { "code": 1 } },
                doc! { "name": "user", "key": { "user": 1 } },
            ],
        ),
        // Whose campaigns have moved since?
        (CAMPAIGN, vec![doc! { "name": "moved", "key": { "partition": 1, "sequence": 1 } }]),
    ]
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CampaignDocument {
    #[serde(rename = "_id")]
    pub(super) id: CampaignId,
    pub(super) partition: u32,
    pub(super) sequence: u64,
    pub(super) view: CampaignView,
}

impl From<CampaignView> for CampaignDocument {
    fn from(view: CampaignView) -> Self {
        let Position { partition, sequence } = view.position;
        Self { id: view.id.clone(), partition, sequence, view }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct BucketKey {
    pub(super) c: CampaignId,
    pub(super) at: Millis,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BucketDocument {
    #[serde(rename = "_id")]
    pub(super) id: BucketKey,
    pub(super) sequence: u64,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// A bucket's counts, stored or summed up.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Counts {
    issued: u64,
    redeemed: u64,
    restored: u64,
    revoked: u64,
    expired: u64,
}

impl Counts {
    pub(super) fn bucket(self, at: Millis) -> TimelineBucket {
        let Self { issued, redeemed, restored, revoked, expired } = self;
        TimelineBucket { at: Time(at), issued, redeemed, restored, revoked, expired }
    }
}

impl BucketDocument {
    pub(super) fn new(campaign: &CampaignId, at: Millis, bucket: &Bucket) -> Self {
        let TimelineBucket { issued, redeemed, restored, revoked, expired, .. } = bucket.counts;
        Self {
            id: BucketKey { c: campaign.clone(), at },
            sequence: bucket.sequence,
            counts: Counts { issued, redeemed, restored, revoked, expired },
        }
    }

    pub(super) fn bucket(&self) -> Bucket {
        Bucket { counts: self.counts.bucket(self.id.at), sequence: self.sequence }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct CouponKey {
    pub(super) c: CampaignId,
    pub(super) s: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CouponDocument {
    #[serde(rename = "_id")]
    pub(super) id: CouponKey,
    pub(super) user: UserId,
    pub(super) code: String,
    window: u32,
    n: u32,
    pub(super) issued: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Millis>,
    pub(super) status: CouponStatus,
    version: u64,
    partition: u32,
    sequence: u64,
}

impl CouponDocument {
    /// Whether this stored document is that coupon, as it was issued or as it has become since.
    pub(super) fn holds(&self, wanted: &Self) -> bool {
        let now = Self { status: self.status, version: self.version, ..wanted.clone() };
        self.version >= wanted.version && *self == now
    }
}

impl From<&CouponView> for CouponDocument {
    fn from(view: &CouponView) -> Self {
        Self {
            id: CouponKey { c: view.campaign.clone(), s: view.seq },
            user: view.user_id.clone(),
            code: view.code.clone(),
            window: view.window,
            n: view.n,
            issued: view.issued_at,
            expires: view.expires_at,
            status: view.status,
            version: view.version,
            partition: view.position.partition,
            sequence: view.position.sequence,
        }
    }
}

impl From<CouponDocument> for CouponView {
    fn from(document: CouponDocument) -> Self {
        Self {
            campaign: document.id.c,
            seq: document.id.s,
            user_id: document.user,
            code: document.code,
            window: document.window,
            n: document.n,
            issued_at: document.issued,
            expires_at: document.expires,
            status: document.status,
            version: document.version,
            position: Position::new(document.partition, document.sequence),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CheckpointDocument {
    #[serde(rename = "_id")]
    pub(super) partition: u32,
    /// Rises with every change of hands.
    pub(super) token: u64,
    pub(super) holder: String,
    /// When the lease ends.
    pub(super) until: Millis,
    /// Identity of the log; absent: nothing was read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<String>,
    pub(super) sequence: u64,
    /// By campaign: a campaign's name has neither dot nor dollar, so it can be a field's.
    #[serde(default)]
    pub(super) parked: BTreeMap<CampaignId, ParkedDocument>,
}

impl CheckpointDocument {
    /// Whether that is the claim in force, and of the log that was read so far.
    pub(super) fn is_held_by(&self, claim: &Claim) -> bool {
        self.token == claim.token && self.log.as_ref().is_none_or(|log| *log == claim.log)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParkedDocument {
    /// Everything of the campaign from here on waits in the log.
    pub(super) sequence: u64,
    reason: String,
    at: Millis,
    attempts: u32,
    payload: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// Most characters of a reason: what is parked shares a document.
const REASON: usize = 300;

impl ParkedDocument {
    pub(super) fn new(parked: &Parked, with_payload: bool) -> Self {
        let reason: String = parked.reason.chars().take(REASON).collect();
        let payload =
            if with_payload { &parked.payload } else { "(not kept: too many campaigns are parked)" };
        Self {
            sequence: parked.position.sequence,
            reason: text(&reason),
            at: parked.parked_at,
            attempts: parked.attempts,
            payload: text(payload),
            remedy: parked.remedy.map(|remedy| name(remedy).to_owned()),
        }
    }

    pub(super) fn parked(self, campaign: CampaignId, partition: u32) -> Parked {
        Parked {
            campaign,
            position: Position::new(partition, self.sequence),
            reason: self.reason,
            parked_at: self.at,
            attempts: self.attempts,
            payload: self.payload,
            remedy: self.remedy.map(|remedy| match remedy.as_str() {
                "discard" => Remedy::Discard,
                _ => Remedy::Replay,
            }),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.reason.len() + self.payload.len()
    }
}

/// A remedy as the database keeps it.
pub(super) fn name(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Replay => "replay",
        Remedy::Discard => "discard",
    }
}

/// Text as every reader keeps it whole: for many it ends at the first NUL.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
