//! The write side's gauges, kept once a second; and the comparison of gate and ledger with the log, which never ends.
//!
//! A campaign has series while it is active: an hour before a window opens until shortly after it has closed. So that
//! one that should be open and is not can be seen though nobody asks for it, the log is searched for campaigns, and
//! those that are due are looked at; the gate is loaded for them, as for whoever asks first.

mod campaigns;
mod compare;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::position::Position;
use firstcome_shared::projection::Lag;
use firstcome_shared::telemetry::{
    CONSUMER_POSITION, DEPENDENCY_UP, ISSUE_QUEUE_CAPACITY, LOG_FORGOT, LOG_POSITION, PARKED_CAMPAIGNS,
    PROJECTION_STALLED,
};
use firstcome_shared::wire::{Dependency, Pipeline};
use metrics::gauge;
use tokio::time::{sleep, timeout};

use super::Service;
use super::pipeline::late;
use campaigns::Campaigns;

const EVERY: Duration = Duration::from_secs(1);
/// What does not answer by then is away.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

impl Service {
    /// Two tasks that keep the metrics until the process stops: the gauges, which must be true while everybody asks;
    /// and the comparison of the stores, which may be served last.
    pub fn measure(self: &Arc<Self>) -> (impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
        let campaigns = Arc::new(Campaigns::default());
        let stop = self.lanes.parts().lifecycle.stop();
        let (service, watched, until) = (Arc::clone(self), Arc::clone(&campaigns), stop.clone());
        let gauges = async move {
            until.run_until_cancelled(service.keep_gauges(&watched)).await;
        };
        let service = Arc::clone(self);
        let comparison = async move {
            stop.run_until_cancelled(service.compare_stores(&campaigns)).await;
        };
        (gauges, comparison)
    }

    async fn keep_gauges(&self, campaigns: &Campaigns) {
        gauge!(ISSUE_QUEUE_CAPACITY).set(number(self.lanes.parts().queue));
        let lag = Lag::new("ledger");
        loop {
            self.set_gauges(campaigns, &lag).await;
            sleep(EVERY).await;
        }
    }

    async fn set_gauges(&self, campaigns: &Campaigns, lag: &Lag) {
        let log_ends = campaigns.look(self).await;
        let pipeline = timeout(PATIENCE, self.pipeline_of(log_ends)).await.ok();
        match &pipeline {
            Some(pipeline) => show(pipeline),
            // A log that does not even refuse.
            None => depends(&self.dependencies(Some(late()))),
        }
        lag.show(pipeline.as_ref().map(|pipeline| &pipeline.ledger).filter(|_| self.progress.knows_lag()));
        let forgot = f64::from(u8::from(self.progress.forgot().is_some()));
        gauge!(LOG_FORGOT, "projection" => "ledger").set(forgot);
        let stalled = f64::from(u8::from(self.progress.stalled().is_some()));
        gauge!(PROJECTION_STALLED, "projection" => "ledger").set(stalled);
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
    gauge!(PARKED_CAMPAIGNS, "projection" => "ledger").set(number(ledger.parked));
    depends(&pipeline.dependencies);
}

fn depends(dependencies: &[Dependency]) {
    for Dependency { name, kind, up, .. } in dependencies {
        gauge!(DEPENDENCY_UP, "dependency" => name.clone(), "kind" => kind.clone())
            .set(f64::from(u8::from(*up)));
    }
}

/// A gauge is a float, and exact up to 2^53.
fn number(count: impl TryInto<u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let float = count.try_into().unwrap_or(u64::MAX) as f64;
    float
}

#[cfg(test)]
mod tests;
