//! The name of every metric, with its kind, unit, help text and, for a histogram, its buckets: dashboards and alerts
//! are tested against this list. Labels never name a person; `campaign` only stands on series of campaigns that are not over.

use metrics::Unit;

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution; the upper ends of its buckets.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, with prefix and unit.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// What it means.
    pub help: &'static str,
}

/// From a tenth of a millisecond to ten seconds: a request and its steps.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From ten milliseconds to minutes: folding a campaign's whole history.
const REBUILD_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// People in a batch.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $unit:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            #[allow(clippy::doc_markdown, reason = "the text is for Prometheus too")]
            pub const $constant: &str = $name;
        )*

        /// Every metric there is.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $name, kind: $kind, unit: Unit::$unit, help: $help },)*];
    };
}

use Kind::{Counter, Gauge, Histogram};

metrics! {
    ISSUE_REQUESTS_TOTAL = "firstcome_issue_requests_total", Counter, Count,
        "Requests for a coupon, by campaign and outcome (issued, already_issued or the code of the problem).";
    ISSUE_DECIDE_SECONDS = "firstcome_issue_decide_seconds", Histogram(SECONDS), Seconds,
        "Time of one call of the gate that decides a batch.";
    ISSUE_APPEND_SECONDS = "firstcome_issue_append_seconds", Histogram(SECONDS), Seconds,
        "Time of one append to the log, until it is acknowledged.";
    ISSUE_ANSWER_SECONDS = "firstcome_issue_answer_seconds", Histogram(SECONDS), Seconds,
        "Time from a request's arrival in the queue to its answer.";
    ISSUE_BATCH_SIZE = "firstcome_issue_batch_size", Histogram(BATCH), Count,
        "People in a batch that the gate decided in one call.";
    ISSUE_QUEUE_DEPTH = "firstcome_issue_queue_depth", Gauge, Count,
        "Requests that wait to be decided, by campaign.";

    STOCK = "firstcome_stock", Gauge, Count,
        "Coupons of the campaign's current window, issued or not, by campaign.";
    ISSUED = "firstcome_issued", Gauge, Count,
        "Coupons issued in the campaign's current window, by campaign.";
    OUTBOX_DEPTH = "firstcome_outbox_depth", Gauge, Count,
        "Decisions of the gate that are not known to be logged, by campaign.";
    OUTBOX_OLDEST_AGE_SECONDS = "firstcome_outbox_oldest_age_seconds", Gauge, Seconds,
        "Age of the oldest decision that is not known to be logged, by campaign; 0 when there is none.";
    GATE_REBUILDS_TOTAL = "firstcome_gate_rebuilds_total", Counter, Count,
        "Times this instance rebuilt a gate that had forgotten, by campaign.";
    GATE_REBUILD_SECONDS = "firstcome_gate_rebuild_seconds", Histogram(REBUILD_SECONDS), Seconds,
        "Time of one rebuild of a gate, from its fence to its swap.";
    REFUSED_APPENDS_TOTAL = "firstcome_refused_appends_total", Counter, Count,
        "Appends that the log refused because its end had moved on, by campaign.";

    LOG_POSITION = "firstcome_log_position", Gauge, Count,
        "Sequence number of the log's last message, by partition.";
    CONSUMER_POSITION = "firstcome_consumer_position", Gauge, Count,
        "Sequence number up to which a projection has applied the log, by projection and partition.";
    LAG_EVENTS = "firstcome_lag_events", Gauge, Count,
        "Messages of the log that a projection has not applied, by projection.";
    LAG_SECONDS = "firstcome_lag_seconds", Gauge, Seconds,
        "Age of the oldest message that a projection has not applied, by projection; 0 when there is none.";
    PARKED_CAMPAIGNS = "firstcome_parked_campaigns", Gauge, Count,
        "Campaigns that a projection has parked because of a message it cannot apply, by projection.";
    DRIFT = "firstcome_drift", Gauge, Count,
        "Coupons by which a store differed from the log when they were last compared, by campaign and store.";

    WAITING = "firstcome_waiting", Gauge, Count,
        "People in the waiting room, by campaign.";
    ACTIVE = "firstcome_active", Gauge, Count,
        "People admitted from the waiting room and not done, by campaign.";
    ADMITTED_TOTAL = "firstcome_admitted_total", Counter, Count,
        "People admitted from the waiting room, by campaign.";

    DEPENDENCY_UP = "firstcome_dependency_up", Gauge, Count,
        "1 when a dependency answers, else 0, by dependency (gate, log, ledger, read_model) and kind.";
    HTTP_REQUESTS_TOTAL = "firstcome_http_requests_total", Counter, Count,
        "Requests, by method, route and status.";
    HTTP_REQUEST_DURATION_SECONDS = "firstcome_http_request_duration_seconds", Histogram(SECONDS), Seconds,
        "Time from a request's head to its response's head, by method and route.";
    BUILD_INFO = "firstcome_build_info", Gauge, Count,
        "Always 1; its labels say which service and version this is.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len(), "a name is used twice");
        for Metric { name, kind, unit, help } in METRICS {
            assert!(name.starts_with("firstcome_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            assert!(help.ends_with('.'), "{name}");
            if let Histogram(buckets) = kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
    }
}
