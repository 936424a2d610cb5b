//! `--once`: one snapshot on standard output, as text for people or as JSON for programs, without a terminal.

use std::io::Write;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, Coupon, HistoryCampaign, Pipeline, ProjectionView, Time};
use futures::future::join_all;
use serde::Serialize;

use crate::message::{Data, Feed};
use crate::source::Api;
use crate::state::Campaigns;
use crate::text;
use crate::{ConsoleArgs, ConsoleError};

/// What `--once --json` prints. A part that could not be had is null, and `errors` says why.
#[derive(Debug, Default, Serialize)]
struct Snapshot {
    at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaigns: Option<Vec<Campaign>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<Box<Campaign>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Box<HistoryCampaign>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupons: Option<Vec<Coupon>>,
    pipeline: Option<Box<Pipeline>>,
    read_model: Option<ProjectionView>,
    errors: Vec<Missing>,
}

/// A part of the snapshot that could not be had.
#[derive(Debug, Serialize)]
struct Missing {
    part: &'static str,
    reason: String,
}

/// Fetches everything once and prints it. With `--campaign` that campaign instead of all.
pub(crate) async fn print(
    api: &dyn Api,
    args: &ConsoleArgs,
    now: Millis,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let mut feeds = match &args.campaign {
        Some(id) => vec![Feed::Campaign(id.clone()), Feed::History(id.clone()), Feed::Coupons(id.clone())],
        None => vec![Feed::Campaigns],
    };
    feeds.extend([Feed::Pipeline, Feed::Lag]);
    let results = join_all(feeds.iter().map(|feed| api.fetch(feed))).await;

    let mut snapshot = Snapshot { at: Time(now), ..Snapshot::default() };
    for (feed, result) in feeds.iter().zip(results) {
        match result {
            Ok(Data::Campaigns(campaigns)) => snapshot.campaigns = Some(campaigns),
            Ok(Data::Campaign(campaign)) => snapshot.campaign = Some(campaign),
            Ok(Data::History(history)) => snapshot.history = Some(history),
            Ok(Data::Coupons(coupons)) => snapshot.coupons = Some(masked(coupons)),
            Ok(Data::Pipeline(pipeline)) => snapshot.pipeline = Some(pipeline),
            Ok(Data::Lag(lag)) => snapshot.read_model = Some(lag),
            Err(failure) => {
                snapshot
                    .errors
                    .push(Missing { part: feed.name(), reason: text::plain(&failure.to_string()) });
            }
        }
    }
    if snapshot.campaigns.is_none() && snapshot.campaign.is_none() {
        let reason = snapshot.errors.into_iter().next().map(|missing| missing.reason).unwrap_or_default();
        return Err(ConsoleError::NoSnapshot(reason));
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &snapshot).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write_text(&snapshot, now, out)?;
    }
    out.flush()?;
    Ok(())
}

fn masked(mut coupons: Vec<Coupon>) -> Vec<Coupon> {
    for coupon in &mut coupons {
        coupon.code = text::masked(&coupon.code);
    }
    coupons
}

fn write_text(snapshot: &Snapshot, now: Millis, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "firstcome at {}", snapshot.at)?;
    let mut campaigns = Campaigns::default();
    let listed = snapshot.campaigns.iter().flatten().chain(snapshot.campaign.as_deref());
    campaigns.replace(listed.cloned().collect(), now);
    if campaigns.total() == 0 {
        writeln!(out, "\nno campaigns")?;
    } else {
        write_campaigns(&campaigns, now, out)?;
    }
    if let Some(history) = &snapshot.history {
        write_history(history, out)?;
    }
    if let Some(coupons) = snapshot.coupons.as_ref().filter(|coupons| !coupons.is_empty()) {
        writeln!(out, "\nlatest coupons")?;
        for coupon in coupons.iter().take(10) {
            let (seq, person) = (text::count(coupon.seq), text::plain(&coupon.user_id));
            writeln!(out, "  {seq:>9}  {person:<24}  {}  {}", text::masked(&coupon.code), coupon.issued_at)?;
        }
    }
    write_pipeline(snapshot, out)?;
    for missing in &snapshot.errors {
        writeln!(out, "\n{} could not be had: {}", missing.part, missing.reason)?;
    }
    Ok(())
}

fn write_campaigns(campaigns: &Campaigns, now: Millis, out: &mut dyn Write) -> std::io::Result<()> {
    const TITLES: [&str; 7] = ["CAMPAIGN", "STATE", "LEFT", "OF", "ISSUED", "WAITING", "NEXT"];
    let mut table = vec![TITLES.map(str::to_owned)];
    table.extend(campaigns.lines(0, usize::MAX).map(|entry| {
        let (view, standing, (_, stock)) = (&entry.view, entry.standing(), entry.left_of());
        let next = entry.next(now).map(|(word, time)| format!("{word} in {}", text::countdown(time)));
        [
            text::plain(&view.id),
            format!("{} {}", standing.symbol(), standing.word()),
            entry.to_be_had().map_or_else(|| "–".to_owned(), text::count),
            text::count(stock),
            text::count(view.issued),
            text::count(view.waiting),
            next.unwrap_or_else(|| "–".to_owned()),
        ]
    }));
    let widest = |column: usize| table.iter().map(|row| text::width(&row[column]).into()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(widest);
    writeln!(out)?;
    for row in &table {
        write!(out, "{:<2$}  {:<3$}", row[0], row[1], widths[0], widths[1])?;
        for column in 2..6 {
            write!(out, "  {:>1$}", row[column], widths[column])?;
        }
        writeln!(out, "  {}", row[6])?;
    }
    Ok(())
}

fn write_history(history: &HistoryCampaign, out: &mut dyn Write) -> std::io::Result<()> {
    let totals = history.totals;
    let [issued, redeemed, revoked, expired] =
        [totals.issued, totals.redeemed, totals.revoked, totals.expired].map(text::count);
    writeln!(out, "\nissued {issued}, redeemed {redeemed}, revoked {revoked}, expired {expired}")?;
    let time = |at: Option<Time>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
    writeln!(
        out,
        "first issue {}, last issue {}",
        time(history.first_issued_at),
        time(history.last_issued_at)
    )?;
    if let Some(seconds) = history.seconds_to_sell_out {
        writeln!(out, "sold out in {seconds:.1} s")?;
    }
    writeln!(out, "peak {} a second", text::count(history.peak_per_second))
}

fn write_pipeline(snapshot: &Snapshot, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(pipeline) = &snapshot.pipeline {
        writeln!(out, "\noutbox      {} not logged", text::count(pipeline.outbox_depth))?;
        let positions: Vec<String> = pipeline.log.positions.iter().map(ToString::to_string).collect();
        writeln!(out, "log         at {}", positions.join(" "))?;
        write_projection("ledger", &pipeline.ledger, out)?;
    }
    if let Some(read_model) = &snapshot.read_model {
        write_projection("read model", read_model, out)?;
    }
    Ok(())
}

fn write_projection(name: &str, view: &ProjectionView, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "{name:<10}  {} behind ({})", text::count(view.lag_events), text::seconds(view.lag_seconds))?;
    if view.parked > 0 {
        write!(out, ", {} parked", text::count(view.parked))?;
    }
    if let Some(stalled) = &view.stalled {
        write!(out, ", stalled: {}", text::plain(stalled))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests;
