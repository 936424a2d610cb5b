//! What makes conservation checkable from outside: the rows of a store, summed up without regard to order.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CouponStatus, Time};
use crate::position::Position;

/// A place that holds coupons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The gate's holders.
    Gate,
    /// The log's events.
    Log,
    /// The ledger's rows.
    Ledger,
    /// The read model's coupons.
    ReadModel,
}

/// One coupon as a store holds it, for comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CouponRow {
    /// Its place in line.
    pub seq: u64,
    /// Who holds it.
    pub user_id: String,
    /// Its code, masked for readers.
    pub code: String,
    /// When the gate decided.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// Where it is in its life; absent for the gate, which does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<CouponStatus>,
}

/// Count, highest sequence number and order-free checksum of a store's rows, taken from the rows themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// Which store.
    pub store: Store,
    /// The campaign.
    pub campaign_id: String,
    /// The store's own progress when the rows were read: the log's end, or the projection's checkpoint.
    #[schema(value_type = String)]
    pub position: Position,
    /// Number of rows.
    pub count: u64,
    /// Highest sequence number; 0 when there is no row.
    pub highest: u64,
    /// Sum over all rows of a 64-bit hash of (seq, user, code, issued, expires), as hexadecimal text.
    pub checksum: String,
    /// The same over (seq, status); absent for the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_checksum: Option<String>,
    /// The rows, by seq; only when asked for and fewer than 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<CouponRow>>,
}
