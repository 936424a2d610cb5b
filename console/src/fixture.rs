//! A picture for the tests: campaigns in every state, a pipeline, a history, and half a minute in which they moved.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use firstcome_shared::clock::Millis;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{
    Asker, AuditEntry, Campaign, CampaignPipeline, CampaignState, Coupon, CouponStatus, CouponTerms,
    DeadLetter, Dependency, HistoryCampaign, LimitPer, LogView, Pipeline, ProjectionView, StateReason, Time,
    Totals, WaitingRoom, WindowView,
};

use crate::message::{Data, Effect, Feed, Health, Message, Metrics, Side};
use crate::state::State;
use crate::update::update;

/// 2026-11-20 10:00:00 UTC.
pub(crate) const OPENING: Millis = Millis(1_795_168_800_000);
/// When the picture is looked at: half a minute later.
pub(crate) const NOW: Millis = Millis(OPENING.0 + 30_000);

const HOUR: i64 = 3_600_000;

/// An open campaign with one window of 10,000, of which 1,488 are issued.
pub(crate) fn campaign(id: &str) -> Campaign {
    with_window(id, (0, 2 * HOUR), 10_000, 1_488)
}

/// An open campaign whose window opens and closes so many milliseconds after the opening.
pub(crate) fn with_window(id: &str, (opens, closes): (i64, i64), stock: u64, issued: u64) -> Campaign {
    let window = WindowView {
        id: 1,
        opens_at: Time(OPENING.plus(opens)),
        closes_at: Time(OPENING.plus(closes)),
        stock,
        issued,
        remaining: stock - issued,
    };
    Campaign {
        id: id.to_owned(),
        name: format!("Everything of {id}"),
        state: CampaignState::Open,
        reason: None,
        stock,
        issued,
        remaining: stock - issued,
        window: Some(window),
        windows: Some(vec![window]),
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: CouponTerms { percent_off: Some(15), ..CouponTerms::default() },
        waiting_room: None,
        waiting: 0,
        active: 0,
        epoch: 1,
        now: Time(NOW),
    }
}

/// Campaigns in every state, as they are at `now`. `summer` sells faster and faster.
pub(crate) fn campaigns(now: Millis) -> Vec<Campaign> {
    let seconds = u64::try_from(now.since(OPENING) / 1_000).unwrap_or(0);
    let mut summer = with_window("summer", (0, 2 * HOUR), 10_000, (seconds * seconds * 6).min(10_000));
    summer.name = "Summer coupons".to_owned();
    let mut daily = with_window("daily-coffee", (-HOUR, 5 * HOUR), 3_000, 900 + seconds * 7);
    // The second of three days.
    daily.stock = 9_000;
    daily.remaining = 9_000 - daily.issued - 3_000;
    daily.issued += 3_000;
    daily.windows = daily.window.map(|window| {
        let day = |number: u32, issued: u64| {
            let shift = (i64::from(number) - 2) * 24 * HOUR;
            WindowView {
                id: number,
                opens_at: Time(window.opens_at.0.plus(shift)),
                closes_at: Time(window.closes_at.0.plus(shift)),
                issued,
                remaining: window.stock - issued,
                ..window
            }
        };
        vec![day(1, 3_000), day(2, window.issued), day(3, 0)]
    });
    daily.window = daily.windows.as_ref().map(|windows| windows[1]);
    let mut winter = with_window("winter-sale", (45_000, 3 * HOUR), 1_000_000, 0);
    winter.state = CampaignState::Scheduled;
    winter.waiting_room =
        Some(WaitingRoom { admit_per_second: 100, max_active: 1_000, admission_ttl_seconds: 60 });
    winter.waiting = 1_204;
    let mut paused = with_window("late-night", (-HOUR, HOUR / 2), 500, 123);
    paused.state = CampaignState::Paused;
    let mut gone = with_window("first-hundred", (-HOUR, HOUR), 100, 100);
    (gone.state, gone.reason) = (CampaignState::Closed, Some(StateReason::SoldOut));
    let mut ended = with_window("yesterday", (-26 * HOUR, -24 * HOUR), 800, 640);
    (ended.state, ended.reason, ended.window) = (CampaignState::Closed, Some(StateReason::Ended), None);
    let mut cancelled = with_window("mistake", (HOUR, 2 * HOUR), 10, 0);
    (cancelled.state, cancelled.reason) = (CampaignState::Closed, Some(StateReason::Cancelled));
    cancelled.name = "여름 쿠폰".to_owned();
    let mut all = vec![summer, daily, winter, paused, gone, ended, cancelled];
    for campaign in &mut all {
        campaign.now = Time(now);
    }
    all
}

/// A projection that is so many messages behind.
pub(crate) fn projection(name: &str, at: u64, lag_events: u64) -> ProjectionView {
    ProjectionView {
        name: name.to_owned(),
        positions: vec![Position::new(0, at)],
        lag_events,
        lag_seconds: if lag_events == 0 { 0.0 } else { 0.12 },
        parked: 0,
        stalled: None,
    }
}

