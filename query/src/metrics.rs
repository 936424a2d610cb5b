//! The read side's metrics, as handles that were looked up once.

use firstcome_shared::telemetry::{
    CONSUMER_POSITION, DEPENDENCY_UP, LAG_EVENTS, LAG_SECONDS, PARKED_CAMPAIGNS,
};
use firstcome_shared::wire::ProjectionView;
use metrics::{Gauge, gauge};

use crate::read_model::ReadModel;

/// Made after the recorder was installed.
pub(crate) struct Metrics {
    up: Gauge,
    positions: Vec<Gauge>,
    lag_events: Gauge,
    lag_seconds: Gauge,
    parked: Gauge,
}

impl Metrics {
    pub(crate) fn new(model: &dyn ReadModel, partitions: u32) -> Self {
        let name = model.name();
        let position = |partition: u32| gauge!(CONSUMER_POSITION, "projection" => name, "partition" => partition.to_string());
        Self {
            up: gauge!(DEPENDENCY_UP, "dependency" => name, "kind" => model.kind()),
            positions: (0..partitions).map(position).collect(),
            lag_events: gauge!(LAG_EVENTS, "projection" => name),
            lag_seconds: gauge!(LAG_SECONDS, "projection" => name),
            parked: gauge!(PARKED_CAMPAIGNS, "projection" => name),
        }
    }

    pub(crate) fn up(&self, up: bool) {
        self.up.set(f64::from(u8::from(up)));
    }

    pub(crate) fn lag(&self, view: &ProjectionView) {
        for (gauge, position) in self.positions.iter().zip(&view.positions) {
            gauge.set(float(position.sequence));
        }
        self.lag_events.set(float(view.lag_events));
        self.lag_seconds.set(view.lag_seconds);
        self.parked.set(float(view.parked));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
