//! What the gauges say of campaigns that are open, held, over, or should be open and are not.

use std::sync::Arc;

use bytes::Bytes;
use firstcome_shared::clock::Clock as _;
use firstcome_shared::domain::{Command, Patch, WindowPatch};
use firstcome_shared::event::Message;
use firstcome_shared::event_log::{EventLog as _, Subject};
use firstcome_shared::position::Position;
use firstcome_shared::projection::Lag;
use firstcome_shared::telemetry::install_metrics;
use firstcome_shared::wire::{Dependency, Store, Time};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::campaigns::Campaigns;
use super::compare::Walked;
use crate::testing::{Fault, Instance, World, id, one_off, person, until, within};

/// An instance that is watched, and a campaign that is open.
struct Rig {
    world: World,
    instance: Instance,
    campaigns: Campaigns,
    name: &'static str,
}

impl Rig {
    async fn new(name: &'static str) -> Self {
        Self::of(name, 5).await
    }

    async fn of(name: &'static str, stock: u64) -> Self {
        let world = World::new().await;
        let instance = world.instance().await;
        instance.service.create(&one_off(name, stock), "olga").await.unwrap();
        Self { world, instance, campaigns: Campaigns::default(), name }
    }

    async fn look(&self) {
        let _ = self.campaigns.look(&self.instance.service).await;
    }

    /// The value of the campaign's series, if it has one.
    fn value(&self, metric: &str, labels: &str) -> Option<f64> {
        let text = install_metrics().unwrap().render();
        let series = format!("firstcome_{metric}{{campaign=\"{}\"{labels}}} ", self.name);
        text.lines().find_map(|line| line.strip_prefix(&series)).map(|value| value.parse().unwrap())
    }

    fn gauges<const N: usize>(&self, metrics: [&str; N]) -> [Option<f64>; N] {
        metrics.map(|metric| self.value(metric, ""))
    }

    /// Due, open, paused.
    fn state(&self) -> [Option<f64>; 3] {
        self.gauges(["campaign_due", "campaign_open", "campaign_paused"])
    }

    /// The same world, instance and gauges, of another campaign that is open.
    async fn beside(self, name: &'static str) -> Self {
        self.instance.service.create(&one_off(name, 5), "olga").await.unwrap();
        Self { name, ..self }
    }

    /// The log as the pipeline shows it.
    async fn log(&self) -> Dependency {
        let known = self.instance.service.pipeline().await.dependencies;
        known.into_iter().find(|it| it.name == "log").unwrap()
    }

    /// Puts these bytes behind the campaign's end, as nobody of ours does.
    async fn smuggle(&self, bytes: Bytes) {
        let (log, subject) = (&self.world.log, Subject::decisions(&id(self.name)));
        let end = log.end(&subject).await.unwrap().unwrap().position.sequence;
        log.append(&subject, end, bytes).await.unwrap();
    }

    async fn command(&self, command: Command) {
        self.instance.lane(self.name).await.command(command, "olga").await.unwrap().body.unwrap();
    }
}

const YES: Option<f64> = Some(1.0);
const NO: Option<f64> = Some(0.0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_campaign_shows_what_it_has_and_what_it_did() {
    let rig = Rig::new("measured-open").await;
    assert_eq!(rig.state(), [None; 3], "nobody has looked");
    rig.instance.insist(rig.name, person("ann")).await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    assert_eq!(rig.gauges(["stock", "issued", "outbox_depth", "gate_epoch"]), [5.0, 1.0, 0.0, 1.0].map(Some));
    assert_eq!(rig.value("issue_requests_total", ",outcome=\"issued\""), YES);
    assert_eq!(rig.value("issue_requests_total", ",outcome=\"sold_out\""), NO, "there before it happens");
    assert_eq!(rig.value("oversold", ",store=\"gate\""), NO);
    for user in ["bob", "cem", "dan", "eve"] {
        rig.instance.insist(rig.name, person(user)).await;
    }
    rig.look().await;
    assert_eq!(rig.state(), [NO, NO, NO], "sold out: nothing is due");
}

/// Of a log that is slow those know who gave up: nobody else was kept waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_has_waited_too() {
    let rig = Rig::new("measured-hung-up").await;
    rig.instance.log.appends.shut();
    let ann = rig.instance.asking(rig.name, person("ann")).await;
    rig.instance.log.appends.somebody_waits().await;
    ann.abort();
    until("she has hung up", || async { ann.is_finished() }).await;
    rig.look().await;
    assert_eq!(rig.value("issue_answer_seconds_count", ""), YES);
    assert_eq!(rig.value("issue_requests_total", ",outcome=\"unavailable\""), YES);
    rig.instance.log.appends.open();
}

