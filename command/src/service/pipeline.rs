//! How this instance sees the pipeline: gate → outbox → log → ledger.

use std::num::NonZeroU64;

use firstcome_shared::position::Position;
use firstcome_shared::wire::{CampaignPipeline, Dependency, LogView, Pipeline};

use super::Service;

impl Service {
    /// The whole pipeline, as far as it can be seen: a log that is away is one of the dependencies, and where it ends
    /// is not said.
    pub async fn pipeline(&self) -> Pipeline {
        self.pipeline_of(self.log_ends().await).await
    }

    /// The same, of a log that was just asked where it ends.
    pub(super) async fn pipeline_of(&self, log_ends: Result<Vec<Position>, String>) -> Pipeline {
        let (log, clock) = (self.log(), self.clock());
        let now = clock.now();
        let lanes = self.lanes.all();
        let campaigns: Vec<CampaignPipeline> = lanes
            .iter()
            .map(|(campaign, lane)| {
                let (status, end) = (lane.status(), lane.status().end());
                let forgot = status.forgot();
                CampaignPipeline {
                    campaign_id: campaign.to_string(),
                    epoch: end.epoch,
                    decision: status.decision(),
                    logged: end.last,
                    queued: number(lane.queued()),
                    queue_capacity: number(self.lanes.parts().queue),
                    oldest_ms: status.oldest().map_or(0, |at| u64::try_from(now.since(at)).unwrap_or(0)),
                    rebuilds: status.rebuilds(),
                    log_away: forgot.is_none() && status.away().is_some(),
                    forgot,
                }
            })
            .collect();
        let (positions, log_away) = match log_ends {
            Ok(positions) => (positions, None),
            Err(away) => (Vec::new(), Some(away)),
        };
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
            dependencies: self.dependencies(log_away),
            campaigns,
        }
    }

    /// Where the log's partitions end.
    pub(super) async fn log_ends(&self) -> Result<Vec<Position>, String> {
        let mut ends = Vec::new();
        for partition in 0..self.log().partitions() {
            // That the log can be relied on has to be certain once.
            let least = if partition == 0 { u64::MAX } else { 0 };
            let end = self.log().last_sequence(partition, least).await.map_err(|error| error.to_string())?;
            ends.push(Position::new(partition, end));
        }
        Ok(ends)
    }

    /// Why no campaign can go on in this instance, though the log can be read: it takes no writes, or is not the one
    /// that the ledger was read from. What only one campaign's messages are to blame for, or an append of one, is said
    /// with that campaign.
    pub(super) fn log_refused(&self) -> Option<String> {
        let of_lanes = || self.lanes.all().iter().find_map(|(_, lane)| lane.status().log_away());
        self.progress.forgot().or_else(of_lanes)
    }

    /// What is known of each, of the log besides what reading it has told.
    pub(super) fn dependencies(&self, log_away: Option<String>) -> Vec<Dependency> {
        let parts = self.lanes.parts();
        let log_away = log_away.or_else(|| self.log_refused());
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

/// What is said of a log that does not even refuse.
pub(super) fn late() -> String {
    "it did not answer in time".to_owned()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
