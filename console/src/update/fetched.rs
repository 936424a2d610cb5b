//! What came from a server: a piece of the picture, a failure, or the answer to an order.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, DeadLetter};

use super::{say, tell};
use crate::message::{Change, Data, Effect, Failure, Feed, Order, Side};
use crate::state::{Letter, State, Tone, Turn};
use crate::text;

pub(super) fn fetched(
    state: &mut State,
    feed: &Feed,
    result: Result<Data, Failure>,
    now: Millis,
) -> Vec<Effect> {
    let on_show = state.focus.as_ref().map(|focus| focus.id.as_str());
    let of_another = match feed {
        Feed::Audit(part) => part.campaign != state.audit.campaign,
        _ => feed.campaign().is_some_and(|id| on_show != Some(id)),
    };
    if of_another {
        // It was asked for while something else was on show.
        return Vec::new();
    }
    let failure = result.as_ref().err();
    state.links.record(feed, failure, now);
    match feed {
        Feed::Pipeline(at) | Feed::Lag(at) | Feed::Health(at) | Feed::Metrics(at) => {
            of_server(state, feed, *at, result, now);
        }
        Feed::Audit(part) => match result {
            Ok(Data::Audit(page)) => state.audit.take(part, page),
            _ => state.audit.missed(part),
        },
        Feed::DeadLetters(side) => {
            if let Ok(Data::DeadLetters(letters)) = result {
                take_letters(state, *side, letters);
            }
        }
        Feed::Alerts => {
            if let Ok(Data::Alerts(firing)) = result {
                state.alerts.prometheus = firing;
            }
        }
        Feed::Campaigns | Feed::Campaign(_) | Feed::History(_) | Feed::Coupons(_) | Feed::Askers(_) => {
            let turns = of_campaigns(state, result, now);
            let mut effects = Vec::new();
            for turn in turns {
                tell(state, turn.text(), now, &mut effects);
            }
            return effects;
        }
    }
    Vec::new()
}

fn of_campaigns(state: &mut State, result: Result<Data, Failure>, now: Millis) -> Vec<Turn> {
    match (result, &mut state.focus) {
        (Ok(Data::Campaigns(campaigns)), _) => return state.campaigns.replace(campaigns, now),
        (Ok(Data::Campaign(campaign)), _) => return state.campaigns.put(*campaign, now),
        (Ok(Data::History(history)), Some(focus)) => focus.history = Some(*history),
        (Ok(Data::Askers(askers)), Some(focus)) => focus.askers = askers,
        (Ok(Data::Coupons(coupons)), Some(_)) => state.coupons.replace(coupons),
        _ => {}
    }
    Vec::new()
}

/// What one server tells of itself, and what follows for all of them together.
fn of_server(state: &mut State, feed: &Feed, at: usize, result: Result<Data, Failure>, now: Millis) {
    let Some(server) = state.servers.get_mut(at) else { return };
    let failure = result.as_ref().err();
    match feed {
        Feed::Pipeline(_) => server.pipeline_link.record(failure, now),
        Feed::Lag(_) => server.lag_link.record(failure, now),
        Feed::Health(_) => server.health_link.record(failure, now),
        _ => {}
    }
    let came = result.is_ok();
    match result {
        Ok(Data::Pipeline(pipeline)) => server.pipeline = Some(*pipeline),
        Ok(Data::Lag(lag)) => server.lag = Some(lag),
        Ok(Data::Health(health)) => server.health = Some(health),
        Ok(Data::Metrics(metrics)) => server.measured(metrics),
        _ => {}
    }
    match feed {
        Feed::Pipeline(_) => {
            state.pipeline = state.servers.pipeline(now);
            state.lanes.replace(state.pipeline.as_ref().map_or_else(Vec::new, |all| all.campaigns.clone()));
            if came {
                flow(state, now);
            }
        }
        Feed::Lag(_) => {
            state.read_model = state.servers.read_model(now);
            if let Some(lag) = state.read_model.as_ref().filter(|_| came) {
                state.flow.read_model.record(now, 0, lag.lag_events);
            }
        }
        _ => {}
    }
}

fn flow(state: &mut State, now: Millis) {
    let Some(pipeline) = &state.pipeline else { return };
    let decided = pipeline.campaigns.iter().map(|campaign| campaign.decision).sum();
    let logged: u64 = pipeline.log.positions.iter().map(|position| position.sequence).sum();
    state.flow.gate.record(now, decided, 0);
    state.flow.outbox.record(now, 0, pipeline.outbox_depth);
    // Nobody knows where a log stands that is away.
    if !pipeline.log.positions.is_empty() {
        state.flow.log.record(now, logged, 0);
    }
    state.flow.ledger.record(now, 0, pipeline.ledger.lag_events);
}

fn take_letters(state: &mut State, side: Side, letters: Vec<DeadLetter>) {
    let others = state.letters.all().iter().filter(|letter| letter.side != side).cloned();
    let mut all: Vec<Letter> = others.collect();
    all.extend(letters.into_iter().map(|letter| Letter { side, letter }));
    if let Some(read) = &mut state.letter
        && let Some(seen) =
            all.iter().find(|seen| seen.side == read.side && seen.letter.position == read.letter.position)
    {
        *read = seen.clone();
    }
    if state.letters.all() != all {
        state.letters.replace(all);
    }
}

pub(super) fn answered(
    state: &mut State,
    order: &Order,
    result: Result<Option<Box<Campaign>>, Failure>,
    now: Millis,
) -> Vec<Effect> {
    let (id, what) = (&order.campaign, order.what());
    let mut effects = Vec::new();
    match result {
        Ok(campaign) => {
            if let Some(campaign) = campaign {
                state.campaigns.put(*campaign, now);
            }
            let done = match order.change {
                Change::Pause => format!("{id} is paused"),
                Change::Resume => format!("{id} is resumed"),
                Change::Cancel => format!("{id} is cancelled"),
                Change::Stock { total, .. } => format!("{id} now has a stock of {}", text::count(total)),
                Change::Admission(room) => {
                    format!("{id} now admits {} a second", text::count(room.admit_per_second.into()))
                }
                Change::Replay { side, at } => format!("the {} replays {id} from {at} on", side.store()),
                Change::Discard { side, at } => format!("the {} skips {at} and reads {id} on", side.store()),
                Change::LedgerRate(None) => "the ledger is written without a limit".to_owned(),
                Change::LedgerRate(Some(rate)) => {
                    format!("at most {} coupons a second go into the ledger", text::count(rate))
                }
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
    if let Change::Replay { side, .. } | Change::Discard { side, .. } = order.change {
        effects.push(Effect::Fetch(Feed::DeadLetters(side)));
    }
    effects
}
