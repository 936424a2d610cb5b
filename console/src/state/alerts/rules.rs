//! The console's own rules: what follows from the picture alone, without a Prometheus.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, CampaignPipeline, Pipeline, ProjectionView};

use super::{Alert, Severity};
use crate::message::{Broken, Health, Promise, Side};
use crate::state::{Failing, Picture, Server, Standing, State};
use crate::text;
use Severity::{Page, Warn};

#[cfg(test)]
mod tests;

/// A store that is so many seconds behind deserves a look.
const LAG_SECONDS: f64 = 30.0;
/// A decision that waits for the log so many milliseconds is one that somebody waits for.
const OUTBOX_MS: u64 = 5_000;
/// A queue so full, in percent, soon tells people to come back later.
const QUEUE_PERCENT: u64 = 90;
/// Too many requests must fail at so many looks on end: one is soon over.
const FAILING_LOOKS: u32 = 2;
/// A server may miss an answer or two, in milliseconds.
const PATIENCE: i64 = 2_000;

/// All that is wrong at present.
pub(crate) fn rules(state: &State, now: Millis) -> Vec<Alert> {
    let mut alerts = Vec::new();
    servers(state, now, &mut alerts);
    logs(state, &mut alerts);
    if let Some(pipeline) = &state.pipeline
        && state.servers.pipeline_picture(now).is_live()
    {
        dependencies(state, pipeline, now, &mut alerts);
        lanes(state, pipeline, now, &mut alerts);
        projection(&pipeline.ledger, Side::Command, &mut alerts);
    }
    if let Some(read_model) = &state.read_model
        && state.servers.lag_picture(now).is_live()
    {
        projection(read_model, Side::Query, &mut alerts);
    }
    // An old picture is one of what was: what is wrong now is that it is old.
    if state.picture(Side::Command, now).is_live() {
        campaigns(state, &mut alerts);
    }
    if let Picture::Old { failure: Some(failure), .. } = state.links.of(&crate::message::Feed::Alerts, now) {
        let title = format!("Prometheus does not tell: {}", text::plain(&failure.to_string()));
        alerts.push(Alert::new(Warn, "prometheus", title, "Its alerts are not shown here until it answers."));
    }
    alerts
}

fn servers(state: &State, now: Millis, alerts: &mut Vec<Alert>) {
    let all = state.servers.all();
    for server in all {
        let name = &server.address;
        match server.picture(now) {
            Picture::Old { age, failure } if age.is_none_or(|age| age > PATIENCE) => {
                // Another one does the same work: people notice nothing.
                let alone = !all.iter().any(|other| stands_in(other, server, now));
                let why = failure.map_or_else(|| "it hangs".to_owned(), |failure| failure.to_string());
                let title = format!("{name} does not answer: {}", text::plain(&why));
                let (severity, advice) = if alone {
                    (Page, "Is it running? Start it, or read its log. Nothing it told is lost.")
                } else {
                    (Warn, "Others do its work. Is it running? Start it, or read its log.")
                };
                alerts.push(Alert::new(severity, format!("away {name}"), title, advice));
            }
            Picture::Live => {
                if let Some(Health::NotReady(why)) = &server.health {
                    let title = format!("{name}: {}", text::plain(why).trim_end_matches('.'));
                    // Who only looks up history keeps nobody from a coupon.
                    let (severity, advice) = if server.has(Side::Command) == Some(false) {
                        (Warn, "Issuing goes on; history cannot be asked for there. Its log says more.")
                    } else {
                        (Page, "Send callers elsewhere until it is ready again. Its log says more.")
                    };
                    alerts.push(Alert::new(severity, format!("ready {name}"), title, advice));
                }
                alerts.extend(server.broken.iter().map(broken));
                if let Some(percent) = too_many(server.failing) {
                    let title = format!("{name}: {percent} % of those who ask for a coupon fail");
                    let advice = "People see errors, or are told to ask again. Its log says why.";
                    alerts.push(Alert::new(Page, format!("errors {name}"), title, advice));
                }
                if let Some(percent) = too_many(server.others_failing) {
                    let title = format!("{name}: {percent} % of all other requests fail");
                    let advice = "Nobody is kept from a coupon by that. Its log says why.";
                    alerts.push(Alert::new(Warn, format!("other errors {name}"), title, advice));
                }
            }
            _ => {}
        }
    }
}

