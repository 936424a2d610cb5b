//! What each rule says, and when it says nothing.

use firstcome_shared::wire::{CampaignState, Code, Problem, Time};

use super::*;
use crate::fixture::{self, NOW, campaigns, fetch, state};
use crate::message::{Data, Failure, Feed, Message, Metrics, Requests};
use crate::update::update;

fn titles(state: &State) -> Vec<String> {
    let alerts = state.alerts.table.all().iter();
    alerts.map(|alert| format!("{} {}", alert.severity.word(), alert.title)).collect()
}

fn with_pipeline(change: impl FnOnce(&mut Pipeline)) -> State {
    let mut state = state(80, 24, false);
    let mut pipeline = fixture::pipeline(NOW);
    change(&mut pipeline);
    fetch(&mut state, Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline)), NOW);
    state
}

#[test]
fn a_picture_in_which_all_is_well_fires_nothing() {
    assert_eq!(titles(&state(80, 24, false)), [] as [&str; 0]);
    assert_eq!(titles(&State::new(&["http://a:1".to_owned()], false, None)), [] as [&str; 0]);
}

#[test]
fn each_rule_fires_on_what_it_is_about() {
    let down = |at: usize| {
        titles(&with_pipeline(|pipeline| {
            pipeline.dependencies[at].up = false;
            pipeline.dependencies[at].detail = Some("disk full".into());
        }))
    };
    assert_eq!(down(1), ["PAGE The log (sqlite) is away: disk full"]);
    assert_eq!(down(2), ["WARN The ledger (sqlite) is away: disk full"]);
    let lane = |change: fn(&mut CampaignPipeline)| {
        titles(&with_pipeline(|pipeline| {
            change(&mut pipeline.campaigns[0]);
            pipeline.outbox_oldest_ms =
                pipeline.campaigns.iter().map(|lane| lane.oldest_ms).max().unwrap_or(0);
        }))
    };
    assert_eq!(lane(|lane| lane.forgot = Some("no JSON".into())), ["PAGE summer: no JSON"]);
    assert_eq!(lane(|lane| lane.log_away = true), [] as [&str; 0], "that is said of the log");
    assert_eq!(lane(|lane| lane.oldest_ms = 7_000), ["PAGE summer: a decision has waited 7 s for the log"]);
    let busy = lane(|lane| lane.queued = 8_000);
    assert!(busy[0].starts_with("WARN summer: the queue is nearly full"), "{busy:?}");
    let ledger = |change: fn(&mut ProjectionView)| titles(&with_pipeline(|p| change(&mut p.ledger)));
    assert_eq!(ledger(|ledger| ledger.parked = 2), ["WARN 2 campaigns are parked in the ledger"]);
    assert_eq!(
        ledger(|ledger| ledger.stalled = Some("disk full".into())),
        ["WARN The ledger stands still: disk full"]
    );
    assert_eq!(ledger(|ledger| ledger.lag_seconds = 45.0), ["WARN The ledger is 45 s behind the log"]);
    assert_eq!(ledger(|ledger| ledger.lag_seconds = 29.0), [] as [&str; 0]);
}