/// What is not open is scheduled, held, sold out, ended or cancelled: not the same to who watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_says_why_a_campaign_is_not_open() {
    let rig = Rig::new("measured-state").await;
    let state = async || {
        rig.look().await;
        rig.value("campaign_state", "").unwrap()
    };
    let mut seen = vec![state().await];
    rig.command(Command::Pause).await;
    seen.push(state().await);
    rig.command(Command::Resume).await;
    for user in ["ann", "bob", "cem", "dan", "eve"] {
        rig.instance.insist(rig.name, person(user)).await;
    }
    seen.push(state().await);
    rig.world.clock.advance(3_600_000);
    seen.push(state().await);
    let later = Rig::new("measured-state-2").await;
    later.look().await;
    later.command(Command::Cancel).await;
    later.look().await;
    seen.push(later.value("campaign_state", "").unwrap());
    assert_eq!(seen, [1.0, 2.0, 3.0, 4.0, 5.0], "open, paused, sold out, ended, cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_is_held_is_not_due() {
    let rig = Rig::new("measured-held").await;
    rig.command(Command::Pause).await;
    rig.look().await;
    assert_eq!(rig.state(), [NO, NO, YES]);
    rig.command(Command::Resume).await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_should_be_open_and_is_not_shows() {
    let rig = Rig::new("measured-away").await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    rig.instance.gate.set_away(true);
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO], "the clock goes on");
    assert!(rig.instance.service.gate_away().is_some());
    rig.instance.gate.set_away(false);
    until("it is open again", || async {
        rig.look().await;
        rig.state() == [YES, YES, NO]
    })
    .await;
    assert_eq!(rig.instance.service.gate_away(), None);
    rig.instance.log.set_away(true);
    assert!(rig.instance.ask(rig.name, person("ann")).await.is_err());
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO], "nothing is decided while the log is away");
}

/// Stopped, so that it does not even refuse; or full, as somebody who asked for another campaign has learnt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_campaign_is_open_while_the_log_is_known_to_be_away_though_nobody_asks_for_it() {
    let rig = Rig::new("measured-asked").await.beside("measured-unasked").await;
    let log = Arc::clone(&rig.instance.log);
    let opens = async || {
        log.backlogs.open();
        log.always(Fault::None);
        until("it is open", || async {
            rig.look().await;
            rig.state() == [YES, YES, NO]
        })
        .await;
    };
    opens().await;
    log.backlogs.shut();
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO], "stopped");
    opens().await;
    log.always(Fault::LostAppend);
    assert!(rig.instance.ask("measured-asked", person("ann")).await.is_err());
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO], "full");
    assert!(!rig.log().await.up);
    opens().await;
}

/// What is true of one campaign is told of that one: the log answers, and all others sell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_nobody_can_read_stops_its_campaign_and_not_the_log() {
    let rig = Rig::new("measured-garbled").await;
    rig.smuggle(Bytes::from_static(b"{}")).await;
    until("it is noticed", || async {
        let asked = rig.instance.ask(rig.name, person("ann")).await;
        asked.is_err() && rig.instance.lane(rig.name).await.status().away().is_some()
    })
    .await;
    let rig = rig.beside("measured-clean").await;
    rig.instance.insist(rig.name, person("bob")).await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    assert_eq!(rig.gauges(["campaign_forgot"]), [NO]);
    let rig = Rig { name: "measured-garbled", ..rig };
    assert_eq!(rig.state(), [YES, NO, NO], "an alert names it");
    assert_eq!(rig.gauges(["campaign_forgot"]), [YES], "and one names the instance");
    let log = rig.log().await;
    assert!(log.up, "{log:?}");
    let service = &rig.instance.service;
    let lanes = service.pipeline().await.campaigns;
    let [clean, garbled] = &lanes[..] else { panic!("{lanes:?}") };
    assert_eq!((clean.log_away, garbled.log_away, &clean.forgot), (false, false, &None));
    assert!(garbled.forgot.as_ref().unwrap().starts_with("the log forgot: undecodable"), "{garbled:?}");
    assert_eq!(service.obstacles().await, [] as [&str; 0], "and who can sell others is ready");
}

