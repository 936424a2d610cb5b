//! What a running service says about itself: metrics for Prometheus and a log for people. Every metric of the
//! workspace is named in `telemetry/names.rs`, and nowhere else.
//!
//! On a hot path keep handles: `metrics::counter!(ISSUE_REQUESTS_TOTAL, "outcome" => "issued")` looks its name up and
//! hashes its labels every time, so make it once, keep the [`metrics::Counter`] in a struct, and only `increment` it
//! there. Handles that were made before [`install_metrics`] count nothing. What is labelled with a campaign stands in a
//! [`Scope`], whose series end with the campaign.

mod log;
mod names;
mod process;
mod recorder;
mod scope;

pub use log::{LogFormat, LogTo, LoggingError, NotAFormat, install_tracing};
pub use names::*;
pub use recorder::{MetricsError, MetricsHandle, install_metrics, upkeep};
pub use scope::{Held, Scope};