#[test]
fn what_only_one_of_several_servers_does_not_reach_is_not_away_for_everybody() {
    let mut state = fixture::several(80, 24);
    let mut cut_off = fixture::pipeline(NOW);
    cut_off.dependencies[1].up = false;
    cut_off.dependencies[1].detail = Some("no route".into());
    let mut told = |at: usize| {
        fetch(&mut state, Feed::Pipeline(at), Data::Pipeline(Box::new(cut_off.clone())), NOW);
        let alerts = state.alerts.table.all().iter();
        alerts.map(|alert| format!("{}. {}", alert.title, alert.advice)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(1),
        [
            "The log (sqlite) is away from 10.0.0.2:8080: no route. Whoever asks there is told to ask again. Send \
          callers elsewhere."
        ]
    );
    assert_eq!(
        told(0),
        [
            "The log (sqlite) is away: 10.0.0.1:8080: no route; 10.0.0.2:8080: no route. Nothing is issued until it is \
          back; people are told to ask again."
        ]
    );
}

/// Another release beside it may have written what it cannot read: restored, the log would lack what that one has told.
#[test]
fn what_only_one_of_several_servers_cannot_go_on_with_is_not_lost_for_everybody() {
    let mut state = fixture::several(80, 24);
    let mut stuck = fixture::pipeline(NOW);
    stuck.campaigns[0].forgot = Some("no JSON".into());
    let mut told = |at: usize| {
        fetch(&mut state, Feed::Pipeline(at), Data::Pipeline(Box::new(stuck.clone())), NOW);
        let alerts = state.alerts.table.all().iter();
        alerts.map(|alert| format!("{}. {}", alert.title, alert.advice)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(1),
        ["summer: 10.0.0.2:8080: no JSON. Send callers elsewhere. Does it run the release that others run?"]
    );
    assert_eq!(
        told(0),
        [
            "summer: 10.0.0.1:8080: no JSON; 10.0.0.2:8080: no JSON. No coupons there: run the release that wrote \
          it, or restore the log."
        ]
    );
}

#[test]
fn broken_promises_are_named_with_their_campaign() {
    let mut state = state(80, 24, false);
    let mut broken = campaigns(NOW.plus(1));
    broken[0].issued += 1;
    broken[2].state = CampaignState::Unavailable;
    for campaign in &mut broken {
        campaign.now = Time(NOW.plus(1));
    }
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(broken), NOW);
    let found =
        |promise, coupons| Broken { promise, campaign: "summer".into(), store: "read_model".into(), coupons };
    let found = vec![found(Promise::Same, 2), found(Promise::Stock, 1_200), found(Promise::Sequence, 3)];
    let metrics = Metrics { broken: found, ..Metrics::default() };
    fetch(&mut state, Feed::Metrics(0), Data::Metrics(metrics), NOW);
    assert_eq!(
        titles(&state),
        [
            "PAGE summer: the read model differs from the log by 2 coupons",
            "PAGE summer: 3 numbers are missing or out of order in the read model",
            "PAGE winter-sale: its gate does not tell what it stands at",
            "PAGE summer: 1,200 coupons more were issued than there are, the read model says",
            "PAGE summer: issued 5,401 and left 4,600 do not make up its stock of 10,000",
        ]
    );
}

#[test]
fn requests_that_fail_page_when_it_lasts() {
    let mut state = state(80, 24, false);
    let mut look = |all, failed| {
        let metrics = Metrics { asks: Requests { all, failed }, ..Metrics::default() };
        fetch(&mut state, Feed::Metrics(0), Data::Metrics(metrics), NOW);
        titles(&state)
    };
    let none = [] as [&str; 0];
    assert_eq!(look(1_000, 0), none);
    assert_eq!(look(2_000, 30), none, "once may be soon over");
    assert_eq!(look(3_000, 60), ["PAGE 127.0.0.1:8080: 3 % of those who ask for a coupon fail"]);
    assert_eq!(look(4_000, 70), none, "one in a hundred is not too many");
    assert_eq!(look(50, 4), none);
    assert_eq!(look(60, 8), none, "started anew, and a few are nobody's concern");
}

#[test]
fn history_that_fails_wakes_nobody() {
    let mut state = fixture::several(80, 24);
    for all in [0, 100, 200] {
        let others = Requests { all, failed: all / 2 };
        fetch(&mut state, Feed::Metrics(2), Data::Metrics(Metrics { others, ..Metrics::default() }), NOW);
    }
    let health = Health::NotReady("Not ready: read_model: connection refused.".into());
    fetch(&mut state, Feed::Health(2), Data::Health(health), NOW);
    assert_eq!(
        titles(&state),
        [
            "WARN 10.0.0.3:8081: 50 % of all other requests fail",
            "WARN 10.0.0.3:8081: Not ready: read_model: connection refused",
        ]
    );
}

#[test]
fn a_server_that_is_away_pages_only_when_no_other_does_its_work() {
    let mut state = fixture::several(80, 24);
    let away = || Err(Failure::Unreachable("connection refused".into()));
    let mut only = |gone: usize, later| {
        for at in (0..3).filter(|at| *at != gone) {
            fetch(&mut state, Feed::Health(at), Data::Health(Health::Ready), later);
        }
        update(&mut state, Message::Fetched(Feed::Health(gone), away()), later);
        titles(&state)
    };
    let titles = only(0, NOW.plus(3_000));
    assert_eq!(titles, ["WARN 10.0.0.1:8080 does not answer: connection refused"]);
    // The only one of the query side.
    let titles = only(2, NOW.plus(6_000));
    assert_eq!(titles, ["PAGE 10.0.0.3:8081 does not answer: connection refused"]);
}

#[test]
fn a_server_that_is_not_ready_and_one_of_another_system_are_named() {
    let mut state = fixture::several(80, 24);
    let health = Health::NotReady("Not ready: the log is away.".into());
    fetch(&mut state, Feed::Health(1), Data::Health(health), NOW);
    let mut other = fixture::pipeline(NOW);
    other.log.identity = "another".into();
    fetch(&mut state, Feed::Pipeline(1), Data::Pipeline(Box::new(other)), NOW);
    assert_eq!(
        titles(&state),
        [
            "PAGE 10.0.0.1:8080 and 10.0.0.2:8080 follow different logs",
            "PAGE 10.0.0.2:8080: Not ready: the log is away",
        ]
    );
}

#[test]
fn a_prometheus_that_does_not_answer_is_said_to_be_silent() {
    let mut state = state(80, 24, false);
    let problem = Problem::new(Code::Unavailable, "starting");
    let failure = Failure::Refused(Box::new(problem));
    update(&mut state, Message::Fetched(Feed::Alerts, Err(failure)), NOW);
    assert_eq!(titles(&state), ["WARN Prometheus does not tell: Unavailable: starting"]);
}
#[test]
fn what_was_wrong_in_an_old_picture_does_not_hide_that_it_is_old() {
    let mut state = state(80, 24, false);
    let mut silent = campaigns(NOW.plus(1));
    silent[0].state = CampaignState::Unavailable;
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(silent), NOW);
    assert_eq!(titles(&state), ["PAGE summer: its gate does not tell what it stands at"]);
    let away = || Err(Failure::Unreachable("connection refused".into()));
    for feed in [Feed::Campaigns, Feed::Health(0)] {
        update(&mut state, Message::Fetched(feed, away()), NOW.plus(3_000));
    }
    assert_eq!(titles(&state), ["PAGE 127.0.0.1:8080 does not answer: connection refused"]);
}
