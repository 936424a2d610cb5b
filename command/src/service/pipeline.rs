//! How this instance sees the pipeline: gate → outbox → log → ledger.

use std::num::NonZeroU64;
use std::sync::Arc;

use firstcome_shared::domain::CampaignId;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{CampaignPipeline, Dependency, LogView, Pipeline};

use super::Service;
use crate::lane::Lane;

impl Service {
    /// The whole pipeline, as far as it can be seen: a log that is away is one of the dependencies, and where it ends
    /// is not said.
    pub async fn pipeline(&self) -> Pipeline {
        let (log, clock) = (self.log(), self.clock());
        let now = clock.now();
        let lanes = self.lanes.all();
        let campaigns: Vec<CampaignPipeline> = lanes
            .iter()
            .map(|(campaign, lane)| {
                let (status, end) = (lane.status(), lane.status().end());
                CampaignPipeline {
                    campaign_id: campaign.to_string(),
                    epoch: end.epoch,
                    decision: status.decision(),
                    logged: end.last,
                    queued: number(lane.queued()),
                    queue_capacity: number(self.lanes.parts().queue),
                    oldest_ms: status.oldest().map_or(0, |at| u64::try_from(now.since(at)).unwrap_or(0)),
                    rebuilds: status.rebuilds(),
                    log_away: status.away().is_some(),
                }
            })
            .collect();
        let mut positions = Vec::new();
        let mut log_away = None;
        for partition in 0..log.partitions() {
            match log.backlog(partition, u64::MAX).await {
                Ok(backlog) => positions.push(Position::new(partition, backlog.end)),
                Err(error) => log_away = Some(error.to_string()),
            }
        }
        if log_away.is_some() {
            positions.clear();
        }
        Pipeline {
            instance: self.instance.clone(),
            outbox_depth: campaigns
                .iter()
                .map(|campaign| campaign.decision.saturating_sub(campaign.logged))
                .sum(),
            outbox_oldest_ms: campaigns.iter().map(|campaign| campaign.oldest_ms).max().unwrap_or(0),
            log: LogView { identity: log.identity().to_owned(), positions },
            ledger: self.progress.view(log, clock).await,
            ledger_rate: self.ledger_rate().map(NonZeroU64::get),
            dependencies: self.dependencies(&lanes, log_away),
            campaigns,
        }
    }

    fn dependencies(&self, lanes: &[(CampaignId, Arc<Lane>)], log_away: Option<String>) -> Vec<Dependency> {
        let parts = self.lanes.parts();
        // It may be readable and refuse to be written.
        let log_away = log_away.or_else(|| lanes.iter().find_map(|(_, lane)| lane.status().away()));
        let dependency = |name: &str, kind: &str, detail: Option<String>| Dependency {
            name: name.to_owned(),
            kind: kind.to_owned(),
            up: detail.is_none(),
            detail,
        };
        vec![
            dependency("gate", parts.gate.kind(), self.gate_away()),
            dependency("log", parts.log.kind(), log_away),
            // That it stands still because the log is away is said with the log.
            dependency("ledger", self.ledger.kind(), self.progress.store_away()),
        ]
    }

    /// What stands in the way of serving, by name; empty when nothing does. A ledger that is behind or away does not:
    /// issuing goes on without it (P7). A log that is not the one the ledger was read from does.
    pub async fn obstacles(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Err(error) = self.log().backlog(0, u64::MAX).await {
            reasons.push(format!("log: {error}"));
        }
        reasons.extend(self.progress.forgot().map(|reason| format!("log: {reason}")));
        reasons
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
