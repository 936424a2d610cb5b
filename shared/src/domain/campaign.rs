//! What a campaign is: its windows, its limit, its terms. As it stands in the log, so a field that is added here
//! needs a default.

use serde::{Deserialize, Serialize};

use super::ids::CampaignId;
use crate::clock::Millis;
use crate::wire::{LimitPer, WaitingRoom};

/// Most windows a campaign may have: a day each for a leap year.
pub const MAX_WINDOWS: usize = 366;
/// How long before a window opens a campaign counts as active, in milliseconds.
const AHEAD_MS: i64 = 3_600_000;
/// Most coupons one person may be allowed.
pub const MAX_PER_USER: u32 = 100;

/// One opening, half-open: `opens_at <= t < closes_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Lasting number within the campaign, from 1: a change of times never changes it (ARCHITECTURE G8).
    pub id: u32,
    /// First millisecond.
    pub opens_at: Millis,
    /// First millisecond after it.
    pub closes_at: Millis,
    /// Coupons in it.
    pub stock: u64,
}

impl Window {
    /// Whether `now` lies in the window.
    pub fn contains(&self, now: Millis) -> bool {
        self.opens_at <= now && now < self.closes_at
    }
}

/// What a coupon is worth and how long it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Percent off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<u32>,
    /// Amount off, in the smallest unit of `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_off: Option<u64>,
    /// ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Life of a coupon in seconds, counted from its issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_seconds: Option<i64>,
    /// End of every coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

impl Terms {
    /// When a coupon issued at `issued_at` ends; `None` when it never does.
    pub fn expiry(&self, issued_at: Millis) -> Option<Millis> {
        self.expires_at
            .or_else(|| self.valid_for_seconds.map(|seconds| issued_at.plus(seconds.saturating_mul(1_000))))
    }
}

/// A campaign as it was created and changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name in URLs.
    pub id: CampaignId,
    /// Its name for people.
    pub name: String,
    /// Ordered, disjoint, at least one.
    pub windows: Vec<Window>,
    /// Coupons a person may hold.
    pub per_user_limit: u32,
    /// What the limit counts over.
    pub limit_per: LimitPer,
    /// What a coupon is worth.
    pub coupon: Terms,
    /// Settings of the waiting room, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_room: Option<WaitingRoom>,
    /// Which secret its coupon codes are made with.
    pub key_id: String,
}

impl Definition {
    /// Index of the window that is open at `now`.
    pub fn open_window(&self, now: Millis) -> Option<usize> {
        self.windows.iter().position(|window| window.contains(now))
    }

    /// Index of the first window that opens after `now`.
    pub fn next_window(&self, now: Millis) -> Option<usize> {
        self.windows.iter().position(|window| now < window.opens_at)
    }

    /// Whether somebody has reason to watch it: a window is open, or opens within the hour.
    pub fn active(&self, now: Millis) -> bool {
        self.windows.iter().any(|window| window.opens_at.plus(-AHEAD_MS) <= now && now < window.closes_at)
    }

    /// Whether an ask must carry a key: a person may hold several coupons, so a retry must be told from a wish.
    pub fn needs_key(&self) -> bool {
        self.per_user_limit > 1
    }

    /// Whether a key that comes along is kept: with one coupon a person and campaign it would tell nothing new.
    pub fn keeps_keys(&self) -> bool {
        self.per_user_limit > 1 || self.limit_per == LimitPer::Window
    }

    /// Coupons of all windows.
    pub fn stock(&self) -> u64 {
        self.windows.iter().map(|window| window.stock).sum()
    }
}

/// What operators switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Held for a while.
    pub paused: bool,
    /// Ended for good.
    pub cancelled: bool,
}
