//! Nothing is told by colour alone: what differs must differ for somebody who sees no colours at all.

use std::collections::BTreeMap;

use firstcome_shared::wire::{CampaignState, Coupon, CouponStatus, Pipeline, StateReason};

use super::{SMALL, command, dark, screen};
use crate::ThemeName;
use crate::fixture::{self, NOW, keys, state};
use crate::message::{Data, Failure, Feed, Firing, Health, Message};
use crate::state::{Screen, State, Status, Tone};
use crate::update::update;

/// The screen without any colour or other style.
fn bare(state: &State) -> String {
    dark(state).to_string()
}

/// The same after something came.
fn after(start: &State, feed: Feed, data: Data) -> String {
    let mut state = start.clone();
    update(&mut state, Message::Fetched(feed, Ok(data)), NOW);
    bare(&state)
}

fn line_with(picture: &str, wanted: &str) -> String {
    picture.lines().find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("{picture}")).to_owned()
}

fn refused() -> Result<Data, Failure> {
    Err(Failure::Unreachable("connection refused".into()))
}

/// All pictures differ from each other.
#[track_caller]
fn assert_told_apart(pictures: &[(String, String)]) {
    for (at, (name, picture)) in pictures.iter().enumerate() {
        for (other, another) in &pictures[at + 1..] {
            assert_ne!(picture, another, "{name} and {other} look alike without colours");
        }
    }
}

#[test]
fn where_a_campaign_stands() {
    use CampaignState::{Closed, Open, Paused, Scheduled, Unavailable};
    let standings = [
        (Unavailable, None),
        (Open, None),
        (Paused, None),
        (Scheduled, None),
        (Closed, None),
        (Closed, Some(StateReason::SoldOut)),
        (Closed, Some(StateReason::Ended)),
        (Closed, Some(StateReason::Cancelled)),
    ];
    let campaign = |state: CampaignState, reason: Option<StateReason>| {
        let mut campaign = fixture::campaign("summer");
        (campaign.state, campaign.reason) = (state, reason);
        campaign
    };
    let servers = ["http://a:1".to_owned()];
    let none = State::new(&servers, true, None);
    let focused = State::new(&servers, true, Some("summer"));
    // By symbol and word alone, not by what follows from the state elsewhere on the screen.
    assert_told_apart(&standings.map(|(state, reason)| {
        let picture = after(&none, Feed::Campaigns, Data::Campaigns(vec![campaign(state, reason)]));
        let line = line_with(&picture, "▌summer");
        (format!("{state:?} {reason:?}"), line.split_whitespace().skip(1).take(2).collect())
    }));
    assert_told_apart(&standings.map(|(state, reason)| {
        let data = Data::Campaign(Box::new(campaign(state, reason)));
        let picture = after(&focused, Feed::Campaign("summer".into()), data);
        (format!("{state:?} {reason:?}"), line_with(&picture, "Everything of summer"))
    }));
}

#[test]
fn what_became_of_a_coupon_also_where_the_word_has_no_room() {
    let mut focused = State::new(&["http://a:1".to_owned()], true, Some("summer"));
    for columns in [80, 64] {
        focused.size = (columns, 24);
        let statuses =
            [CouponStatus::Issued, CouponStatus::Redeemed, CouponStatus::Revoked, CouponStatus::Expired];
        assert_told_apart(&statuses.map(|status| {
            let coupon = Coupon { status, ..fixture::coupons().remove(0) };
            let data = Data::Coupons(vec![coupon]);
            (format!("{status:?}"), after(&focused, Feed::Coupons("summer".into()), data))
        }));
    }
}

