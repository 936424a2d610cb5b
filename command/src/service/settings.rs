//! What an operator sets of one instance while it runs. A setting ends with the instance; that it was made stands in the
//! log before it counts (P10), under a name that no campaign has.

use std::num::NonZeroU64;

use firstcome_shared::dead_letters::log_act;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::Actor;

use super::Service;
use crate::lane::NoAnswer;

impl Service {
    /// Most coupons a second that this instance writes to the ledger; none: no limit.
    pub fn ledger_rate(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.ledger.rate())
    }

    /// Sets that, from now on. Every instance has a rate of its own, which counts while it is the one that writes.
    pub async fn set_ledger_rate(
        &self,
        rate: Option<NonZeroU64>,
        actor: impl Into<Actor<'_>>,
    ) -> Result<(), NoAnswer> {
        let before = self.ledger_rate();
        if rate == before {
            return Ok(());
        }
        let said =
            |rate: Option<NonZeroU64>| rate.map_or_else(|| "no limit".to_owned(), |rate| rate.to_string());
        let target = format!("instance {}: {} → {}", self.instance, said(before), said(rate));
        log_act(self.log(), self.clock(), &CampaignId::service(), actor.into(), "ledger_rate", &target)
            .await
            .map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
        self.ledger.set_rate(rate.map_or(0, NonZeroU64::get));
        Ok(())
    }
}
