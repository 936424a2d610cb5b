//! The write side's hot metrics, as handles that were looked up once. Those of a campaign are shown while it is active:
//! `service/measure.rs` says when.

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::domain::{CampaignId, Verdict};
use firstcome_shared::telemetry::{
    GATE_REBUILD_SECONDS, GATE_REBUILDS_TOTAL, ISSUE_ANSWER_SECONDS, ISSUE_APPEND_SECONDS, ISSUE_BATCH_SIZE,
    ISSUE_DECIDE_SECONDS, ISSUE_REQUESTS_TOTAL, REFUSED_APPENDS_TOTAL, Scope,
};
use firstcome_shared::wire::Code;
use metrics::{Counter, Histogram, histogram};

use crate::lane::{Answer, NoAnswer};

/// What a lane counts. Made when it opens, after the recorder was installed.
#[derive(Clone)]
pub(crate) struct Metrics {
    scope: Arc<Scope>,
    decide_seconds: Histogram,
    batch_size: Histogram,
    append_seconds: Histogram,
    answer_seconds: Histogram,
    refused_appends: Counter,
    rebuilds: Counter,
    rebuild_seconds: Histogram,
    issued: Counter,
    already_issued: Counter,
    refused: [(Code, Counter); 8],
}

impl Metrics {
    pub(crate) fn new(campaign: &CampaignId) -> Self {
        let scope = Scope::campaign(campaign);
        let outcome = |outcome| scope.counter(ISSUE_REQUESTS_TOTAL, &[("outcome", outcome)]);
        let refused = [
            (Code::SoldOut, "sold_out"),
            (Code::NotOpen, "not_open"),
            (Code::Paused, "paused"),
            (Code::Closed, "closed"),
            (Code::LimitReached, "limit_reached"),
            (Code::CampaignNotFound, "campaign_not_found"),
            (Code::Busy, "busy"),
            (Code::Unavailable, "unavailable"),
        ];
        Self {
            decide_seconds: histogram!(ISSUE_DECIDE_SECONDS),
            batch_size: histogram!(ISSUE_BATCH_SIZE),
            append_seconds: histogram!(ISSUE_APPEND_SECONDS),
            answer_seconds: scope.histogram(ISSUE_ANSWER_SECONDS),
            refused_appends: scope.counter(REFUSED_APPENDS_TOTAL, &[]),
            rebuilds: scope.counter(GATE_REBUILDS_TOTAL, &[]),
            rebuild_seconds: histogram!(GATE_REBUILD_SECONDS),
            issued: outcome("issued"),
            already_issued: outcome("already_issued"),
            refused: refused.map(|(code, name)| (code, outcome(name))),
            scope,
        }
    }

    /// Whether the campaign's series are shown from now on.
    pub(crate) fn show(&self, shown: bool) {
        self.scope.show(shown);
    }

    pub(crate) fn waited(&self, took: Duration) {
        self.answer_seconds.record(took.as_secs_f64());
    }

    pub(crate) fn answered(&self, answer: &Answer) {
        let code = match answer {
            Ok(logged) => match logged.body {
                Verdict::Issued { .. } => return self.issued.increment(1),
                Verdict::AlreadyIssued(_) => return self.already_issued.increment(1),
                Verdict::SoldOut { .. } => Code::SoldOut,
                Verdict::NotOpen { .. } => Code::NotOpen,
                Verdict::Paused => Code::Paused,
                Verdict::Closed(_) => Code::Closed,
                Verdict::LimitReached(_) => Code::LimitReached,
            },
            Err(NoAnswer::Busy) => Code::Busy,
            Err(NoAnswer::NotFound) => Code::CampaignNotFound,
            Err(NoAnswer::Unavailable(_)) => Code::Unavailable,
        };
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == code) {
            counter.increment(1);
        }
    }

    pub(crate) fn decided(&self, people: usize, took: Duration) {
        self.decide_seconds.record(took.as_secs_f64());
        self.batch_size.record(f64::from(u32::try_from(people).unwrap_or(u32::MAX)));
    }

    pub(crate) fn appended(&self, took: Duration) {
        self.append_seconds.record(took.as_secs_f64());
    }

    pub(crate) fn append_refused(&self) {
        self.refused_appends.increment(1);
    }

    pub(crate) fn rebuilt(&self, took: Duration) {
        self.rebuilds.increment(1);
        self.rebuild_seconds.record(took.as_secs_f64());
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
