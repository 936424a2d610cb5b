//! `--once`: one snapshot on standard output, as text for people or as JSON for programs, without a terminal.

use std::io::Write;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, Coupon, DeadLetter, HistoryCampaign, Pipeline, ProjectionView, Time};
use futures::future::join_all;
use serde::Serialize;

use crate::message::{Data, Failure, Feed, Health, Message, Side};
use crate::source::Api;
use crate::state::{Campaigns, List as _, State};
use crate::text;
use crate::update::update;
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
    pipeline: Option<Pipeline>,
    read_model: Option<ProjectionView>,
    servers: Vec<OneServer>,
    dead_letters: Vec<DeadLetter>,
    alerts: Vec<Wrong>,
    errors: Vec<Missing>,
}

/// One server.
#[derive(Debug, Serialize)]
struct OneServer {
    address: String,
    /// Which halves it has.
    side: &'static str,
    /// Null when it does not answer.
    ready: Option<bool>,
    version: Option<String>,
    ledger_lag_events: Option<u64>,
    read_model_lag_events: Option<u64>,
    queued: Option<u64>,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
struct Wrong {
    severity: &'static str,
    title: String,
    advice: String,
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
    feeds.extend([Feed::DeadLetters(Side::Command), Feed::DeadLetters(Side::Query)]);
    feeds.extend(
        (0..api.servers())
            .flat_map(|at| [Feed::Pipeline(at), Feed::Lag(at), Feed::Health(at), Feed::Metrics(at)]),
    );
    feeds.extend(api.has_prometheus().then_some(Feed::Alerts));
    let results = join_all(feeds.iter().map(|feed| api.fetch(feed))).await;

    let mut snapshot = Snapshot { at: Time(now), ..Snapshot::default() };
    // The same picture as on the screens: whole, lists and alerts are made there.
    let mut state = State::new(&args.servers, false, args.campaign.as_deref());
    for (feed, result) in feeds.into_iter().zip(results) {
        if let Err(failure) = &result {
            snapshot.miss(&feed, failure);
        }
        match result.clone() {
            Ok(Data::Campaigns(campaigns)) => snapshot.campaigns = Some(campaigns),
            Ok(Data::Campaign(campaign)) => snapshot.campaign = Some(campaign),
            Ok(Data::History(history)) => snapshot.history = Some(history),
            Ok(Data::Coupons(coupons)) => snapshot.coupons = Some(masked(coupons)),
            _ => {}
        }
        update(&mut state, Message::Fetched(feed, result), now);
    }
    snapshot.take(&state);
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

impl Snapshot {
    /// What of the picture is there.
    fn take(&mut self, state: &State) {
        (self.pipeline, self.read_model) = (state.pipeline.clone(), state.read_model.clone());
        self.servers = state.servers.all().iter().map(OneServer::of).collect();
        self.dead_letters = state.letters.lines(0, usize::MAX).map(|line| line.letter.clone()).collect();
        for letter in &mut self.dead_letters {
            letter.message = text::codes_masked(&letter.message);
        }
        let wrong = state.alerts.table.all().iter();
        self.alerts = wrong
            .map(|alert| Wrong {
                severity: alert.severity.word(),
                title: alert.title.clone(),
                advice: alert.advice.clone(),
            })
            .collect();
        // Another server told it.
        let known = (self.pipeline.is_some(), self.read_model.is_some());
        self.errors.retain(|missing| match missing.part {
            "pipeline" => !known.0,
            "read_model" => !known.1,
            _ => true,
        });
        let mut seen = Vec::new();
        self.errors.retain(|missing| {
            let new = !seen.contains(&missing.part);
            seen.push(missing.part);
            new
        });
    }

    /// What could not be had is said once for each part that people ask for.
    fn miss(&mut self, feed: &Feed, failure: &Failure) {
        // A server that is away is an alert; letters come from where lag and pipeline do.
        if matches!(feed, Feed::Health(_) | Feed::Metrics(_) | Feed::DeadLetters(_) | Feed::Alerts) {
            return;
        }
        self.errors.push(Missing { part: feed.name(), reason: text::plain(&failure.to_string()) });
    }
}

impl OneServer {
    fn of(server: &crate::state::Server) -> Self {
        Self {
            address: server.address.clone(),
            side: server.halves(),
            ready: server.health.as_ref().map(|health| *health == Health::Ready),
            version: server.version.clone(),
            ledger_lag_events: server.pipeline.as_ref().map(|pipeline| pipeline.ledger.lag_events),
            read_model_lag_events: server.lag.as_ref().map(|lag| lag.lag_events),
            queued: server.queued(),
        }
    }
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
    for letter in &snapshot.dead_letters {
        let reason = text::plain(&letter.reason);
        writeln!(
            out,
            "\n{} is parked in the {} at {}: {reason}",
            letter.campaign_id,
            letter.projection.replace('_', " "),
            letter.id
        )?;
    }
    for alert in &snapshot.alerts {
        writeln!(
            out,
            "\n{}  {}\n      {}",
            alert.severity,
            text::plain(&alert.title),
            text::plain(&alert.advice)
        )?;
    }
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
    for server in snapshot.servers.iter().filter(|_| snapshot.servers.len() > 1) {
        let ready = match server.ready {
            Some(true) => "ready",
            Some(false) => "not ready",
            None => "no answer",
        };
        writeln!(out, "server      {} {} {ready}", server.address, server.side)?;
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
