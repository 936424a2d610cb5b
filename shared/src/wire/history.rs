//! The read model's answers: history and statistics, for people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CampaignState, Coupon, StateReason, Time};
use crate::position::Position;

/// Coupons of a campaign by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Ever issued.
    pub issued: u64,
    /// Used now (a restored one does not count).
    pub redeemed: u64,
    /// Taken back.
    pub revoked: u64,
    /// Ended unused.
    pub expired: u64,
}

/// A campaign's history and statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryCampaign {
    /// The campaign's name in URLs.
    pub id: String,
    /// The campaign's name for people.
    pub name: String,
    /// Where it stands now, as far as the log has been read.
    pub state: CampaignState,
    /// Why it is closed; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    /// Coupons of all windows.
    pub stock: u64,
    /// Coupons by what became of them.
    pub totals: Totals,
    /// When the first coupon was issued.
    pub first_issued_at: Option<Time>,
    /// When the latest coupon was issued.
    pub last_issued_at: Option<Time>,
    /// From the opening of the window that sold out last, or from the campaign's creation if that was later, to its last
    /// coupon; absent while none is sold out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_sell_out: Option<f64>,
    /// The most coupons issued in one second.
    pub peak_per_second: u64,
    /// How far the log has been read for this view.
    #[schema(value_type = String)]
    pub position: Position,
}

/// Counts of one span of time, by event time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineBucket {
    /// The span's first millisecond.
    pub at: Time,
    /// Coupons issued in it.
    pub issued: u64,
    /// Redeemed in it.
    pub redeemed: u64,
    /// Given back in it.
    pub restored: u64,
    /// Revoked in it.
    pub revoked: u64,
    /// Expired in it.
    pub expired: u64,
}

/// `GET /v1/history/campaigns/{id}/timeline`: buckets in time order; empty ones are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The campaign.
    pub campaign_id: String,
    /// Length of a bucket in seconds.
    pub step_seconds: u64,
    /// The buckets.
    pub items: Vec<TimelineBucket>,
}

/// One thing that happened to a coupon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CouponEvent {
    /// When.
    pub at: Time,
    /// The event's kind, such as `coupons_issued`.
    pub kind: String,
    /// Where it stands in the log.
    #[schema(value_type = String)]
    pub position: Position,
}

/// A coupon with all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CouponHistory {
    /// The coupon as it is now.
    pub coupon: Coupon,
    /// What happened, oldest first.
    pub history: Vec<CouponEvent>,
}

/// One event of `GET /v1/history/live`: this campaign has been read up to that position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// The campaign.
    pub campaign_id: String,
    /// How far.
    #[schema(value_type = String)]
    pub position: Position,
}
