//! What every read model must do, as one suite: an adapter lists nothing, it names where it opens a model and gets
//! every case. A case nobody lists is dead code, which the lints refuse.

mod asking;
mod parking;
mod writing;

pub(super) use asking::*;
pub(super) use parking::*;
pub(super) use writing::*;

use std::sync::Arc;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::projection::{Checkpoint, Claim, Delivery, Parked};
use firstcome_shared::wire::TimelineBucket;

use super::{Order, ReadModel, Span};
use crate::projection::{CampaignView, CouponView};
use crate::testing::{History, LOG};

/// Where a store lives: opened twice it is the same store, as after a restart.
#[async_trait]
pub(super) trait Place: Send + Sync {
    /// Opens the store.
    async fn open(&self) -> Arc<dyn ReadModel>;
}

/// Generates one test a case; `$place` is an async function that gives an empty [`Place`].
macro_rules! read_model_contract {
    ($place:path) => {
        read_model_contract!($place:
            shows_what_the_projection_folds,
            the_checkpoint_moves_with_the_data,
            a_batch_that_comes_again_changes_nothing,
            a_stale_claim_changes_nothing,
            a_lease_that_is_given_up_is_free_at_once,
            a_stale_checkpoint_changes_nothing,
            another_log_changes_nothing,
            a_message_that_does_not_follow_breaks_and_changes_nothing,
            refused_data_changes_nothing,
            a_code_belongs_to_one_coupon,
            everything_is_still_there_after_a_restart,
            a_parked_campaign_waits_and_others_go_on,
            a_replay_brings_a_campaign_level_step_by_step,
            a_discard_skips_one_message,
            a_first_message_that_nobody_could_read_can_be_skipped,
            a_replay_that_fails_again_is_parked_again,
            a_discard_that_comes_while_a_replay_fails_stands,
            a_wish_for_another_message_is_forgotten,
            a_refused_step_of_a_replay_changes_nothing,
            lists_coupons_by_key_in_both_orders,
            lists_a_persons_coupons_over_all_campaigns,
            finds_a_coupon_by_its_code,
            lists_campaigns_and_those_that_moved,
            sums_the_timeline_by_step,
            sums_up_rows_within_a_range,
        );
    };
    ($place:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::read_model::contract::$case(&$place().await).await;
            }
        )+
    };
}
pub(super) use read_model_contract;

const NOW: Millis = Millis(5_000);
const TTL_MS: i64 = 10_000;

pub(super) async fn claim(model: &dyn ReadModel) -> Claim {
    let token = model.claim(0, "this", NOW, TTL_MS).await.unwrap().expect("nobody else has it");
    Claim { partition: 0, token, log: LOG.to_owned() }
}

/// Somebody else takes over, when the lease of whoever was there has ended.
pub(super) async fn taken_over(model: &dyn ReadModel) -> Claim {
    let later = NOW.plus(TTL_MS + 1);
    let token = model.claim(0, "other", later, TTL_MS).await.unwrap().expect("the lease has ended");
    Claim { partition: 0, token, log: LOG.to_owned() }
}

/// A model that has applied the whole history.
async fn filled(place: &dyn Place, history: &History) -> (Arc<dyn ReadModel>, Claim) {
    let model = place.open().await;
    let claim = claim(&*model).await;
    model.apply(&claim, 0, &history.deliveries, history.end()).await.unwrap();
    (model, claim)
}

/// Everything a model holds, asked through the port.
#[derive(Debug, PartialEq)]
pub(super) struct Dump {
    pub(super) campaigns: Vec<CampaignView>,
    pub(super) coupons: Vec<CouponView>,
    pub(super) timeline: Vec<TimelineBucket>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) parked: Vec<Parked>,
}

const ALL: Span = Span { step: 1_000, from: Millis(0), to: Millis(i64::MAX), limit: 1_000 };

pub(super) async fn dump(model: &dyn ReadModel) -> Dump {
    let campaigns = model.campaigns(None, 100).await.unwrap();
    let (mut coupons, mut timeline) = (Vec::new(), Vec::new());
    for campaign in &campaigns {
        coupons.extend(model.coupons(&campaign.id, Order::Ascending, None, 1_000).await.unwrap());
        timeline.extend(model.timeline(&campaign.id, ALL).await.unwrap());
    }
    let checkpoint = model.checkpoint(0).await.unwrap();
    Dump { campaigns, coupons, timeline, checkpoint, parked: model.parked(0).await.unwrap() }
}

pub(super) fn letter(delivery: &Delivery, reason: &str) -> Parked {
    Parked {
        campaign: delivery.subject.campaign.clone(),
        position: delivery.position,
        reason: reason.to_owned(),
        parked_at: NOW,
        attempts: 5,
        payload: "the \0 bytes".to_owned(),
        remedy: None,
    }
}
