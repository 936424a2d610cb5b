//! The write side's hot metrics, as handles that were looked up once. Those of a campaign are shown while it is active:
//! `service/measure.rs` says when.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use firstcome_shared::domain::{CampaignId, Verdict};
use firstcome_shared::telemetry::{
    GATE_REBUILD_SECONDS, GATE_REBUILDS_TOTAL, ISSUE_ANSWER_SECONDS, ISSUE_APPEND_SECONDS, ISSUE_BATCH_SIZE,
    ISSUE_DECIDE_SECONDS, ISSUE_REQUESTS_TOTAL, REFUSED_APPENDS_TOTAL, Scope,
};
use firstcome_shared::wire::Code;
use metrics::{Counter, Histogram, histogram};

use crate::lane::{Answer, NoAnswer};

/// The metrics of every campaign that is known here, with a lane or without one.
#[derive(Debug, Default)]
pub struct Campaigns(RwLock<HashMap<CampaignId, Arc<Metrics>>>);

impl Campaigns {
    /// Those of a campaign that exists.
    pub(crate) fn of(&self, campaign: &CampaignId) -> Arc<Metrics> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let metrics = known.entry(campaign.clone()).or_insert_with(|| Arc::new(Metrics::new(campaign)));
        Arc::clone(metrics)
    }

    /// Counts a request that no lane answers, if the campaign is known: any name may be asked for.
    fn unavailable(&self, campaign: &CampaignId) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.get(campaign.as_str()) {
            metrics.refused(Code::Unavailable);
        }
    }
}

/// A request that no lane has taken yet. Dropped like this, on an error or at the deadline, it counts as unavailable.
#[must_use]
pub(crate) struct Untaken<'a>(Option<(&'a Campaigns, &'a CampaignId)>);

impl<'a> Untaken<'a> {
    pub(crate) fn new(campaigns: &'a Campaigns, campaign: &'a CampaignId) -> Self {
        Self(Some((campaigns, campaign)))
    }

    /// A lane counts it, or it was no question.
    pub(crate) fn taken(mut self) {
        self.0 = None;
    }
}

impl Drop for Untaken<'_> {
    fn drop(&mut self) {
        if let Some((campaigns, campaign)) = self.0 {
            campaigns.unavailable(campaign);
        }
    }
}

/// A request in a lane. Dropped without an answer, at the deadline or when its caller hangs up, it counts as
/// unavailable.
#[must_use]
pub(crate) struct Unanswered<'a>(Option<&'a Metrics>);

impl Unanswered<'_> {
    pub(crate) fn answered(mut self, answer: &Answer) {
        if let Some(metrics) = self.0.take() {
            metrics.answered(answer);
        }
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.refused(Code::Unavailable);
        }
    }
}

/// Somebody who waits for an answer. How long is known when this is dropped, with an answer or without one.
#[must_use]
pub(crate) struct Waiting<'a> {
    metrics: &'a Metrics,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.metrics.answer_seconds.record(self.since.elapsed().as_secs_f64());
    }
}

/// What is counted of a campaign. Made after the recorder was installed.
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
    fn new(campaign: &CampaignId) -> Self {
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

    pub(crate) fn waiting(&self, since: Instant) -> Waiting<'_> {
        Waiting { metrics: self, since }
    }

    pub(crate) fn asked(&self) -> Unanswered<'_> {
        Unanswered(Some(self))
    }

    fn answered(&self, answer: &Answer) {
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
        self.refused(code);
    }

    fn refused(&self, code: Code) {
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
