//! Asking for a coupon, and the coupon.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::position::Position;

/// The body of `POST /v1/campaigns/{id}/coupons`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskCoupon {
    /// Who asks: 1 to 128 bytes of UTF-8 without control characters.
    pub user_id: String,
}

/// What a caller who holds a coupon is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new coupon (201).
    Issued,
    /// The coupon that this person, or this request, got before (200).
    AlreadyIssued,
}

/// Where a coupon is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CouponStatus {
    /// Issued and not used.
    #[default]
    Issued,
    /// Used for an order.
    Redeemed,
    /// Taken back by an operator; still counts for its person.
    Revoked,
    /// Past its end, unused.
    Expired,
}

/// One coupon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coupon {
    /// The campaign it belongs to.
    pub campaign_id: String,
    /// Its place in line, from 1 without a gap.
    pub seq: u64,
    /// Who holds it.
    pub user_id: String,
    /// The code to pay with; masked for readers.
    pub code: String,
    /// When the gate decided.
    pub issued_at: Time,
    /// When it ends; null when it never does.
    pub expires_at: Option<Time>,
    /// Where it is in its life.
    pub status: CouponStatus,
}

/// The answer to a caller who holds a coupon: 201 `issued`, 200 `already_issued`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issued {
    /// New, or the same as before.
    pub outcome: Outcome,
    /// The coupon.
    pub coupon: Coupon,
    /// Coupons left in the window after this one; only with `issued`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// A position of the log at which this coupon stands; pass it as `at_least` to read your own write.
    #[schema(value_type = String, example = "0-42")]
    pub position: Position,
}
