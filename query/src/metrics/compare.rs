//! The read model beside the log, one campaign in turn (P9, ARCHITECTURE J4).

use std::time::{Duration, Instant};

use async_trait::async_trait;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::Compared;
use firstcome_shared::fingerprint::{Range, Sum};
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::COMPARED_COUPONS_TOTAL;
use firstcome_shared::wire::{Fingerprint, Store};
use metrics::counter;
use tokio::time::{sleep, timeout};

use super::watched::Campaigns;
use crate::Query;

/// One campaign in turn is compared for so long.
const TURN: Duration = Duration::from_millis(200);
/// Then nothing is for at least this long.
const REST: Duration = Duration::from_millis(500);
/// And for so many times as long as the turn took: more where nothing was new.
const TIMES: [u32; 2] = [9, 49];
/// But no longer: a turn that was long because nobody answered took no time of the processor.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// A comparison that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

impl Query {
    pub(super) async fn compare_with_log(&self, campaigns: &Campaigns) {
        // There from the start, so that it rises from 0.
        let compared = counter!(COMPARED_COUPONS_TOTAL, "store" => self.model.name());
        let mut turn: Option<CampaignId> = None;
        let mut rest = REST;
        loop {
            sleep(rest).await;
            let begun = Instant::now();
            turn = campaigns.next(turn.as_ref());
            let mut level = true;
            if let Some(walked) = self.compare_piece(campaigns, turn.as_ref()).await {
                compared.increment(walked.0);
                campaigns.with_compared(self.clock.now());
                level = walked.1;
            }
            rest = (begun.elapsed() * TIMES[usize::from(level)]).clamp(REST, LONGEST_REST);
        }
    }

    /// Compares a piece; returns how many coupons it had and whether nothing new is left, unless something did not
    /// answer.
    async fn compare_piece(
        &self,
        campaigns: &Campaigns,
        campaign: Option<&CampaignId>,
    ) -> Option<(u64, bool)> {
        let Some(campaign) = campaign else { return Some((0, true)) };
        let mut walk = campaigns.take_walk(campaign);
        let walked = timeout(PATIENCE, walk.steps(TURN, &*self.log, campaign, self)).await;
        let level = walk.is_level();
        campaigns.give_walk(campaign, walk);
        match walked {
            Ok(Ok(coupons)) => Some((coupons, level)),
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