/// How many in a hundred fail, when that lasts.
fn too_many(failing: Failing) -> Option<u64> {
    let lasts = failing.looks >= FAILING_LOOKS;
    lasts.then(|| text::percent(failing.failed, failing.requests).max(1))
}

/// What a server found out about its stores.
fn broken(broken: &Broken) -> Alert {
    let (campaign, store) = (&broken.campaign, broken.store.replace('_', " "));
    let coupons = text::count(broken.coupons);
    let all = "A promise is broken: `firstcome verify` names every difference.";
    let (key, title, advice) = match broken.promise {
        Promise::Same => {
            ("drift", format!("{campaign}: the {store} differs from the log by {coupons} coupons"), all)
        }
        Promise::Sequence => {
            ("gap", format!("{campaign}: {coupons} numbers are missing or out of order in the {store}"), all)
        }
        Promise::Stock => (
            "oversold",
            format!("{campaign}: {coupons} coupons more were issued than there are, the {store} says"),
            "A promise is broken: pause it; `firstcome verify` names differences.",
        ),
    };
    Alert::new(Page, format!("{key} {campaign} {store}"), title, advice)
}

/// `other` is there and has all that `server` has.
fn stands_in(other: &Server, server: &Server, now: Millis) -> bool {
    other.address != server.address
        && other.picture(now).is_live()
        && [Side::Command, Side::Query]
            .iter()
            .all(|side| server.has(*side) != Some(true) || other.has(*side) == Some(true))
}

/// Two logs are two systems: what they say does not belong together.
fn logs(state: &State, alerts: &mut Vec<Alert>) {
    let mut identities = state
        .servers
        .all()
        .iter()
        .filter_map(|server| Some((&server.address, &server.pipeline.as_ref()?.log.identity)));
    let Some((first, identity)) = identities.next() else { return };
    if let Some((other, _)) = identities.find(|(_, other)| *other != identity) {
        let title = format!("{first} and {other} follow different logs");
        let advice = "These are two systems. Give --server the addresses of one.";
        alerts.push(Alert::new(Page, "logs", title, advice));
    }
}

fn dependencies(state: &State, pipeline: &Pipeline, now: Millis, alerts: &mut Vec<Alert>) {
    for dependency in pipeline.dependencies.iter().filter(|dependency| !dependency.up) {
        let (name, kind) = (dependency.name.replace('_', " "), text::plain(&dependency.kind));
        let in_part = state.servers.somebody_reaches(&dependency.name, now);
        // Of several servers the detail begins with the one that does not reach it.
        let from = if in_part { " from" } else { ":" };
        let detail = dependency.detail.as_deref().map(|detail| format!("{from} {}", text::plain(detail)));
        let title = format!("The {name} ({kind}) is away{}", detail.unwrap_or_default());
        let (severity, advice) = match (dependency.name.as_str(), in_part) {
            ("gate" | "log", true) => {
                (Page, "Whoever asks there is told to ask again. Send callers elsewhere.")
            }
            ("gate" | "log", false) => {
                (Page, "Nothing is issued until it is back; people are told to ask again.")
            }
            _ => (Warn, "Issuing goes on. Bring it back: it catches up by itself."),
        };
        alerts.push(Alert::new(severity, format!("dependency {}", dependency.name), title, advice));
    }
}

