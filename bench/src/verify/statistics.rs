//! The numbers that the read model shows to people, beside what the log adds up to: a total, a timeline and a peak are
//! counters of their own, which no comparison of rows would find wrong.

use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Code, Store, Time, Timeline};

use super::difference::{Difference, Kind};
use crate::api::{Api, is_unknown};
use crate::audit::rows;
use crate::error::BenchError;
use crate::text::thousands;

/// Seconds, or hours, that are named of a timeline that is wrong.
const SPANS_NAMED: usize = 5;

/// What is wrong with a campaign's statistics. The read model has come to where the log had `least` coupons, and cannot
/// have counted more than the gate has given by the time that it was asked.
pub(super) async fn differences(api: &Api, id: &str, least: u64) -> Result<Vec<Difference>, BenchError> {
    let before = match api.statistics(id).await {
        Err(error) if is_unknown(&error) => return Ok(Vec::new()),
        before => before?,
    };
    let timeline = timeline(api, id).await?;
    let view = api.statistics(id).await?;
    let most = api.campaign(id).await?.issued.max(least);

    let log = match most - least {
        0 => format!("log {}", thousands(least)),
        _ => format!("log {} to {}", thousands(least), thousands(most)),
    };
    let mut found = Vec::new();
    let mut wrong = |detail| found.push(Difference::general(Store::ReadModel, id, Kind::Statistics, detail));
    if !(least..=most).contains(&view.totals.issued) {
        wrong(format!("totals.issued: {log}, read model {}", thousands(view.totals.issued)));
    }
    let Some(timeline) = timeline else { return Ok(found) };
    let sum = timeline.items.iter().map(|bucket| bucket.issued).sum();
    if !(least..=most).contains(&sum) {
        let spans = spans_that_differ(api, id, &timeline).await?;
        wrong(format!("the timeline's sum: {log}, read model {}{spans}", thousands(sum)));
    }
    // Of the same moment only when nothing moved meanwhile and both have counted the same.
    let still = before == view && sum == view.totals.issued;
    let peak = timeline.items.iter().map(|bucket| bucket.issued).max().unwrap_or(0);
    if still && timeline.step_seconds == 1 && peak != view.peak_per_second {
        wrong(format!("peak_per_second: timeline {peak}, read model {}", view.peak_per_second));
    }
    Ok(found)
}

/// By the second, where that is not too much for one answer; else by the hour.
async fn timeline(api: &Api, id: &str) -> Result<Option<Timeline>, BenchError> {
    for step in ["1s", "1h"] {
        match api.timeline(id, step).await {
            Err(error) if error.code() == Some(Code::InvalidRequest) => {}
            timeline => return timeline.map(Some),
        }
    }
    Ok(None)
}

/// The spans whose count is not that of the coupons that were decided in them.
async fn spans_that_differ(api: &Api, id: &str, timeline: &Timeline) -> Result<String, BenchError> {
    let step = i64::try_from(timeline.step_seconds).unwrap_or(1).max(1) * 1_000;
    let span = |at: Millis| Millis(at.0 - at.0.rem_euclid(step));
    let mut counts: BTreeMap<Millis, (u64, u64)> = BTreeMap::new();
    for bucket in &timeline.items {
        counts.entry(span(bucket.at.0)).or_default().0 += bucket.issued;
    }
    for row in rows(api, id).await? {
        counts.entry(span(row.issued_at.0)).or_default().1 += 1;
    }
    let mut differ: Vec<String> = counts
        .iter()
        .filter(|(_, (shown, issued))| shown != issued)
        .map(|(at, (shown, issued))| format!("; {}: log {issued}, read model {shown}", Time(*at)))
        .collect();
    let more = differ.len().saturating_sub(SPANS_NAMED);
    differ.truncate(SPANS_NAMED);
    if more > 0 {
        differ.push(format!("; {more} more"));
    }
    Ok(differ.concat())
}
