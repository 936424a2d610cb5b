//! Who is told when nobody looks, and what several servers tell.

use firstcome_shared::wire::{CampaignState, StateReason};

use super::parked;
use crate::fixture::{self, NOW, campaigns, fetch, state};
use crate::message::{Broken, Data, Effect, Failure, Feed, Health, Message, Metrics, Promise};
use crate::update::update;

fn notified(effects: &[Effect]) -> Vec<&str> {
    let mut told = Vec::new();
    for effect in effects {
        if let Effect::Notify(text) = effect {
            told.push(text.as_str());
        }
    }
    told
}

#[test]
fn who_does_not_look_is_told_of_openings_and_of_the_last_coupon() {
    let mut state = state(80, 24, false);
    let turned = |at: i64| {
        let mut all = campaigns(NOW.plus(at));
        // Sold out before, scheduled before, paused before: resumed is not opened.
        for before in [4, 2, 3] {
            all[before].state = CampaignState::Open;
        }
        (all[0].state, all[0].reason) = (CampaignState::Closed, Some(StateReason::SoldOut));
        Message::Fetched(Feed::Campaigns, Ok(Data::Campaigns(all)))
    };
    // Looked at: nobody needs to be told. Left alone for a minute, or without the keyboard: somebody does.
    for (touched, focused, told) in [(5_000, true, false), (61_000, true, true), (5_000, false, true)] {
        let mut state = state.clone();
        state.touched_at = Some(NOW.plus(1_000 - touched));
        update(&mut state, Message::Focus(true), NOW.plus(1_000 - touched));
        if !focused {
            update(&mut state, Message::Focus(false), NOW);
        }
        let effects = update(&mut state, turned(1_000), NOW.plus(1_000));
        let all = ["summer is sold out", "winter-sale is open", "first-hundred is open"];
        assert_eq!(notified(&effects), if told { all.to_vec() } else { Vec::new() });
        assert_eq!(notified(&update(&mut state, turned(2_000), NOW.plus(2_000))), [] as [&str; 0], "once");
    }
    state.notify = false;
    state.focused = false;
    assert_eq!(notified(&update(&mut state, turned(1_000), NOW.plus(1_000))), [] as [&str; 0]);
}

#[test]
fn who_does_not_look_is_told_of_a_broken_promise_and_not_of_what_can_wait() {
    let mut state = state(80, 24, false);
    update(&mut state, Message::Focus(false), NOW);
    let (campaign, store) = ("summer".into(), "ledger".into());
    let drift = Broken { promise: Promise::Same, campaign, store, coupons: 2 };
    let broken = Metrics { broken: vec![drift], ..fixture::metrics() };
    let message = || Message::Fetched(Feed::Metrics(0), Ok(Data::Metrics(broken.clone())));
    let effects = update(&mut state, message(), NOW);
    assert_eq!(notified(&effects), ["summer: the ledger differs from the log by 2 coupons"]);
    assert_eq!(notified(&update(&mut state, message(), NOW)), [] as [&str; 0]);
    assert_eq!(notified(&parked(&mut state, 1)), [] as [&str; 0]);
    // A server that stops answering is found out by time alone.
    assert_eq!(notified(&update(&mut state, Message::Tick, NOW.plus(3_000))), [] as [&str; 0]);
    let effects = update(&mut state, Message::Tick, NOW.plus(5_000));
    assert_eq!(notified(&effects), ["127.0.0.1:8080 does not answer: it hangs"]);
}

#[test]
fn one_of_two_instances_away_leaves_the_whole_picture_live() {
    let mut state = fixture::several(80, 24);
    let refused = || Err(Failure::Unreachable("connection refused".into()));
    let later = NOW.plus(12_000);
    for feed in [Feed::Pipeline(0), Feed::Health(0)] {
        update(&mut state, Message::Fetched(feed, refused()), later);
    }
    let pipeline = Data::Pipeline(Box::new(fixture::pipeline(later)));
    fetch(&mut state, Feed::Pipeline(1), pipeline, later);
    fetch(&mut state, Feed::Health(1), Data::Health(Health::Ready), later);
    assert!(state.servers.pipeline_picture(later).is_live());
    assert_eq!(state.pipeline.as_ref().unwrap().campaigns.len(), 7);
    let queued: u64 = state.pipeline.as_ref().unwrap().campaigns.iter().map(|lane| lane.queued).sum();
    assert_eq!(queued, 212, "only the live one's queue");
    assert_eq!(state.servers.all()[0].halves(), "command");
    assert_eq!(state.servers.all()[2].halves(), "query");
}
