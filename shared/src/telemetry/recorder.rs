//! The one recorder of a process, and its upkeep. The exporter keeps what lives as long as the process; what may end
//! before stands in [`Scope`](super::Scope)s, and both are shown as one.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::names::{Kind, METRICS, Metric};
use super::process::Readings;
use super::scope;

/// Samples wait in memory until they are counted into buckets: at a hundred thousand a second not for long.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// Upkeeps between two counts of the file descriptors.
const FDS_EVERY: u64 = 5;

static INSTALLED: OnceLock<Result<MetricsHandle, MetricsError>> = OnceLock::new();

/// Renders the metrics of this process.
#[derive(Clone, Debug)]
pub struct MetricsHandle(PrometheusHandle);

impl MetricsHandle {
    /// All of them, as Prometheus reads them.
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        scope::render(&mut text);
        text
    }
}

/// Metrics cannot be installed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("metrics cannot be installed: {0}")]
pub struct MetricsError(String);

/// Installs the process's metrics, with every metric described and every histogram in buckets, and returns the handle
/// that renders them. Further calls return the same handle: services in one process share their metrics.
///
/// # Errors
/// When something else in this process has installed a recorder.
pub fn install_metrics() -> Result<MetricsHandle, MetricsError> {
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<MetricsHandle, MetricsError> {
    let mut builder = PrometheusBuilder::new();
    for Metric { name, kind, .. } in METRICS {
        if let Kind::Histogram(buckets) = kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)
                .map_err(|error| MetricsError(error.to_string()))?;
        }
    }
    let handle = builder.install_recorder().map_err(|error| MetricsError(error.to_string()))?;
    for Metric { name, kind, unit, help, .. } in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *unit, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Kind::Histogram(_) => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
    Ok(MetricsHandle(handle))
}

/// Counts waiting samples into their buckets and reads the process's own numbers, every second until `shutdown`. Run it
/// once a process, as a task of the runtime that serves requests.
pub async fn upkeep(MetricsHandle(handle): MetricsHandle, shutdown: CancellationToken) {
    let (readings, mut turn) = (Readings::new(), 0_u64);
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        handle.run_upkeep();
        readings.take();
        if turn.is_multiple_of(FDS_EVERY) {
            readings.take_fds();
        }
        turn += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HTTP_REQUEST_DURATION_SECONDS, ISSUE_BATCH_SIZE, ISSUE_REQUESTS_TOTAL, STOCK};
    use super::*;

    #[test]
    fn renders_help_and_buckets_for_every_metric() {
        let handle = install_metrics().unwrap();
        install_metrics().expect("a second service in this process gets the same recorder");
        for Metric { name, kind, .. } in METRICS {
            match kind {
                Kind::Counter => metrics::counter!(*name, "test" => "1").increment(1),
                Kind::Gauge => metrics::gauge!(*name, "test" => "1").set(1.0),
                Kind::Histogram(_) => metrics::histogram!(*name, "test" => "1").record(1.0),
            }
        }
        handle.0.run_upkeep();
        let text = handle.0.render();
        for Metric { name, kind, help, .. } in METRICS {
            assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}: {text}");
            assert!(text.contains(&format!("# TYPE {name} {}\n", kind.as_str())), "{name}: {text}");
        }
        assert!(text.contains(&format!("{ISSUE_BATCH_SIZE}_bucket{{test=\"1\",le=\"512\"}} 1")), "{text}");
        assert!(
            text.contains(&format!("{HTTP_REQUEST_DURATION_SECONDS}_bucket{{test=\"1\",le=\"0.0005\"}} 0"))
        );
        assert!(text.contains(&format!("{ISSUE_REQUESTS_TOTAL}{{test=\"1\"}} 1")));
        assert!(text.contains(&format!("{STOCK}{{test=\"1\"}} 1")));
        assert!(!text.contains("quantile="), "summaries cannot be added up over instances");
    }
}
