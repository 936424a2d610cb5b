//! The write side's gauges, set once a second from what is known anyway.

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::domain::CampaignId;
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::{
    CONSUMER_POSITION, DEPENDENCY_UP, ISSUE_QUEUE_DEPTH, ISSUED, LAG_EVENTS, LAG_SECONDS, LOG_POSITION,
    OUTBOX_DEPTH, OUTBOX_OLDEST_AGE_SECONDS, PARKED_CAMPAIGNS, STOCK,
};
use firstcome_shared::wire::Pipeline;
use metrics::gauge;
use tokio::time::sleep;

use super::Service;
use crate::gate::Gate;
use crate::lane::Lane;

const EVERY: Duration = Duration::from_secs(1);

impl Service {
    /// Keeps the gauges until the process stops.
    pub async fn measure(self: Arc<Self>) {
        let stop = self.lanes.parts().lifecycle.stop();
        let measuring = async {
            loop {
                if let Ok(pipeline) = self.pipeline().await {
                    show(&pipeline);
                }
                for (campaign, lane) in self.lanes.all() {
                    show_stock(&campaign, &lane).await;
                }
                sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(measuring).await;
    }
}

fn show(pipeline: &Pipeline) {
    for position in &pipeline.log.positions {
        gauge!(LOG_POSITION, "partition" => position.partition.to_string()).set(number(position.sequence));
    }
    let ledger = &pipeline.ledger;
    for Position { partition, sequence } in &ledger.positions {
        gauge!(CONSUMER_POSITION, "projection" => "ledger", "partition" => partition.to_string())
            .set(number(*sequence));
    }
    gauge!(LAG_EVENTS, "projection" => "ledger").set(number(ledger.lag_events));
    gauge!(LAG_SECONDS, "projection" => "ledger").set(ledger.lag_seconds);
    gauge!(PARKED_CAMPAIGNS, "projection" => "ledger").set(number(ledger.parked));
    for dependency in &pipeline.dependencies {
        gauge!(DEPENDENCY_UP, "dependency" => dependency.name.clone(), "kind" => dependency.kind.clone())
            .set(if dependency.up { 1.0 } else { 0.0 });
    }
    for campaign in &pipeline.campaigns {
        let name = || campaign.campaign_id.clone();
        gauge!(ISSUE_QUEUE_DEPTH, "campaign" => name()).set(number(campaign.queued));
        gauge!(OUTBOX_DEPTH, "campaign" => name())
            .set(number(campaign.decision.saturating_sub(campaign.logged)));
        gauge!(OUTBOX_OLDEST_AGE_SECONDS, "campaign" => name()).set(number(campaign.oldest_ms) / 1_000.0);
    }
}

/// Stock and issues of the open window, else of the next one.
async fn show_stock(campaign: &CampaignId, lane: &Lane) {
    let Ok(view) = lane.read(Gate::view).await else { return };
    let definition = &view.definition;
    let Some(window) = definition.open_window(view.now).or_else(|| definition.next_window(view.now)) else {
        return;
    };
    gauge!(STOCK, "campaign" => campaign.to_string()).set(number(definition.windows[window].stock));
    gauge!(ISSUED, "campaign" => campaign.to_string()).set(number(view.issued[window]));
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
