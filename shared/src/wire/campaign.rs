//! Campaigns on the wire: what an operator sends to create or change one, and the live view of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, object};

/// What `per_user_limit` counts over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitPer {
    /// All windows of the campaign together.
    #[default]
    Campaign,
    /// Each window anew.
    Window,
}

/// One opening: coupons are issued from `opens_at` up to, not including, `closes_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// First millisecond of the window.
    pub opens_at: Time,
    /// First millisecond after the window.
    pub closes_at: Time,
    /// Coupons in this window, at least 1.
    pub stock: u64,
}

/// The same window every day, in local time; expanded into windows when the campaign is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Daily {
    /// First day, such as `2026-12-01`.
    pub from: String,
    /// Last day, inclusive.
    pub to: String,
    /// Local opening time, such as `10:00`.
    pub opens: String,
    /// Local closing time; at or before `opens` means the next day.
    pub closes: String,
    /// IANA time zone, such as `Asia/Seoul`.
    pub time_zone: String,
    /// Coupons a day.
    pub stock: u64,
}

/// What a coupon of the campaign is worth and how long it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponTerms {
    /// Percent off, 1 to 100. Not together with `amount_off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<u32>,
    /// Amount off, in the currency's smallest unit. Needs `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_off: Option<u64>,
    /// ISO 4217 code of `amount_off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How long a coupon is valid after it was issued: an ISO 8601 duration of days or smaller units, such as `P30D`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<String>,
    /// When every coupon ends. Not together with `valid_for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// Settings of the waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitingRoom {
    /// People admitted a second.
    pub admit_per_second: u32,
    /// People admitted at once at most.
    pub max_active: u32,
    /// How long an admission lasts, in seconds.
    pub admission_ttl_seconds: u32,
}

/// The body of `POST /v1/campaigns`. Exactly one of: `opens_at` + `closes_at` + `stock`; `windows`; `daily`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCampaign {
    /// The campaign's name in URLs: `[a-z0-9-]{1,64}`.
    pub id: String,
    /// The campaign's name for people; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Opening of a one-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Time>,
    /// Closing of a one-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Time>,
    /// Stock of a one-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<u64>,
    /// Several windows, ordered and disjoint.
    #[serde(default, deserialize_with = "object::list", skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<Window>>,
    /// The same window every day.
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// Coupons a person may hold, 1 to 100; 1 when absent. Above 1 every ask needs an `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user_limit: Option<u32>,
    /// What the limit counts over.
    #[serde(default)]
    pub limit_per: LimitPer,
    /// What a coupon is worth.
    #[serde(default, deserialize_with = "object::object")]
    pub coupon: CouponTerms,
    /// People wait in line before they may ask.
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
    pub waiting_room: Option<WaitingRoom>,
}

/// A change of one window in `PATCH /v1/campaigns/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchWindow {
    /// Which window: its `id` in the campaign's view.
    pub id: u32,
    /// New opening; only before the window opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Time>,
    /// New closing; only before the window opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Time>,
    /// New total stock; may grow at any time before the window closes and shrink only before it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<u64>,
}

/// The body of `PATCH /v1/campaigns/{id}`; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchCampaign {
    /// New name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New total stock of a campaign with one window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<u64>,
    /// Changes of single windows.
    #[serde(default, deserialize_with = "object::list", skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<PatchWindow>>,
    /// New numbers of the waiting room; only for a campaign that has one.
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
    pub waiting_room: Option<WaitingRoom>,
}

/// Where a campaign stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// No window is open, a later one will be.
    Scheduled,
    /// Coupons are issued.
    Open,
    /// An operator holds it.
    Paused,
    /// Nothing is issued; `reason` says why.
    Closed,
    /// Nobody knows at present: the gate cannot be asked, or cannot be loaded. Only in lists; counts are then 0.
    Unavailable,
}

/// Why a campaign is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateReason {
    /// The open window's stock is gone; it reopens when stock is added or the next window opens.
    SoldOut,
    /// The last window is over.
    Ended,
    /// An operator cancelled it, for good.
    Cancelled,
}

/// One window with its counts. `issued + remaining = stock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowView {
    /// The window's lasting number within the campaign.
    pub id: u32,
    /// First millisecond of the window.
    pub opens_at: Time,
    /// First millisecond after the window.
    pub closes_at: Time,
    /// Coupons in this window.
    pub stock: u64,
    /// Coupons issued in it.
    pub issued: u64,
    /// Coupons left in it.
    pub remaining: u64,
}

/// The live view of a campaign, from the gate. `issued + remaining = stock`, summed over all windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// The campaign's name in URLs.
    pub id: String,
    /// The campaign's name for people.
    pub name: String,
    /// Where it stands now, by the gate's clock.
    pub state: CampaignState,
    /// Why it is closed; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    /// Coupons of all windows.
    pub stock: u64,
    /// Coupons issued so far: also the highest sequence number.
    pub issued: u64,
    /// `stock - issued`; what a closed window left over counts here and lapses.
    pub remaining: u64,
    /// The open window, else the next one; absent when none is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowView>,
    /// All windows; only in the view of a single campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WindowView>>,
    /// Coupons a person may hold.
    pub per_user_limit: u32,
    /// What the limit counts over.
    pub limit_per: LimitPer,
    /// What a coupon is worth.
    pub coupon: CouponTerms,
    /// Settings of the waiting room, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_room: Option<WaitingRoom>,
    /// People in the waiting room.
    pub waiting: u64,
    /// People admitted and not yet done.
    pub active: u64,
    /// The gate's epoch: 1 and one more for every rebuild.
    pub epoch: u64,
    /// The gate's own time when it gave this view.
    pub now: Time,
}
