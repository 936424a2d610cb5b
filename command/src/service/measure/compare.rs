//! Gate and ledger beside the log, one campaign in turn (P9, ARCHITECTURE J4).

use std::time::Duration;

use async_trait::async_trait;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::{Compared, Walk};
use firstcome_shared::fingerprint::Range;
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::{COMPARED_COUPONS_TOTAL, DRIFT_CHECKED_TIMESTAMP_SECONDS};
use firstcome_shared::wire::{Fingerprint, Store};
use metrics::{counter, gauge};
use tokio::time::{sleep, timeout};

use super::campaigns::Campaigns;
use crate::service::Service;

/// One piece of one campaign is compared this often.
const EVERY: Duration = Duration::from_secs(10);
/// A comparison that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Service {
    pub(super) async fn compare_stores(&self, campaigns: &Campaigns) {
        let stores = [Store::Gate, Store::Ledger];
        // There from the start, so that it rises from 0.
        let counters = stores.map(|store| counter!(COMPARED_COUPONS_TOTAL, "store" => name(store)));
        let mut turn: Option<CampaignId> = None;
        loop {
            sleep(EVERY).await;
            turn = campaigns.next(turn.as_ref()).await;
            for (store, compared) in stores.into_iter().zip(&counters) {
                if let Some(coupons) = self.compare_once(campaigns, turn.as_ref(), store).await {
                    compared.increment(coupons);
                    let now = seconds(self.clock().now());
                    gauge!(DRIFT_CHECKED_TIMESTAMP_SECONDS, "store" => name(store)).set(now);
                }
            }
        }
    }

    /// Compares a piece; returns how many coupons it had, unless something did not answer.
    pub(super) async fn compare_once(
        &self,
        campaigns: &Campaigns,
        campaign: Option<&CampaignId>,
        store: Store,
    ) -> Option<u64> {
        let Some(campaign) = campaign else { return Some(0) };
        let mut walk = Walk::default();
        campaigns.with(campaign, |watched| walk = watched.take_walk(store)).await;
        let of = InStore { service: self, store };
        let step = timeout(PATIENCE, walk.step(self.log(), campaign, &of)).await;
        campaigns.with(campaign, |watched| watched.give_walk(store, walk)).await;
        match step {
            Ok(Ok(coupons)) => Some(coupons),
            Ok(Err(error)) => {
                tracing::debug!(%campaign, store = name(store), error, "not compared");
                None
            }
            Err(_) => None,
        }
    }
}

fn name(store: Store) -> &'static str {
    if store == Store::Gate { "gate" } else { "ledger" }
}

/// One of the stores of this side.
struct InStore<'a> {
    service: &'a Service,
    store: Store,
}

#[async_trait]
impl Compared for InStore<'_> {
    fn name(&self) -> &'static str {
        name(self.store)
    }

    async fn has_reached(&self, campaign: &CampaignId, position: Position) -> Result<bool, String> {
        // The gate is ahead of the log.
        if self.store == Store::Gate {
            return Ok(true);
        }
        if self.service.progress.sequence(position.partition) < position.sequence {
            return Ok(false);
        }
        let parked = self.service.ledger.parked(position.partition).await;
        let parked = parked.map_err(|error| error.to_string())?;
        Ok(!parked.iter().any(|letter| letter.campaign == *campaign))
    }

    async fn sum(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, String> {
        self.service.fingerprint(campaign, self.store, range).await.map_err(|error| error.to_string())
    }

    fn knows_positions(&self) -> bool {
        self.store != Store::Gate
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ms")]
fn seconds(at: Millis) -> f64 {
    at.0 as f64 / 1_000.0
}
