//! Compares one campaign's stores with the log (J4). Everything here must hold while people ask, the gate is rebuilt and
//! projections catch up; so a difference counts only when a second look, at a later position, still shows it.

use std::time::{Duration, Instant};

use firstcome_shared::clock::jittered;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{Fingerprint, Store, WindowView};

use super::difference::{Difference, Kind};
use super::level;
use super::search::{Found, differences, fingerprint, same};
use super::{StoreCounts, Verdict, parts, statistics};
use crate::api::{Api, Slice};
use crate::error::BenchError;
use crate::text::thousands;

/// How long the log may take to show what the gate has decided.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same when the first look has waited in vain.
const PATIENCE_AGAIN: Duration = Duration::from_millis(300);

/// What the comparison of one campaign found.
pub(super) struct Findings {
    pub(super) verdict: Verdict,
    pub(super) differences: Vec<Difference>,
    /// Differences that are not named, at least so many.
    pub(super) unnamed: Vec<(Store, u64)>,
    pub(super) uncounted: bool,
}

/// Compares a campaign up to the log's `ends`; looks a second and third time, further on, at what differs.
pub(super) async fn campaign(api: &Api, id: &str, ends: &[Position]) -> Result<Findings, BenchError> {
    let mut findings = look(api, id, ends, PATIENCE).await?;
    for _ in 0..2 {
        // Who stands still has been waited for.
        if findings.differences.iter().all(|it| it.kind == Kind::Behind) {
            break;
        }
        tokio::time::sleep(jittered(100)).await;
        let ends = level::settled(api, PATIENCE_AGAIN).await?;
        let mut again = look(api, id, &ends, PATIENCE_AGAIN).await?;
        // Where too many differ to name them, the two looks need not have named the same ones.
        if !findings.uncounted {
            again.differences.retain(|new| findings.differences.iter().any(|old| old.is_same(new)));
        }
        findings = again;
    }
    Ok(findings)
}

async fn look(api: &Api, id: &str, ends: &[Position], patience: Duration) -> Result<Findings, BenchError> {
    let start = api.fingerprint(Store::Log, id, Slice::default()).await?;
    let known = ends.iter().find(|end| end.partition == start.position.partition);
    let end = *known.unwrap_or(&start.position);
    let reached = reached(api, id, end).await?;
    let position = reached.iter().map(|(_, position)| *position).min().unwrap_or(end);
    // From 0: a number that no gate gives is a difference too.
    let upto = Slice { from: Some(0), upto: Some(position), ..Slice::default() };
    let truth = api.fingerprint(Store::Log, id, upto).await?;
    let top = truth.highest;
    let mut seen = Seen::default();
    behind(api, id, end, &reached, &mut seen).await?;
    for store in [Store::Ledger, Store::ReadModel] {
        let theirs = fingerprint(api, store, id, upto, truth.count).await?;
        let highest = theirs.as_ref().map_or(0, |it| it.highest);
        if theirs.as_ref().map_or(truth.count != 0, |it| !same(&truth, it)) {
            let range = (0, highest.max(top));
            seen.add(store, differences(api, store, id, range, Some(position), truth.count).await?);
        }
        beyond(api, id, store, top, &mut seen).await?;
    }
    gate(api, id, &truth, patience, &mut seen).await?;
    let (stock, remaining) = conservation(api, id, truth.count, &mut seen).await?;
    // `truth` is of where the read model has come to, or of less.
    for difference in statistics::differences(api, id, truth.count).await? {
        seen.push(difference);
    }
    let verdict = Verdict {
        campaign_id: id.to_owned(),
        position,
        coupons: truth.count,
        on_their_way: start.count.saturating_sub(truth.count),
        stock,
        remaining,
        differences: StoreCounts::default(),
    };
    let uncounted = !seen.unnamed.is_empty();
    Ok(Findings { verdict, differences: seen.differences, unnamed: seen.unnamed, uncounted })
}

#[derive(Default)]
struct Seen {
    differences: Vec<Difference>,
    unnamed: Vec<(Store, u64)>,
}

impl Seen {
    fn add(&mut self, store: Store, found: Found) {
        for difference in found.named {
            self.push(difference);
        }
        if found.unnamed > 0 {
            self.unnamed.push((store, found.unnamed));
        }
    }

    /// A row that is compared in two ranges is named once. Differences come in the order of seq.
    fn push(&mut self, difference: Difference) {
        let known = difference.seq.is_some() && self.differences.iter().any(|old| old.is_same(&difference));
        if !known {
            self.differences.push(difference);
        }
    }
}

/// How far each projection is, at most up to `end`. One that has not heard of the campaign lacks all of it.
async fn reached(api: &Api, id: &str, end: Position) -> Result<[(Store, Position); 2], BenchError> {
    let one = Slice { from: Some(1), to: Some(1), ..Slice::default() };
    let mut reached = [(Store::Ledger, end), (Store::ReadModel, end)];
    for (store, position) in &mut reached {
        if let Some(fingerprint) = fingerprint(api, *store, id, one, 1).await? {
            position.sequence = end.sequence.min(fingerprint.position.sequence);
        }
    }
    Ok(reached)
}