/// Nothing is due, so that nothing is open is no wonder; and a later instance does not even have a lane.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_campaign_that_cannot_be_gone_on_with_shows() {
    let rig = Rig::new("measured-stuck").await;
    rig.command(Command::Pause).await;
    rig.look().await;
    assert_eq!(rig.gauges(["campaign_due", "campaign_forgot"]), [NO, NO]);
    rig.smuggle(Bytes::from_static(b"{}")).await;
    let rename = Command::Update(Patch { name: Some("Stuck".to_owned()), ..Patch::default() });
    assert!(rig.instance.lane(rig.name).await.command(rename, "olga").await.is_err());
    rig.look().await;
    assert_eq!(rig.gauges(["campaign_due", "campaign_forgot"]), [NO, YES]);

    let (two, campaigns) = (rig.world.instance().await, Campaigns::default());
    let lanes = &two.service.lanes;
    let _ = campaigns.look(&two.service).await;
    assert!(lanes.known(&id(rig.name)).is_none());
    assert!(lanes.forgot(&id(rig.name)));
    let file = SqliteConnectOptions::new().filename(rig.world.log_file());
    let file = SqlitePool::connect_with(file).await.unwrap();
    sqlx::query("DELETE FROM message WHERE length(payload) = 2").execute(&file).await.unwrap();
    until("it is restored", || async {
        let _ = campaigns.look(&two.service).await;
        !lanes.forgot(&id(rig.name))
    })
    .await;
}

/// The log may still be busy with one campaign's append, and take those of all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_stays_in_process_stops_its_campaign_and_not_the_log() {
    let rig = Rig::new("measured-in-process").await.beside("measured-idle").await;
    rig.instance.log.always(Fault::InProcess);
    assert!(rig.instance.ask("measured-in-process", person("ann")).await.is_err());
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    let log = rig.log().await;
    assert!(log.up, "{log:?}");
    let rig = Rig { name: "measured-in-process", ..rig };
    assert_eq!(rig.state(), [YES, NO, NO], "an alert names it");
    let lanes = rig.instance.service.pipeline().await.campaigns;
    let [idle, stopped] = &lanes[..] else { panic!("{lanes:?}") };
    assert_eq!((idle.log_away, stopped.log_away, &stopped.forgot), (false, true, &None));
    assert_eq!(stopped.decision - stopped.logged, 1, "and so does its outbox");
}

/// The ledger meets a message of another log: nothing is sold any more, and that is told of the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_another_is_told_of_the_log() {
    let rig = Rig::new("measured-another").await;
    let last = rig.world.messages(rig.name).await.pop().unwrap();
    rig.smuggle(Message { log: "another".to_owned(), ..last }.encode()).await;
    let service = &rig.instance.service;
    for reader in service.ledger_readers() {
        tokio::spawn(reader.run(rig.instance.lifecycle.stop()));
    }
    until("the ledger stands still", || async { service.progress.forgot().is_some() }).await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO]);
    let log = rig.log().await;
    assert!(!log.up && log.detail.as_ref().unwrap().contains("another log"), "{log:?}");
    assert_eq!(service.obstacles().await.len(), 1);
}

/// A restart while the gate is away: nobody is told that stock is full, or woken for a campaign that is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_said_of_a_campaign_before_it_is_known() {
    let after_restart = async |rig: Rig| {
        let two = rig.world.instance().await;
        two.gate.set_away(true);
        let rig = Rig { campaigns: Campaigns::default(), instance: two, ..rig };
        for _ in 0..2 {
            rig.look().await;
        }
        rig
    };
    let many = Rig::of("measured-unknown", 80).await;
    for number in 0..80 {
        many.instance.insist(many.name, person(number)).await;
    }
    let many = after_restart(many).await;
    assert_eq!(many.state(), [None; 3], "sold out, but who knows");
    assert_eq!(many.gauges(["stock", "issued", "outbox_depth"]), [None, None, Some(0.0)]);
    assert_eq!(many.value("oversold", ",store=\"gate\""), None);
    many.instance.gate.set_away(false);
    until("it is looked at", || async {
        many.look().await;
        many.gauges(["stock", "issued"]) == [Some(80.0); 2]
    })
    .await;
    assert_eq!(many.state(), [NO, NO, NO]);

    let held = Rig::new("measured-known").await;
    held.instance.insist(held.name, person("ann")).await;
    held.command(Command::Pause).await;
    let held = after_restart(held).await;
    assert_eq!(held.state(), [NO, NO, YES], "a short log is read instead");
    assert_eq!(held.gauges(["stock", "issued"]), [Some(5.0), YES]);
}