/// The pipeline of these campaigns.
pub(crate) fn pipeline(now: Millis) -> Pipeline {
    let waiting = u64::try_from(now.since(OPENING) / 1_000).unwrap_or(0) % 9;
    let lane = |campaign: Campaign| CampaignPipeline {
        decision: campaign.issued,
        logged: campaign.issued - if campaign.id == "summer" { waiting } else { 0 },
        epoch: campaign.epoch,
        queued: if campaign.id == "summer" { 212 } else { 0 },
        queue_capacity: 8_192,
        oldest_ms: if campaign.id == "summer" { waiting } else { 0 },
        rebuilds: 0,
        log_away: false,
        forgot: None,
        campaign_id: campaign.id,
    };
    let campaigns: Vec<CampaignPipeline> = campaigns(now).into_iter().map(lane).collect();
    let logged = campaigns.iter().map(|lane| lane.logged).sum::<u64>() / 40;
    let up =
        |name: &str, kind: &str| Dependency { name: name.into(), kind: kind.into(), up: true, detail: None };
    Pipeline {
        instance: "a1b2c3d4".to_owned(),
        outbox_depth: waiting,
        outbox_oldest_ms: waiting,
        log: LogView { identity: "9f3c55aa".to_owned(), positions: vec![Position::new(0, logged)] },
        ledger: projection("ledger", logged - waiting, waiting),
        ledger_rate: None,
        campaigns,
        dependencies: vec![up("gate", "memory"), up("log", "sqlite"), up("ledger", "sqlite")],
    }
}

/// `summer` as the read model sees it.
pub(crate) fn history() -> HistoryCampaign {
    HistoryCampaign {
        id: "summer".to_owned(),
        name: "Summer coupons".to_owned(),
        state: CampaignState::Open,
        reason: None,
        stock: 10_000,
        totals: Totals { issued: 5_400, redeemed: 31, revoked: 2, expired: 0 },
        first_issued_at: Some(Time(OPENING.plus(12))),
        last_issued_at: Some(Time(NOW)),
        seconds_to_sell_out: None,
        peak_per_second: 354,
        position: Position::new(0, 160),
    }
}

/// Who asked most often for coupons of `summer`.
pub(crate) fn askers() -> Vec<Asker> {
    let asker = |user: &str, asks, at_least| Asker { user_id: user.to_owned(), asks, at_least };
    vec![asker("scalper-1", 48_112, 48_112), asker("scalper-2", 9_120, 8_997), asker("user-00017", 131, 4)]
}

/// The latest coupons of `summer`, newest first.
pub(crate) fn coupons() -> Vec<Coupon> {
    let status = [CouponStatus::Issued, CouponStatus::Issued, CouponStatus::Redeemed, CouponStatus::Revoked];
    let coupon = |index: u64| Coupon {
        campaign_id: "summer".to_owned(),
        seq: 5_400 - index,
        user_id: format!("user-{:05}", (5_400 - index) * 7_919 % 100_000),
        code: format!("7Q2M-AB12-CD34-{index:04}"),
        issued_at: Time(Millis(NOW.0 - i64::try_from(index).unwrap_or(0) * 3)),
        expires_at: None,
        status: status[usize::try_from(index % 4).unwrap_or(0)],
    };
    (0..50).map(coupon).collect()
}

/// A console of that size which has looked on for half a minute.
pub(crate) fn state(columns: u16, rows: u16, operator: bool) -> State {
    let mut state = State::new(&["http://127.0.0.1:8080".to_owned()], operator, None);
    update(&mut state, Message::Resized(columns, rows), OPENING);
    let mut now = OPENING;
    while now <= NOW {
        fetch(&mut state, Feed::Campaigns, Data::Campaigns(campaigns(now)), now);
        fetch(&mut state, Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline(now))), now);
        fetch(&mut state, Feed::Lag(0), Data::Lag(projection("read_model", 190, 0)), now);
        now = now.plus(1_000);
    }
    fetch(&mut state, Feed::Health(0), Data::Health(Health::Ready), NOW);
    fetch(&mut state, Feed::Metrics(0), Data::Metrics(metrics()), NOW);
    state
}

