//! The read model beside the log, one campaign in turn (P9, ARCHITECTURE J4).

use std::time::Duration;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::Compared;
use firstcome_shared::fingerprint::{Range, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::{COMPARED_COUPONS_TOTAL, DRIFT_CHECKED_TIMESTAMP_SECONDS};
use firstcome_shared::wire::{Fingerprint, Store};
use metrics::{counter, gauge};
use tokio::time::{sleep, timeout};

use super::watched::Campaigns;
use crate::Query;

/// One piece of one campaign is compared this often.
const EVERY: Duration = Duration::from_secs(10);
/// A comparison that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Query {
    pub(super) async fn compare_with_log(&self, campaigns: &Campaigns) {
        let name = self.model.name();
        // There from the start, so that it rises from 0.
        let compared = counter!(COMPARED_COUPONS_TOTAL, "store" => name);
        let mut turn: Option<CampaignId> = None;
        loop {
            sleep(EVERY).await;
            turn = campaigns.next(turn.as_ref());
            if let Some(coupons) = self.compare_piece(campaigns, turn.as_ref()).await {
                compared.increment(coupons);
                let now = seconds(self.clock.now());
                gauge!(DRIFT_CHECKED_TIMESTAMP_SECONDS, "store" => name).set(now);
            }
        }
    }

    /// Compares a piece; returns how many coupons it had, unless something did not answer.
    async fn compare_piece(&self, campaigns: &Campaigns, campaign: Option<&CampaignId>) -> Option<u64> {
        let Some(campaign) = campaign else { return Some(0) };
        let mut walk = campaigns.take_walk(campaign);
        let step = timeout(PATIENCE, walk.step(&*self.log, campaign, self)).await;
        campaigns.give_walk(campaign, walk);
        match step {
            Ok(Ok(coupons)) => Some(coupons),
            Ok(Err(error)) => {
                tracing::debug!(%campaign, store = self.model.name(), error, "not compared");
                None
            }
            Err(_) => None,
        }
    }
}

#[async_trait]
impl Compared for Query {
    fn name(&self) -> &'static str {
        self.model.name()
    }

    async fn has_reached(&self, campaign: &CampaignId, position: Position) -> Result<bool, String> {
        if self.progress.sequence(position.partition) < position.sequence {
            return Ok(false);
        }
        let parked = self.model.parked(position.partition).await.map_err(|error| error.to_string())?;
        Ok(!parked.iter().any(|letter| letter.campaign == *campaign))
    }

    async fn sum(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, String> {
        let _turn = self.fingerprints.acquire().await;
        let sum = self.model.fingerprint(campaign, range).await.map_err(|error| error.to_string())?;
        // Nothing known is no rows.
        let none =
            || Sum::default().fingerprint(Store::ReadModel, campaign.as_str(), Position::new(0, 0), range);
        Ok(sum.unwrap_or_else(none))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ms")]
fn seconds(at: Millis) -> f64 {
    at.0 as f64 / 1_000.0
}