/// As Redis with no memory left: every read is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_takes_no_writes_is_away_and_its_campaigns_are_not_open() {
    let rig = Rig::new("measured-full").await;
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    rig.instance.gate.set_full(true);
    assert!(rig.instance.ask(rig.name, person("ann")).await.is_err());
    rig.look().await;
    assert_eq!(rig.state(), [YES, NO, NO], "whether anybody asks or not");
    let dependencies = rig.instance.service.pipeline().await.dependencies;
    let gate = dependencies.iter().find(|it| it.name == "gate").unwrap();
    assert!(!gate.up && gate.detail.as_ref().unwrap().contains("full"), "{gate:?}");
    rig.instance.gate.set_full(false);
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    assert_eq!(rig.instance.service.gate_away(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_loses_its_series_a_minute_after_it_is_over() {
    for (name, end) in [("measured-cancelled", true), ("measured-ended", false)] {
        let rig = Rig::new(name).await;
        rig.look().await;
        if end {
            rig.command(Command::Cancel).await;
        } else {
            rig.world.clock.advance(3_600_000);
        }
        rig.look().await;
        assert_eq!(rig.state(), [NO, NO, NO], "{name}: its last numbers are seen");
        rig.world.clock.advance(61_000);
        rig.look().await;
        let text = install_metrics().unwrap().render();
        assert!(!text.contains(name), "{text}");
        rig.look().await;
        assert!(!install_metrics().unwrap().render().contains(name), "and does not come back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_nobody_has_asked_for_is_found_in_the_log() {
    let rig = Rig::new("measured-found").await;
    let two = rig.world.instance().await;
    let _ = rig.campaigns.look(&two.service).await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    assert!(two.service.lanes.known(&id(rig.name)).is_some(), "the gate is ready for who asks first");
    assert_eq!(rig.world.epoch(rig.name).await, 1, "and was not rebuilt for it");
}

/// A lane lives as long as the process, and issuing goes first: it must not stay where things of low priority run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_was_opened_from_elsewhere_works_where_requests_are_served() {
    let rig = Rig::new("measured-home").await;
    let two = Arc::new(rig.world.instance().await);
    let projections = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("projections")
        .enable_all()
        .build()
        .unwrap();
    let (campaigns, there) = (Campaigns::default(), Arc::clone(&two));
    let _ = projections.spawn(async move { campaigns.look(&there.service).await }).await.unwrap();
    assert!(two.service.lanes.known(&id(rig.name)).is_some(), "opened over there");
    until("its worker sweeps", || async { two.gate.outbox_calls() > 0 }).await;
    assert_ne!(two.gate.outbox_thread(), "projections");
    projections.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_is_over_is_not_loaded_at_a_start() {
    let rig = Rig::new("measured-past").await;
    rig.world.clock.advance(4_000_000);
    let two = rig.world.instance().await;
    for _ in 0..2 {
        let _ = rig.campaigns.look(&two.service).await;
    }
    assert_eq!(rig.state(), [None; 3]);
    assert!(two.service.lanes.known(&id(rig.name)).is_none());
}

/// A restart while the gate is away, of a campaign whose window was moved: its creation says that it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_whose_window_was_moved_is_watched_though_the_first_look_fails() {
    let (rig, name) = (Rig::new("measured-unmoved").await, "measured-moved");
    let now = rig.world.clock.now();
    let mut soon = one_off(name, 5);
    soon.opens_at = Some(Time(now.plus(60_000)));
    soon.closes_at = Some(Time(now.plus(120_000)));
    rig.instance.service.create(&soon, "olga").await.unwrap();
    let rig = Rig { name, ..rig };
    let opens_at = now.plus(7_200_000);
    let later = WindowPatch {
        id: 1,
        opens_at: Some(opens_at),
        closes_at: Some(opens_at.plus(3_600_000)),
        ..WindowPatch::default()
    };
    rig.command(Command::Update(Patch { windows: vec![later], ..Patch::default() })).await;
    rig.world.clock.set(opens_at.plus(1_000));
    let two = rig.world.instance().await;
    two.gate.set_away(true);
    assert!(two.ask(name, person("ann")).await.is_err(), "a lane is opened");
    let rig = Rig { campaigns: Campaigns::default(), instance: two, ..rig };
    for _ in 0..2 {
        rig.look().await;
        assert_eq!(rig.state(), [None; 3], "as it was created it is over");
    }
    rig.instance.gate.set_away(false);
    until("it is seen to be open", || async {
        rig.look().await;
        rig.state() == [YES, YES, NO]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_far_ahead_has_no_series_and_no_lane() {
    let rig = Rig::new("measured-near").await;
    let mut later = one_off("measured-later", 5);
    later.opens_at = later.opens_at.map(|at| Time(at.0.plus(3_601_001)));
    later.closes_at = later.closes_at.map(|at| Time(at.0.plus(3_700_000)));
    rig.instance.service.create(&later, "olga").await.unwrap();
    let two = rig.world.instance().await;
    let rig = Rig { campaigns: Campaigns::default(), name: "measured-later", ..rig };
    let _ = rig.campaigns.look(&two.service).await;
    assert_eq!(rig.state(), [None; 3]);
    rig.world.clock.advance(2_000);
    let _ = rig.campaigns.look(&two.service).await;
    assert_eq!(rig.state(), [NO, NO, NO], "an hour before it opens");
    assert_eq!(rig.gauges(["stock", "issued", "campaign_state"]), [Some(5.0), NO, NO], "scheduled");
    let of_lane = ["outbox_depth", "outbox_oldest_age_seconds", "issue_queue_depth", "gate_epoch"];
    assert_eq!(rig.gauges(of_lane), [None; 4], "who does not serve it does not know");
    assert!(two.service.lanes.known(&id(rig.name)).is_none(), "nobody needs its gate yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_is_compared_with_the_log() {
    let rig = Rig::new("measured-compared").await;
    for user in ["ann", "bob", "cem"] {
        rig.instance.insist(rig.name, person(user)).await;
    }
    rig.look().await;
    let start = rig.world.clock.now();
    // Three batches, and half of the stock.
    assert_eq!(rig.campaigns.behind(Store::Gate, start).await, (4, start));
    rig.world.clock.advance(700_000);
    rig.look().await;
    let now = rig.world.clock.now();
    assert_eq!(rig.campaigns.behind(Store::Gate, now).await, (4, start), "an alert says so");
    let turn = rig.campaigns.next(None).await;
    assert_eq!(turn, Some(id(rig.name)));
    let service = &rig.instance.service;
    let compared = service.compare_once(&rig.campaigns, turn.as_ref(), Store::Gate).await;
    assert_eq!(compared, Some(Walked { coupons: 3 + 3, level: true }), "and all once more");
    rig.look().await;
    assert_eq!(rig.value("drift", ",store=\"gate\""), NO);
    assert_eq!(rig.value("sequence_gaps", ",store=\"log\""), NO);
    assert_eq!(
        rig.campaigns.behind(Store::Gate, now).await,
        (0, start),
        "nobody has told that it was compared"
    );
    rig.campaigns.with_compared(Store::Gate, now);
    assert_eq!(rig.campaigns.behind(Store::Gate, now).await, (0, now));
    assert_eq!(rig.campaigns.behind(Store::Ledger, now).await, (4, start));

    // Nothing comes for long: what comes then has not waited so long.
    rig.world.clock.advance(700_000);
    let later = rig.world.clock.now();
    rig.campaigns.with_compared(Store::Gate, later);
    assert_eq!(rig.campaigns.behind(Store::Gate, later).await, (0, later));
    rig.instance.insist(rig.name, person("dan")).await;
    rig.look().await;
    let (left, since) = rig.campaigns.behind(Store::Gate, later.plus(1)).await;
    assert!(left > 0 && since == later, "{left}, {since:?}");
}

/// A database that hangs is one that nobody needs in order to issue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_does_not_answer_keeps_no_gate_from_being_compared() {
    let rig = Rig::of("measured-alone", 50).await;
    let service = &rig.instance.service;
    for reader in service.ledger_readers() {
        tokio::spawn(reader.run(rig.instance.lifecycle.stop()));
    }
    // Whoever sums it up waits for ever.
    let _hangs = service.ledger_fingerprints.acquire().await.unwrap();
    let behind = async |store| {
        rig.look().await;
        rig.campaigns.behind(store, rig.world.clock.now()).await.0
    };
    let story = async {
        // Again and again, also when the ledger has come as far as the log.
        for (decisions, user) in (1..).zip(["ann", "bob"]) {
            rig.instance.insist(rig.name, person(user)).await;
            let end = service.log().backlog(0, u64::MAX).await.unwrap().end;
            within("the ledger is level", service.progress.wait_for(Position::new(0, end))).await;
            until("the gate was compared", || async { behind(Store::Gate).await == 0 }).await;
            assert_eq!(behind(Store::Ledger).await, decisions);
        }
    };
    tokio::select! {
        () = service.compare_stores(&rig.campaigns) => panic!("it never ends"),
        () = story => {}
    }
}

/// A series that ends resolves its alert; nothing was mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_promise_is_shown_until_it_is_mended() {
    let rig = Rig::new("measured-broken").await;
    rig.look().await;
    // What must be impossible; and no look corrects it.
    rig.instance.gate.set_away(true);
    rig.campaigns.with(&id(rig.name), |it| it.known.issued[0] = 7).await;
    rig.world.clock.advance(3_600_000 + 61_000);
    for _ in 0..2 {
        rig.look().await;
        rig.world.clock.advance(61_000);
        assert_eq!(rig.value("oversold", ",store=\"gate\""), Some(2.0), "it is over, and nothing is mended");
    }
    rig.campaigns.with(&id(rig.name), |it| it.known.issued[0] = 5).await;
    rig.look().await;
    rig.world.clock.advance(61_000);
    rig.look().await;
    assert_eq!(rig.value("oversold", ",store=\"gate\""), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_are_too_many_the_open_ones_are_shown() {
    let rig = Rig::new("measured-zeta").await;
    let soon = ["measured-early-1", "measured-early-2", "measured-early-3"];
    for name in soon {
        let mut later = one_off(name, 5);
        later.opens_at = later.opens_at.map(|at| Time(at.0.plus(1_800_000)));
        rig.instance.service.create(&later, "olga").await.unwrap();
    }
    rig.look().await;
    assert_eq!(rig.state(), [YES, YES, NO]);
    let text = install_metrics().unwrap().render();
    let shown = soon.map(|name| text.contains(&format!("firstcome_stock{{campaign=\"{name}\"}} 5")));
    assert_eq!(shown, [true, true, false], "as many as there is room for");
}

/// In a cluster each question costs messages of every partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_asks_the_log_once_where_it_ends_and_once_for_the_lag() {
    let rig = Rig::new("measured-once").await;
    let asked = || rig.world.steps.names().into_iter().filter(|name| *name == "backlog").count();
    let before = asked();
    rig.instance.service.set_gauges(&rig.campaigns, &Lag::new("ledger")).await;
    assert_eq!(asked() - before, 2);
}

/// Of all instances the smallest lag counts: an old 0 would hide that the ledger falls behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_see_the_log_shows_no_lag() {
    let rig = Rig::new("measured-lag").await;
    let lag = Lag::new("ledger");
    let shown = async || {
        rig.instance.service.set_gauges(&rig.campaigns, &lag).await;
        let text = install_metrics().unwrap().render();
        ["events", "seconds"]
            .map(|unit| text.contains(&format!("firstcome_lag_{unit}{{projection=\"ledger\"}} ")))
    };
    assert_eq!(shown().await, [true; 2]);
    rig.instance.log.set_away(true);
    assert_eq!(shown().await, [false; 2]);
    rig.instance.log.set_away(false);
    assert_eq!(shown().await, [true; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_away_is_not_the_ledger_being_away() {
    let rig = Rig::new("measured-log-away").await;
    rig.instance.log.set_away(true);
    for reader in rig.instance.service.ledger_readers() {
        let stop = rig.instance.lifecycle.stop();
        tokio::spawn(reader.run(stop));
    }
    let service = &rig.instance.service;
    until("it stands still", || async { service.progress.stalled().is_some() }).await;
    let known = service.pipeline().await.dependencies;
    let away: Vec<&str> = known.iter().filter(|each| !each.up).map(|each| each.name.as_str()).collect();
    assert_eq!(away, ["log"]);
}
