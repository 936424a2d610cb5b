//! What to do must be read at a glance: none of the console's own advice is cut off at 80 columns.

use firstcome_shared::wire::CampaignState;

use super::SMALL;
use crate::fixture::{self, NOW, fetch};
use crate::message::{Broken, Data, Failure, Feed, Health, Message, Metrics, Promise, Requests};
use crate::state::rules;
use crate::text;
use crate::update::update;

#[test]
fn what_to_do_is_not_cut_off_at_80_columns() {
    let mut state = fixture::several(SMALL.0, SMALL.1);
    let mut pipeline = fixture::pipeline(NOW);
    for dependency in &mut pipeline.dependencies {
        dependency.up = false;
    }
    pipeline.campaigns[0].oldest_ms = 9_000;
    pipeline.campaigns[0].queued = 8_192;
    (pipeline.ledger.parked, pipeline.ledger.lag_seconds) = (1, 99.0);
    let mut other = pipeline.clone();
    other.log.identity = "another".into();
    other.ledger.stalled = Some("disk full".into());
    other.dependencies.clear();
    other.campaigns[0].forgot = Some("no JSON".into());
    let refused = || Err(Failure::Unreachable("connection refused".into()));
    let mut seen = Vec::new();
    let mut fine = other.clone();
    fine.campaigns[0].forgot = None;
    for (first, second) in [(pipeline.clone(), pipeline), (fine, other.clone()), (other.clone(), other)] {
        fetch(&mut state, Feed::Pipeline(0), Data::Pipeline(Box::new(first)), NOW);
        fetch(&mut state, Feed::Pipeline(1), Data::Pipeline(Box::new(second)), NOW);
        seen.extend(rules(&state, NOW));
    }
    let health = Health::NotReady("not ready".into());
    fetch(&mut state, Feed::Health(2), Data::Health(health), NOW);
    let broken = [Promise::Same, Promise::Stock, Promise::Sequence].map(|promise| Broken {
        promise,
        campaign: "summer".into(),
        store: "ledger".into(),
        coupons: 2,
    });
    for look in 0..3 {
        let half = Requests { all: look * 100, failed: look * 50 };
        let metrics = Metrics { broken: broken.to_vec(), asks: half, others: half, version: None };
        fetch(&mut state, Feed::Metrics(2), Data::Metrics(metrics), NOW);
    }
    let mut broken = fixture::campaigns(NOW.plus(1));
    broken[0].issued += 1;
    broken[1].state = CampaignState::Unavailable;
    fetch(&mut state, Feed::Campaigns, Data::Campaigns(broken), NOW);
    seen.extend(rules(&state, NOW));
    update(&mut state, Message::Fetched(Feed::Health(0), refused()), NOW.plus(5_000));
    seen.extend(rules(&state, NOW.plus(5_000)));
    update(&mut state, Message::Fetched(Feed::Alerts, refused()), NOW);
    seen.extend(rules(&state, NOW));
    seen.sort_by(|a, b| a.advice.cmp(&b.advice));
    seen.dedup_by(|a, b| a.advice == b.advice);
    assert!(seen.len() >= 15, "{seen:#?}");
    for alert in seen {
        assert!(text::width(&alert.advice) <= 70, "{} cells: {}", text::width(&alert.advice), alert.advice);
    }
}
