//! A projection's lag as metrics. Of all instances the smallest counts, and one that does not see the log knows none:
//! its series end until the log answers, so that an old 0 does not hide that the projection falls behind.

use std::sync::Arc;

use metrics::Gauge;

use crate::telemetry::{LAG_EVENTS, LAG_SECONDS, Scope};
use crate::wire::ProjectionView;

/// The lag of one projection, as this instance sees it.
pub struct Lag {
    events: Gauge,
    seconds: Gauge,
    /// Keeps the series.
    scope: Arc<Scope>,
}

impl Lag {
    /// Of this projection; nothing is known yet.
    pub fn new(projection: &'static str) -> Self {
        let scope = Scope::projection(projection);
        Self { events: scope.reading(LAG_EVENTS, &[]), seconds: scope.reading(LAG_SECONDS, &[]), scope }
    }

    /// As it is now; none: the log does not tell.
    pub fn show(&self, now: Option<&ProjectionView>) {
        if let Some(view) = now {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^53")]
            self.events.set(view.lag_events as f64);
            self.seconds.set(view.lag_seconds);
        }
        self.scope.show(now.is_some());
    }
}

impl std::fmt::Debug for Lag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lag")
    }
}
