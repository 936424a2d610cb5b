//! What came from a server: a piece of the picture, a failure, or the answer to an order.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, Pipeline};

use super::say;
use crate::message::{Change, Data, Failure, Feed, Order};
use crate::state::{State, Tone};
use crate::text;

pub(super) fn fetched(state: &mut State, feed: &Feed, result: Result<Data, Failure>, now: Millis) {
    let focus = state.focus.as_mut().filter(|focus| feed.campaign() == Some(&focus.id));
    if feed.campaign().is_some() && focus.is_none() {
        // It was asked for while another campaign was on show.
        return;
    }
    state.links.record(feed, result.as_ref().err(), now);
    match (result, focus) {
        (Ok(Data::Campaigns(campaigns)), _) => state.campaigns.replace(campaigns, now),
        (Ok(Data::Campaign(campaign)), _) => state.campaigns.put(*campaign, now),
        (Ok(Data::Pipeline(pipeline)), _) => flow(state, *pipeline, now),
        (Ok(Data::Lag(lag)), _) => {
            state.flow.read_model.record(now, 0, lag.lag_events);
            state.read_model = Some(lag);
        }
        (Ok(Data::History(history)), Some(focus)) => focus.history = Some(*history),
        (Ok(Data::Coupons(coupons)), Some(focus)) => focus.coupons = coupons,
        (Ok(Data::History(_) | Data::Coupons(_)) | Err(_), _) => {}
    }
}

fn flow(state: &mut State, mut pipeline: Pipeline, now: Millis) {
    let decided = pipeline.campaigns.iter().map(|campaign| campaign.decision).sum();
    let logged = pipeline.log.positions.iter().map(|position| position.sequence).sum();
    state.flow.gate.record(now, decided, 0);
    state.flow.outbox.record(now, 0, pipeline.outbox_depth);
    state.flow.log.record(now, logged, 0);
    state.flow.ledger.record(now, 0, pipeline.ledger.lag_events);
    // In order of their ids, so that a campaign is found quickly and a line stays where it is.
    pipeline.campaigns.sort_by(|a, b| a.campaign_id.cmp(&b.campaign_id));
    state.pipeline = Some(pipeline);
}

pub(super) fn answered(
    state: &mut State,
    order: &Order,
    result: Result<Box<Campaign>, Failure>,
    now: Millis,
) {
    let id = &order.campaign;
    let what = match order.change {
        Change::Pause => "pause",
        Change::Resume => "resume",
        Change::Cancel => "cancel",
        Change::Stock { .. } => "add stock",
    };
    match result {
        Ok(campaign) => {
            state.campaigns.put(*campaign, now);
            let done = match order.change {
                Change::Pause => format!("{id} is paused"),
                Change::Resume => format!("{id} is resumed"),
                Change::Cancel => format!("{id} is cancelled"),
                Change::Stock { total, .. } => format!("{id} now has a stock of {}", text::count(total)),
            };
            say(state, Tone::Good, done, now);
        }
        Err(Failure::Unreachable(reason)) => {
            let text =
                format!("{what} {id}: {reason}; whether it was done is not known, sending it again is safe");
            say(state, Tone::Bad, text, now);
        }
        Err(failure) => say(state, Tone::Bad, text::plain(&format!("{what} {id}: {failure}")), now),
    }
}