/// A console on two command instances and a query instance.
pub(crate) fn several(columns: u16, rows: u16) -> State {
    use firstcome_shared::wire::{Code, Problem};
    let addresses = ["http://10.0.0.1:8080", "http://10.0.0.2:8080", "http://10.0.0.3:8081"];
    let mut state = State::new(&addresses.map(str::to_owned), true, None);
    update(&mut state, Message::Resized(columns, rows), OPENING);
    let elsewhere = || Problem::new(Code::NotFound, "There is nothing at this path.");
    let elsewhere = || Err(crate::message::Failure::Refused(Box::new(elsewhere())));
    let mut now = OPENING;
    while now <= NOW {
        fetch(&mut state, Feed::Campaigns, Data::Campaigns(campaigns(now)), now);
        for at in 0..2 {
            let mut pipeline = pipeline(now);
            pipeline.instance = format!("a{at}");
            fetch(&mut state, Feed::Pipeline(at), Data::Pipeline(Box::new(pipeline)), now);
            update(&mut state, Message::Fetched(Feed::Lag(at), elsewhere()), now);
        }
        fetch(&mut state, Feed::Lag(2), Data::Lag(projection("read_model", 190, 12)), now);
        update(&mut state, Message::Fetched(Feed::Pipeline(2), elsewhere()), now);
        now = now.plus(1_000);
    }
    for at in 0..3 {
        fetch(&mut state, Feed::Health(at), Data::Health(Health::Ready), NOW);
        fetch(&mut state, Feed::Metrics(at), Data::Metrics(metrics()), NOW);
    }
    state
}

/// The metrics of a server of which all is well.
pub(crate) fn metrics() -> Metrics {
    Metrics { version: Some("0.1.0".to_owned()), ..Metrics::default() }
}

/// What a store could not apply: the ledger two messages, the read model one.
pub(crate) fn dead_letters(side: Side) -> Vec<DeadLetter> {
    let letter = |sequence: u64, campaign: &str, reason: &str| DeadLetter {
        id: format!("0-{sequence}"),
        projection: if side == Side::Command { "ledger" } else { "read_model" }.to_owned(),
        campaign_id: campaign.to_owned(),
        position: Position::new(0, sequence),
        reason: reason.to_owned(),
        parked_at: Time(OPENING.plus(i64::try_from(sequence).unwrap_or(0) * 100)),
        attempts: 5,
        replaying: false,
        message: format!(
            r#"{{"version":1,"campaign":"{campaign}","log":"9f3c55aa","epoch":1,"first":7,"last":7,"prev":41,"entries":[{{"decision":7,"at":1795168804200,"event":{{"coupons_issued":{{"window":1,"expires_at":null,"coupons":[{{"seq":6,"user_id":"p-6","n":1,"code":"7Q2M-AB12-CD34-EF56"}}]}}}}}}]}}"#
        ),
    };
    match side {
        Side::Command => vec![
            letter(42, "late-night", "UNIQUE constraint failed: coupon.campaign, coupon.seq"),
            letter(57, "daily-coffee", "value too long for type character varying(128)"),
        ],
        Side::Query => vec![letter(42, "late-night", "unknown kind of event: coupons_gifted")],
    }
}

/// Something an operator did, so many messages into the log.
pub(crate) fn audit_entry(sequence: u64) -> AuditEntry {
    let (actor, action, details) = match sequence % 3 {
        0 => ("alice", "campaign_paused", serde_json::json!({"actor": "alice"})),
        1 => (
            "bob",
            "operator_acted",
            serde_json::json!({"actor": "bob", "action": "replay", "target": "ledger 0-42"}),
        ),
        _ => ("alice", "stock_changed", serde_json::json!({"actor": "alice", "window": 1, "stock": 10_500})),
    };
    AuditEntry {
        position: Position::new(0, sequence),
        at: Time(OPENING.plus(i64::try_from(sequence).unwrap_or(0) * 1_000)),
        actor: actor.to_owned(),
        action: action.to_owned(),
        campaign_id: if sequence.is_multiple_of(2) { "summer" } else { "late-night" }.to_owned(),
        details,
    }
}

/// All dead letters come.
pub(crate) fn fetch_letters(state: &mut State) {
    for side in [Side::Command, Side::Query] {
        fetch(state, Feed::DeadLetters(side), Data::DeadLetters(dead_letters(side)), NOW);
    }
}

/// A feed brings something.
pub(crate) fn fetch(state: &mut State, feed: Feed, data: Data, now: Millis) {
    update(state, Message::Fetched(feed, Ok(data)), now);
}

/// All that belongs to `summer` comes.
pub(crate) fn fetch_summer(state: &mut State) {
    let id = || "summer".to_owned();
    fetch(state, Feed::Campaign(id()), Data::Campaign(Box::new(campaigns(NOW).remove(0))), NOW);
    fetch(state, Feed::History(id()), Data::History(Box::new(history())), NOW);
    fetch(state, Feed::Coupons(id()), Data::Coupons(coupons()), NOW);
    fetch(state, Feed::Askers(id()), Data::Askers(askers()), NOW);
}

/// A key is pressed.
pub(crate) fn key(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), NOW)
}

/// Text is typed, letter by letter.
pub(crate) fn keys(state: &mut State, typed: &str) -> Vec<Effect> {
    typed.chars().flat_map(|letter| key(state, KeyCode::Char(letter))).collect()
}
