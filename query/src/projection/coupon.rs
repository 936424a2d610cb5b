//! A coupon as people see it.

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId};
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::Delivery;
use firstcome_shared::wire::CouponStatus;

/// One coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouponView {
    /// The campaign it belongs to.
    pub campaign: CampaignId,
    /// Its place in line.
    pub seq: u64,
    /// Who holds it.
    pub user_id: UserId,
    /// Its code, unmasked: whoever shows it decides.
    pub code: String,
    /// Id of its window.
    pub window: u32,
    /// Which of this person's coupons of the campaign it is, from 1.
    pub n: u32,
    /// When the gate decided.
    pub issued_at: Millis,
    /// When it ends.
    pub expires_at: Option<Millis>,
    /// Where it is in its life.
    pub status: CouponStatus,
    /// Rises with every change: an older one never overwrites a newer one.
    pub version: u64,
    /// The message that issued it.
    pub position: Position,
}

impl CouponView {
    /// The status as stores and spreadsheets write it.
    pub fn status_name(&self) -> &'static str {
        match self.status {
            CouponStatus::Issued => "issued",
            CouponStatus::Redeemed => "redeemed",
            CouponStatus::Revoked => "revoked",
            CouponStatus::Expired => "expired",
        }
    }
}

/// The coupons that a message issues.
pub(super) fn issued(delivery: &Delivery) -> impl Iterator<Item = CouponView> {
    // On the second subject nothing is issued; its campaign document has refused it or counted it already.
    let coupons = (delivery.subject.lane == Lane::Decisions).then(|| delivery.message.coupons());
    coupons.into_iter().flatten().map(|(coupon, issued_at, window, expires_at)| CouponView {
        campaign: delivery.subject.campaign.clone(),
        seq: coupon.seq,
        user_id: coupon.user_id.clone(),
        code: coupon.code.clone(),
        window,
        n: coupon.n,
        issued_at,
        expires_at,
        status: CouponStatus::Issued,
        version: 1,
        position: delivery.position,
    })
}