/// A projection that has not come to `end` holds nothing that is wrong, and is not equal either: the coupons that it
/// has yet to read are as good as missing.
async fn behind(
    api: &Api,
    id: &str,
    end: Position,
    reached: &[(Store, Position)],
    seen: &mut Seen,
) -> Result<(), BenchError> {
    for (store, position) in reached.iter().filter(|(_, position)| *position < end) {
        let upto = |upto| Slice { from: Some(0), upto: Some(upto), ..Slice::default() };
        let all = api.fingerprint(Store::Log, id, upto(end)).await?.count;
        let read = api.fingerprint(Store::Log, id, upto(*position)).await?.count;
        if all > read {
            let lacks = thousands(all - read);
            let detail =
                format!("compared up to {position} only, {lacks} coupons up to {end} are not there yet");
            seen.push(Difference::general(*store, id, Kind::Behind, detail));
        }
    }
    Ok(())
}

/// Rows of a projection above what was compared: they are newer, or a hand put them there. The log, asked afterwards,
/// has every one that is real.
async fn beyond(api: &Api, id: &str, store: Store, top: u64, seen: &mut Seen) -> Result<(), BenchError> {
    let above = Slice { from: Some(top + 1), ..Slice::default() };
    let Some(theirs) = fingerprint(api, store, id, above, top).await? else { return Ok(()) };
    if theirs.count == 0 {
        return Ok(());
    }
    let range = Slice { to: Some(theirs.highest), ..above };
    let truth = api.fingerprint(Store::Log, id, range).await?;
    if !same(&truth, &theirs) {
        seen.add(store, differences(api, store, id, (top + 1, theirs.highest), None, top).await?);
    }
    Ok(())
}

/// The gate is ahead of the log: up to `truth` both agree, and what it has beyond must soon be logged.
async fn gate(
    api: &Api,
    id: &str,
    truth: &Fingerprint,
    patience: Duration,
    seen: &mut Seen,
) -> Result<(), BenchError> {
    let top = truth.highest;
    let upto = Slice { to: Some(top), ..Slice::default() };
    let theirs = parts::fingerprint(api, Store::Gate, id, upto, truth.count).await?;
    if !same(truth, &theirs) {
        seen.add(Store::Gate, differences(api, Store::Gate, id, (0, top), None, truth.count).await?);
    }
    let above = Slice { from: Some(top + 1), ..Slice::default() };
    let theirs = api.fingerprint(Store::Gate, id, above).await?;
    if theirs.count == 0 {
        return Ok(());
    }
    let range = Slice { to: Some(theirs.highest), ..above };
    let until = Instant::now() + patience;
    loop {
        let truth = api.fingerprint(Store::Log, id, range).await?;
        if same(&truth, &theirs) {
            return Ok(());
        }
        if truth.highest >= theirs.highest || Instant::now() >= until {
            break;
        }
        tokio::time::sleep(jittered(50)).await;
    }
    seen.add(Store::Gate, differences(api, Store::Gate, id, (top + 1, theirs.highest), None, top).await?);
    Ok(())
}

/// P9: `remaining + issued = stock`, of the campaign and of each window, and the gate's counter agrees with its rows, which
/// are gapless from 1. The rows are counted before and after the counter is read: it must lie between.
async fn conservation(api: &Api, id: &str, top: u64, seen: &mut Seen) -> Result<(u64, u64), BenchError> {
    let rows = async || parts::fingerprint(api, Store::Gate, id, Slice::default(), top).await;
    let before = rows().await?;
    let view = api.campaign(id).await?;
    let after = rows().await?;
    let mut wrong = |detail| seen.push(Difference::general(Store::Gate, id, Kind::Conservation, detail));
    if view.remaining.checked_add(view.issued) != Some(view.stock) {
        wrong(format!("remaining {} + issued {} is not stock {}", view.remaining, view.issued, view.stock));
    }
    // One that was oversold does not show in the sums, where another has something left.
    let windows = view.windows.unwrap_or_default();
    for WindowView { id, stock, issued, remaining, .. } in &windows {
        if remaining.checked_add(*issued) != Some(*stock) {
            wrong(format!("window {id}: remaining {remaining} + issued {issued} is not stock {stock}"));
        }
    }
    let issued: u128 = windows.iter().map(|window| u128::from(window.issued)).sum();
    if !windows.is_empty() && issued != u128::from(view.issued) {
        wrong(format!("the windows count {issued} issued, the campaign {}", view.issued));
    }
    if !(before.count..=after.count.max(before.count)).contains(&view.issued) {
        wrong(format!("the gate counts {} issued and has {} rows", view.issued, after.count));
    }
    if after.count != after.highest {
        wrong(format!("the gate has {} rows up to seq {}", after.count, after.highest));
    }
    Ok((view.stock, view.remaining))
}