#[test]
fn how_the_pipeline_does() {
    let mut start = state(SMALL.0, SMALL.1, true);
    command(&mut start, "pipeline");
    let changed = |name: &str, change: &dyn Fn(&mut Pipeline)| {
        let mut pipeline = fixture::pipeline(NOW);
        change(&mut pipeline);
        let picture = after(&start, Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline)));
        // The banner tells them apart too: look below it.
        let below = picture.lines().skip_while(|line| !line.contains('╭')).collect::<Vec<_>>().join("\n");
        (name.to_owned(), below)
    };
    let forgot = |pipeline: &mut Pipeline, one: usize, other: usize| {
        pipeline.campaigns[one].forgot = Some("no JSON".into());
        pipeline.campaigns[other].log_away = true;
    };
    assert_told_apart(&[
        changed("all well", &|_| {}),
        changed("a dependency down", &|pipeline| pipeline.dependencies[1].up = false),
        changed("a lane without log", &|pipeline| pipeline.campaigns[3].log_away = true),
        changed("one forgot, one is without log", &|pipeline| forgot(pipeline, 0, 1)),
        changed("the other way round", &|pipeline| forgot(pipeline, 1, 0)),
        changed("parked", &|pipeline| pipeline.ledger.parked = 1),
        changed("stalled", &|pipeline| pipeline.ledger.stalled = Some("disk full".into())),
    ]);
}

#[test]
fn how_each_server_does() {
    let mut start = fixture::several(SMALL.0, SMALL.1);
    command(&mut start, "pipeline");
    let healths = [
        ("ready", Ok(Data::Health(Health::Ready))),
        ("not ready", Ok(Data::Health(Health::NotReady("the log is away".into())))),
        ("away", refused()),
    ];
    assert_told_apart(&healths.map(|(name, health)| {
        let mut state = start.clone();
        update(&mut state, Message::Fetched(Feed::Health(1), health), NOW.plus(1));
        let picture = screen(&state, ThemeName::Dark, NOW.plus(1)).to_string();
        let of_it = picture.lines().rfind(|line| line.contains("10.0.0.2:8080")).unwrap_or_default();
        (name.to_owned(), of_it.to_owned())
    }));
}

#[test]
fn how_old_the_picture_is() {
    let start = state(SMALL.0, SMALL.1, true);
    assert_told_apart(&["live", "old", "failed"].map(|name| {
        let mut state = start.clone();
        let at = if name == "live" { NOW } else { NOW.plus(10_000) };
        if name == "failed" {
            update(&mut state, Message::Fetched(Feed::Campaigns, refused()), at);
        }
        let picture = screen(&state, ThemeName::Dark, at).to_string();
        (name.to_owned(), picture.lines().next().unwrap_or_default().to_owned())
    }));
}

#[test]
fn how_the_last_order_went() {
    let start = state(SMALL.0, SMALL.1, true);
    assert_told_apart(&[Tone::Plain, Tone::Good, Tone::Bad].map(|tone| {
        let status = Status { text: "the same words".into(), tone, at: NOW };
        (format!("{tone:?}"), bare(&State { status: Some(status), ..start.clone() }))
    }));
}

#[test]
fn how_grave_an_alert_is() {
    let mut start = state(SMALL.0, SMALL.1, true);
    keys(&mut start, "!");
    let pictures = ["page", "warning"].map(|severity| {
        let firing = Firing {
            name: "Same".into(),
            severity: severity.into(),
            labels: BTreeMap::new(),
            summary: Some("the same words".into()),
            runbook: None,
        };
        (severity.to_owned(), after(&start, Feed::Alerts, Data::Alerts(vec![firing])))
    });
    assert_told_apart(&pictures);
    // In the banner, and in the list.
    let marks = pictures.map(|(severity, picture)| (severity, picture.matches("▲ PAGE").count()));
    assert_eq!(marks, [("page".to_owned(), 2), ("warning".to_owned(), 0)]);
}

#[test]
fn what_is_selected_which_tab_is_on_show_and_what_a_list_is_sorted_by() {
    let start = state(SMALL.0, SMALL.1, true);
    assert_told_apart(&[0, 1, 2].map(|down| {
        let mut state = start.clone();
        keys(&mut state, &"j".repeat(down));
        (format!("line {down}"), bare(&state))
    }));
    let tabs = [Screen::Pipeline, Screen::DeadLetters, Screen::Audit, Screen::Alerts, Screen::Help];
    assert_told_apart(&tabs.map(|tab| {
        let picture = bare(&State { screen: tab, ..start.clone() });
        (format!("{tab:?}"), picture.lines().nth(1).unwrap_or_default().to_owned())
    }));
    assert_told_apart(&[0, 1, 2].map(|times| {
        let mut state = start.clone();
        keys(&mut state, &"s".repeat(times));
        (format!("column {times}"), line_with(&bare(&state), "STATE"))
    }));
}