fn lanes(state: &State, pipeline: &Pipeline, now: Millis, alerts: &mut Vec<Alert>) {
    let named = |wanted: &dyn Fn(&CampaignPipeline) -> bool| {
        let mut lanes = pipeline.campaigns.iter().filter(|lane| wanted(lane));
        let first = lanes.next()?.campaign_id.as_str();
        Some(match lanes.count() {
            0 => first.to_owned(),
            others => format!("{first} and {others} more"),
        })
    };
    // A log that is away is said once, with the dependencies.
    if let Some(names) = named(&|lane| lane.forgot.is_some()) {
        let why = pipeline.campaigns.iter().find_map(|lane| lane.forgot.as_deref()).unwrap_or_default();
        let title = format!("{names}: {}", text::plain(why));
        // Where another one goes on, it may be the one that wrote it: nobody is to restore a log that has all.
        let mut stuck = pipeline.campaigns.iter().filter(|lane| lane.forgot.is_some());
        let advice = if stuck.all(|lane| state.servers.somebody_goes_on(&lane.campaign_id, now)) {
            "Send callers elsewhere. Does it run the release that others run?"
        } else {
            "No coupons there: run the release that wrote it, or restore the log."
        };
        alerts.push(Alert::new(Page, "lane log", title, advice));
    }
    if let Some(names) = named(&|lane| lane.oldest_ms > OUTBOX_MS) {
        let oldest = i64::try_from(pipeline.outbox_oldest_ms).unwrap_or(i64::MAX);
        let title = format!("{names}: a decision has waited {} for the log", text::span(oldest));
        let advice = "People wait for their answers. Is the log slow, or its disk full?";
        alerts.push(Alert::new(Page, "outbox", title, advice));
    }
    let full = |lane: &CampaignPipeline| {
        lane.queue_capacity > 0 && text::percent(lane.queued, lane.queue_capacity) >= QUEUE_PERCENT
    };
    if let Some(names) = named(&full) {
        let title = format!("{names}: the queue is nearly full, people are told that it is busy");
        let advice = "Nobody's chance is used up. If it lasts, add an instance.";
        alerts.push(Alert::new(Warn, "queue", title, advice));
    }
}

fn projection(view: &ProjectionView, side: Side, alerts: &mut Vec<Alert>) {
    let store = side.store();
    if let Some(reason) = &view.stalled {
        let title = format!("The {store} stands still: {}", text::plain(reason));
        let advice = "Mend that and it goes on by itself; `firstcome check` may say more.";
        // People lack nothing but what they look up. When the log forgot nothing is issued, and the server is not ready.
        alerts.push(Alert::new(Warn, format!("stalled {store}"), title, advice));
    } else if view.lag_seconds > LAG_SECONDS {
        let title = format!("The {store} is {} behind the log", text::seconds(view.lag_seconds));
        let advice = "Issuing goes on. If it grows in :pipeline, look at its database.";
        alerts.push(Alert::new(Warn, format!("lag {store}"), title, advice));
    }
    if view.parked > 0 {
        let several = if view.parked == 1 { "campaign is" } else { "campaigns are" };
        let title = format!("{} {several} parked in the {store}", text::count(view.parked));
        let advice = ":dead-letters shows why. Mend it and replay, or discard the message.";
        alerts.push(Alert::new(Warn, format!("parked {store}"), title, advice));
    }
}

fn campaigns(state: &State, alerts: &mut Vec<Alert>) {
    for entry in state.campaigns.all() {
        let (view, id) = (&entry.view, &entry.view.id);
        if entry.standing() == Standing::Unavailable {
            let title = format!("{id}: its gate does not tell what it stands at");
            let advice = "People are told to ask again. :pipeline or :dead-letters tells why.";
            alerts.push(Alert::new(Page, format!("gate {id}"), title, advice));
        } else if !is_conserved(view) {
            let title = format!(
                "{id}: issued {} and left {} do not make up its stock of {}",
                text::count(view.issued),
                text::count(view.remaining),
                text::count(view.stock)
            );
            let advice = "A promise is broken: pause it; `firstcome verify` names differences.";
            alerts.push(Alert::new(Page, format!("stock {id}"), title, advice));
        }
    }
}

fn is_conserved(view: &Campaign) -> bool {
    let windows = view.window.iter().chain(view.windows.iter().flatten());
    let parts = windows.map(|window| (window.issued, window.remaining, window.stock));
    parts
        .chain([(view.issued, view.remaining, view.stock)])
        .all(|(issued, left, stock)| issued.checked_add(left) == Some(stock))
}
