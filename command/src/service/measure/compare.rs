//! Gate and ledger beside the log, one campaign in turn (P9, ARCHITECTURE J4).

use std::time::{Duration, Instant};

use async_trait::async_trait;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::{Compared, Walk};
use firstcome_shared::fingerprint::Range;
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::COMPARED_COUPONS_TOTAL;
use firstcome_shared::wire::{Fingerprint, Store};
use metrics::counter;
use tokio::time::{sleep, timeout};

use super::campaigns::Campaigns;
use crate::service::Service;

/// One campaign in turn is compared for so long.
const TURN: Duration = Duration::from_millis(200);
/// Then nothing is for at least this long.
const REST: Duration = Duration::from_millis(500);
/// And for so many times as long as the turn took: more where nothing was new. Both stores together take a tenth of a
/// core at most.
const TIMES: [u32; 2] = [19, 99];
/// But no longer: a turn that was long because nobody answered took no time of the processor.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// A comparison that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Service {
    /// Each store for itself: one that is away holds up no other.
    pub(super) async fn compare_stores(&self, campaigns: &Campaigns) {
        tokio::join!(
            self.compare_store(campaigns, Store::Gate),
            self.compare_store(campaigns, Store::Ledger)
        );
    }

    async fn compare_store(&self, campaigns: &Campaigns, store: Store) {
        // There from the start, so that it rises from 0.
        let compared = counter!(COMPARED_COUPONS_TOTAL, "store" => name(store));
        let mut turn: Option<CampaignId> = None;
        let mut rest = REST;
        loop {
            sleep(rest).await;
            let (begun, mut level) = (Instant::now(), false);
            turn = campaigns.next(turn.as_ref()).await;
            if let Some(walked) = self.compare_once(campaigns, turn.as_ref(), store).await {
                compared.increment(walked.coupons);
                campaigns.with_compared(store, self.clock().now());
                level = walked.level;
            }
            rest = (begun.elapsed() * TIMES[usize::from(level)]).clamp(REST, LONGEST_REST);
        }
    }

    /// Compares a piece, unless something does not answer.
    pub(super) async fn compare_once(
        &self,
        campaigns: &Campaigns,
        campaign: Option<&CampaignId>,
        store: Store,
    ) -> Option<Walked> {
        let Some(campaign) = campaign else { return Some(Walked { coupons: 0, level: true }) };
        let mut walk = Walk::default();
        campaigns.with(campaign, |watched| walk = watched.take_walk(store)).await;
        let of = InStore { service: self, store };
        let walked = timeout(PATIENCE, walk.steps(TURN, self.log(), campaign, &of)).await;
        let level = walk.is_level();
        campaigns.with(campaign, |watched| watched.give_walk(store, walk)).await;
        match walked {
            Ok(Ok(coupons)) => Some(Walked { coupons, level }),
            Ok(Err(error)) => {
                tracing::debug!(%campaign, store = name(store), error, "not compared");
                None
            }
            Err(_) => None,
        }
    }
}

/// What a turn came to.
#[derive(Debug, PartialEq)]
pub(super) struct Walked {
    pub(super) coupons: u64,
    /// Nothing new is left.
    pub(super) level: bool,
}

pub(super) fn name(store: Store) -> &'static str {
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
