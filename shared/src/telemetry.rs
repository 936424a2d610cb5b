//! What a running service says about itself: metrics for Prometheus and a log for people. Every metric of the
//! workspace is named in `telemetry/names.rs`, and nowhere else.
//!
//! On a hot path keep handles: `metrics::counter!(ISSUE_REQUESTS_TOTAL, "outcome" => "issued")` looks its name up and
//! hashes its labels every time, so make it once, keep the [`metrics::Counter`] in a struct, and only `increment` it
//! there. Handles that were made before [`install_metrics`] count nothing.

mod log;
mod names;
mod recorder;

pub use log::{LogTo, LoggingError, install_tracing};
pub use names::*;
pub use recorder::{MetricsError, install_metrics, upkeep};
