//! The read side's metrics: how far the read model is behind, and whether it holds what the log says.

mod compare;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::projection::Lag;
use firstcome_shared::telemetry::{
    CONSUMER_POSITION, DEPENDENCY_UP, DRIFT_CHECKED_TIMESTAMP_SECONDS, LOG_FORGOT, PARKED_CAMPAIGNS,
    PROJECTION_STALLED, UNCOMPARED_DECISIONS,
};
use firstcome_shared::wire::ProjectionView;
use metrics::{Gauge, gauge};
use tokio::time::{sleep, timeout};

use crate::Query;
use crate::read_model::ReadModel;
use watched::Campaigns;

const EVERY: Duration = Duration::from_secs(1);
/// What does not answer by then is away.
const PATIENCE: Duration = Duration::from_secs(1);

impl Query {
    /// Two tasks that keep the metrics of the read side until the process stops: the gauges, which must be true while
    /// everybody asks; and the comparison with the log, which may be served last.
    pub fn measure(self: &Arc<Self>) -> (impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
        let campaigns = Arc::new(Campaigns::default());
        let (query, watched) = (Arc::clone(self), Arc::clone(&campaigns));
        let gauges = async move {
            query.shutdown.run_until_cancelled(query.keep_gauges(&watched)).await;
        };
        let query = Arc::clone(self);
        let comparison = async move {
            query.shutdown.run_until_cancelled(query.compare_with_log(&campaigns)).await;
        };
        (gauges, comparison)
    }

    async fn keep_gauges(&self, campaigns: &Campaigns) {
        let metrics = Metrics::new(&*self.model, self.log.partitions());
        loop {
            let up = timeout(PATIENCE, campaigns.look(self)).await.is_ok_and(|looked| looked.is_ok());
            metrics.up.set(flag(up));
            let (decisions, upto) = campaigns.behind(self.clock.now());
            metrics.uncompared.set(float(decisions));
            metrics.compared.set(float(u64::try_from(upto.0).unwrap_or(0)) / 1_000.0);
            metrics.forgot.set(flag(self.progress.forgot().is_some()));
            metrics.stalled.set(flag(self.progress.stalled().is_some()));
            let view = timeout(PATIENCE, self.progress.view(&*self.log, &*self.clock)).await.ok();
            if let Some(view) = &view {
                metrics.progress(view);
            }
            metrics.lag.show(view.as_ref().filter(|_| self.progress.knows_lag()));
            sleep(EVERY).await;
        }
    }
}

/// Handles that were looked up once, after the recorder was installed.
struct Metrics {
    up: Gauge,
    positions: Vec<Gauge>,
    lag: Lag,
    parked: Gauge,
    forgot: Gauge,
    stalled: Gauge,
    uncompared: Gauge,
    compared: Gauge,
}

impl Metrics {
    fn new(model: &dyn ReadModel, partitions: u32) -> Self {
        let name = model.name();
        let position = |partition: u32| gauge!(CONSUMER_POSITION, "projection" => name, "partition" => partition.to_string());
        Self {
            up: gauge!(DEPENDENCY_UP, "dependency" => name, "kind" => model.kind()),
            positions: (0..partitions).map(position).collect(),
            lag: Lag::new(name),
            parked: gauge!(PARKED_CAMPAIGNS, "projection" => name),
            forgot: gauge!(LOG_FORGOT, "projection" => name),
            stalled: gauge!(PROJECTION_STALLED, "projection" => name),
            uncompared: gauge!(UNCOMPARED_DECISIONS, "store" => name),
            compared: gauge!(DRIFT_CHECKED_TIMESTAMP_SECONDS, "store" => name),
        }
    }

    fn progress(&self, view: &ProjectionView) {
        for (gauge, position) in self.positions.iter().zip(&view.positions) {
            gauge.set(float(position.sequence));
        }
        self.parked.set(float(view.parked));
    }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
