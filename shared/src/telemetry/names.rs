//! The name of every metric, with its kind, unit, labels, help text and, for a histogram, its buckets: dashboards,
//! alerts and the page that documents them are tested against this list. Labels never name a person; `campaign` only
//! stands on series of campaigns that are active (`telemetry/scope.rs`).

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

impl Kind {
    /// Its name in Prometheus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
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
    /// What its series are told apart by.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// A step within an issue: a call of the gate takes tens of microseconds, an append that is flushed milliseconds.
const STEP: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// An issue, as who asks sees it: milliseconds, seconds when it goes badly.
const ISSUE: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Any request, up to the deadline of all.
const REQUEST: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// A projection behind the log: tenths of a second when all is well, minutes after an outage.
const CATCH_UP: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// From ten milliseconds to minutes: folding a campaign's whole history.
const REBUILD: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// People in a batch.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $unit:ident, [$($label:ident),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            #[allow(clippy::doc_markdown, reason = "the text is for Prometheus too")]
            pub const $constant: &str = $name;
        )*

        /// Every metric there is.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &[$(stringify!($label)),*], help: $help,
        },)*];
    };
}

use Kind::{Counter, Gauge, Histogram};

metrics! {
    ISSUE_REQUESTS_TOTAL = "firstcome_issue_requests_total", Counter, Count, [campaign, outcome],
        "Requests for a coupon, by outcome: issued, already_issued, or the code of the problem; unavailable also when nobody waited for the answer.";
    ISSUE_ANSWER_SECONDS = "firstcome_issue_answer_seconds", Histogram(ISSUE), Seconds, [campaign],
        "Time from a request's arrival in the queue to its answer, or until nobody waited for it any more.";
    ISSUE_QUEUE_DEPTH = "firstcome_issue_queue_depth", Gauge, Count, [campaign],
        "Requests that wait to be decided.";
    ISSUE_QUEUE_CAPACITY = "firstcome_issue_queue_capacity", Gauge, Count, [],
        "Requests that may wait for one campaign before others are told busy.";
    ISSUE_DECIDE_SECONDS = "firstcome_issue_decide_seconds", Histogram(STEP), Seconds, [],
        "Time of one call of the gate that decides a batch.";
    ISSUE_APPEND_SECONDS = "firstcome_issue_append_seconds", Histogram(STEP), Seconds, [],
        "Time of one append to the log, until it is acknowledged.";
    ISSUE_BATCH_SIZE = "firstcome_issue_batch_size", Histogram(BATCH), Count, [],
        "People in a batch that the gate decided in one call.";

    CAMPAIGN_DUE = "firstcome_campaign_due", Gauge, Count, [campaign],
        "1 while coupons should be handed out: a window is open by the clock, coupons are left, and nobody paused or cancelled it; else 0.";
    CAMPAIGN_OPEN = "firstcome_campaign_open", Gauge, Count, [campaign],
        "1 while this instance can hand out coupons: the gate says open and takes writes, and the log takes appends; else 0.";
    CAMPAIGN_FORGOT = "firstcome_campaign_forgot", Gauge, Count, [campaign],
        "1 while this instance cannot go on with what the log holds of the campaign although the log answers: it cannot read a message, or some are missing; else 0.";
    CAMPAIGN_PAUSED = "firstcome_campaign_paused", Gauge, Count, [campaign],
        "1 while an operator holds a campaign whose window is open by the clock, else 0.";
    CAMPAIGN_STATE = "firstcome_campaign_state", Gauge, Count, [campaign],
        "What the campaign is, by its definition, switches, counts and the clock: 0 scheduled, 1 open, 2 paused, 3 sold out, 4 ended, 5 cancelled.";
    CAMPAIGNS_UNSHOWN = "firstcome_campaigns_unshown", Gauge, Count, [],
        "Active campaigns that have no series because there are too many of them.";
    STOCK = "firstcome_stock", Gauge, Count, [campaign],
        "Coupons of the campaign's current window, or of its next one, issued or not.";
    ISSUED = "firstcome_issued", Gauge, Count, [campaign],
        "Coupons issued in that window.";
    OVERSOLD = "firstcome_oversold", Gauge, Count, [campaign, store],
        "Coupons issued beyond the stock of their window, as the gate or the read model counts them; never above 0.";
    SEQUENCE_GAPS = "firstcome_sequence_gaps", Gauge, Count, [campaign, store],
        "Sequence numbers that are missing or out of order in the log or in the read model; never above 0.";

    OUTBOX_DEPTH = "firstcome_outbox_depth", Gauge, Count, [campaign],
        "Decisions of the gate that are not known to be logged.";
    OUTBOX_OLDEST_AGE_SECONDS = "firstcome_outbox_oldest_age_seconds", Gauge, Seconds, [campaign],
        "Age of the oldest decision that is not known to be logged; 0 when there is none.";
    GATE_EPOCH = "firstcome_gate_epoch", Gauge, Count, [campaign],
        "Which memory of the gate this is: 1 at creation, one more with every fence.";
    GATE_REBUILDS_TOTAL = "firstcome_gate_rebuilds_total", Counter, Count, [campaign],
        "Times this instance loaded a gate from the log: because it had forgotten, at a start, or by order.";
    GATE_REBUILD_SECONDS = "firstcome_gate_rebuild_seconds", Histogram(REBUILD), Seconds, [],
        "Time of one rebuild of a gate, from the first look at the log to its load.";
    GATE_REBUILD_RUNNING_SECONDS = "firstcome_gate_rebuild_running_seconds", Gauge, Seconds, [campaign],
        "How long this instance has been rebuilding the gate; 0 when it is not.";
    REFUSED_APPENDS_TOTAL = "firstcome_refused_appends_total", Counter, Count, [campaign],
        "Appends that the log refused because its end had moved on.";

    LOG_POSITION = "firstcome_log_position", Gauge, Count, [partition],
        "Sequence number of the log's last message.";
    LOG_FORGOT = "firstcome_log_forgot", Gauge, Count, [projection],
        "1 when the log is not the one that the projection was read from, which then stands still; of the ledger: nothing is issued; else 0.";
    CONSUMER_POSITION = "firstcome_consumer_position", Gauge, Count, [projection, partition],
        "Sequence number up to which a projection has applied the log.";
    LAG_EVENTS = "firstcome_lag_events", Gauge, Count, [projection],
        "Messages of the log that a projection has not applied; no series while the log does not answer this instance.";
    LAG_SECONDS = "firstcome_lag_seconds", Gauge, Seconds, [projection],
        "Age of the oldest message that a projection has not applied; 0 when there is none, no series while the log does not answer this instance.";
    APPLIED_MESSAGES_TOTAL = "firstcome_applied_messages_total", Counter, Count, [projection],
        "Messages of the log that this instance has applied to a projection.";
    APPLY_SECONDS = "firstcome_apply_seconds", Histogram(STEP), Seconds, [projection],
        "Time to apply one batch of messages to a projection.";
    VISIBLE_SECONDS = "firstcome_visible_seconds", Histogram(CATCH_UP), Seconds, [projection],
        "Time from a decision until it stands in a projection, one sample a message.";
    PROJECTION_STALLED = "firstcome_projection_stalled", Gauge, Count, [projection],
        "1 while this instance cannot read the log into the projection, because one of them is away; else 0.";
    PARKED_CAMPAIGNS = "firstcome_parked_campaigns", Gauge, Count, [projection],
        "Campaigns that a projection has parked because of a message it cannot apply.";

    DRIFT = "firstcome_drift", Gauge, Count, [campaign, store],
        "Coupons by which a store differs from the log, at least, as far as the two were compared; never above 0.";
    DRIFT_CHECKED_TIMESTAMP_SECONDS = "firstcome_drift_checked_timestamp_seconds", Gauge, Seconds, [store],
        "Up to when a store was compared with the log: what was logged earlier would have shown, in seconds since 1970.";
    UNCOMPARED_DECISIONS = "firstcome_uncompared_decisions", Gauge, Count, [store],
        "Decisions of active campaigns that stand in the log and that a store was not compared with yet.";
    COMPARED_COUPONS_TOTAL = "firstcome_compared_coupons_total", Counter, Count, [store],
        "Coupons of a store that were compared with the log.";

    WAITING = "firstcome_waiting", Gauge, Count, [campaign],
        "People in the waiting room.";
    ACTIVE = "firstcome_active", Gauge, Count, [campaign],
        "People admitted from the waiting room and not done.";
    ADMITTED_TOTAL = "firstcome_admitted_total", Counter, Count, [campaign],
        "People admitted from the waiting room.";

    DEPENDENCY_UP = "firstcome_dependency_up", Gauge, Count, [dependency, kind],
        "1 when a dependency (gate, log, ledger, read_model) answers, gate and log take writes, and the log is the one that the ledger was read from, else 0; kind is what stands behind it.";
    HTTP_REQUESTS_TOTAL = "firstcome_http_requests_total", Counter, Count, [method, route, status],
        "Requests.";
    HTTP_REQUEST_DURATION_SECONDS = "firstcome_http_request_duration_seconds", Histogram(REQUEST), Seconds, [method, route],
        "Time from a request's head to its response's head.";
    HTTP_REQUESTS_IN_FLIGHT = "firstcome_http_requests_in_flight", Gauge, Count, [],
        "Requests that wait for their response's head.";
    RUNTIME_WORKERS = "firstcome_runtime_workers", Gauge, Count, [],
        "Threads that serve requests.";
    RUNTIME_BUSY_SECONDS_TOTAL = "firstcome_runtime_busy_seconds_total", Counter, Seconds, [],
        "Time for which these threads had something to do, added up.";
    RUNTIME_QUEUE_DEPTH = "firstcome_runtime_queue_depth", Gauge, Count, [],
        "Tasks that wait for one of these threads in the queue that they share.";
    RUNTIME_TASKS = "firstcome_runtime_tasks", Gauge, Count, [],
        "Tasks that are alive: connections, lanes, background work.";
    BUILD_INFO = "firstcome_build_info", Gauge, Count, [service, version],
        "Always 1; its labels say which service and version this is.";

    PROCESS_CPU_SECONDS_TOTAL = "process_cpu_seconds_total", Counter, Seconds, [],
        "Processor time of this process, user and system.";
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes", Gauge, Bytes, [],
        "Memory of this process that is in RAM.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, Count, [],
        "Open file descriptors.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, Count, [],
        "Most file descriptors that may be open.";
    PROCESS_THREADS = "process_threads", Gauge, Count, [],
        "Threads of this process.";
    PROCESS_START_TIME_SECONDS = "process_start_time_seconds", Gauge, Seconds, [],
        "When this process began to count, in seconds since 1970.";
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
        for Metric { name, kind, unit, labels, help } in METRICS {
            // What every process has, has the same name everywhere.
            assert!(name.starts_with("firstcome_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            let base = name.trim_end_matches("_total");
            assert_eq!(base.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            assert_eq!(base.ends_with("_bytes"), *unit == Unit::Bytes, "{name}");
            assert!(help.ends_with('.'), "{name}");
            assert!(!labels.iter().any(|label| label.contains("user")), "{name} names people");
            if let Histogram(buckets) = kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
    }
}
