//! Appends that get no answer, or the wrong one, and a log that is away: nothing lost, nothing twice, nothing decided
//! in the dark, and whoever waits is told soon (P5, ARCHITECTURE L1, L4, L5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::domain::{Command, Verdict};
use firstcome_shared::wire::CreateCampaign;
use tokio::task::JoinHandle;

use super::{again, everybody_had_a_turn, issued, newly, unavailable};
use crate::lane::Answer;
use crate::lane::append::APPEND_DEADLINE;
use crate::testing::{Fault, Instance, World, one_off, person, until, wish, within};

/// Below the deadline after which an append, or anything else, counts as unanswered.
const SOON: Duration = Duration::from_secs(9);

async fn log_is_back(instance: &Instance) {
    let lane = instance.lane("summer").await;
    let lane = &lane;
    until("the log is back", || async move { lane.status().away().is_none() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_acknowledgement_changes_nothing() {
    let (world, instance) = World::with_summer(100).await;
    for round in 0..10 {
        instance.log.plan([Fault::LostAcknowledgement]);
        let first = instance.ask("summer", person(format!("a-{round}"))).await;
        assert_eq!(issued(&first).seq, 2 * round + 1);
        assert_eq!(issued(&instance.ask("summer", person(format!("b-{round}"))).await).seq, 2 * round + 2);
    }
    world.audit("summer", 20, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_in_process_is_sent_again_with_the_same_bytes() {
    let (world, instance) = World::with_summer(10).await;
    instance.log.plan([Fault::InProcess, Fault::InProcess]);
    assert_eq!(issued(&instance.ask("summer", person("ann")).await).seq, 1);
    // It was one's own first copy that was in process, and it was stored.
    instance.log.plan([Fault::InProcessAndStored]);
    assert_eq!(issued(&instance.ask("summer", person("bob")).await).seq, 2);
    // All but the creation.
    let sent = &instance.log.sent()[1..];
    assert_eq!(sent.len(), 5);
    assert_eq!((&sent[0], &sent[0]), (&sent[1], &sent[2]), "ann's: the same bytes at the same place");
    assert_eq!(sent[3], sent[4], "bob's");
    world.audit("summer", 2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_stays_in_process_for_a_second_means_that_the_log_is_away() {
    let (world, instance) = World::with_summer(10).await;
    instance.log.always(Fault::InProcess);
    let began = Instant::now();
    unavailable(&instance.ask("summer", person("ann")).await);
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..SOON).contains(&took), "{took:?}");
    let decided = world.decision("summer", 1).await;
    unavailable(&instance.ask("summer", person("bob")).await);
    assert_eq!(world.decision("summer", 1).await, decided, "bob was not even decided");
    instance.log.always(Fault::None);
    log_is_back(&instance).await;
    assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_is_away_nothing_new_is_decided_and_nothing_decided_is_lost() {
    let (world, instance) = World::with_summer(100).await;
    issued(&instance.ask("summer", person("ann")).await);
    instance.log.set_away(true);
    let began = Instant::now();
    unavailable(&instance.ask("summer", person("bob")).await);
    let decided = world.decision("summer", 1).await;
    assert_eq!(decided, 2, "bob's coupon was decided before anybody could know");
    let calls = instance.gate.decide_calls();
    for _ in 0..20 {
        unavailable(&instance.ask("summer", person("cid")).await);
        unavailable(&instance.ask("summer", person("ann")).await);
    }
    let lane = instance.lane("summer").await;
    assert!(lane.command(Command::Pause, "olga").await.is_err());
    assert!(began.elapsed() < SOON, "told at once, not after a deadline: {:?}", began.elapsed());
    assert_eq!((world.decision("summer", 1).await, instance.gate.decide_calls()), (decided, calls));
    assert_eq!(world.coupons("summer").await.len(), 1);

    instance.log.set_away(false);
    log_is_back(&instance).await;
    assert_eq!(again(&instance.insist("summer", person("bob")).await).seq, 2);
    assert_eq!(newly(&instance.insist("summer", person("cid")).await).seq, 3);
    world.audit("summer", 3, 1).await;
}

/// A full disk, a full stream: reading works, appending does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_can_be_read_but_not_appended_to_is_away_too() {
    let (world, instance) = World::with_summer(100).await;
    instance.log.always(Fault::LostAppend);
    let began = Instant::now();
    unavailable(&within("ann is told", instance.ask("summer", person("ann"))).await);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // It is tried again and again, slower and slower, and nobody is decided between two tries.
    let tries = instance.log.sent().len();
    let log = &instance.log;
    until("some more tries", || async {
        unavailable(&instance.ask("summer", person("bob")).await);
        log.sent().len() >= tries + 6
    })
    .await;
    assert!(
        began.elapsed() > Duration::from_millis(200),
        "a full disk is not hammered: {:?}",
        began.elapsed()
    );
    assert_eq!(world.decision("summer", 1).await, 1, "only ann");
    let sent = instance.log.sent();
    assert!(sent[1..].iter().all(|append| *append == sent[1]), "the same bytes at the same place");
    instance.log.always(Fault::None);
    log_is_back(&instance).await;
    assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// An append that hangs: its caller is told after the deadline, and it may be stored much later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_hangs_is_in_doubt_and_may_be_stored_late() {
    let (world, instance) = World::with_summer(100).await;
    instance.log.appends.shut();
    let began = Instant::now();
    let ann = instance.asking("summer", person("ann")).await;
    instance.log.appends.somebody_waits().await;
    // He waits for that append: so he is not even decided.
    let bob = instance.asking("summer", person("bob")).await;
    unavailable(&within("ann is told", ann).await.unwrap());
    unavailable(&within("bob is told", bob).await.unwrap());
    assert!(began.elapsed() < 2 * APPEND_DEADLINE, "{:?}", began.elapsed());
    let decided = world.decision("summer", 1).await;
    unavailable(&instance.ask("summer", person("cid")).await);
    assert_eq!(world.decision("summer", 1).await, decided);
    instance.log.appends.open();
    log_is_back(&instance).await;
    assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 1);
    assert_eq!(newly(&instance.insist("summer", person("bob")).await).seq, 2);
    world.audit("summer", 2, 1).await;
}

/// Every fault by turns, in a stream of people who ask until they are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_may_go_wrong_in_every_way_and_nothing_is_lost_or_twice() {
    use Fault::{InProcess, InProcessAndStored, LostAcknowledgement, LostAppend, None};
    let (world, instance) = World::with_summer(60).await;
    instance.log.plan([
        LostAppend,
        None,
        LostAcknowledgement,
        InProcess,
        LostAppend,
        LostAppend,
        InProcessAndStored,
    ]);
    instance.log.plan([
        None,
        LostAcknowledgement,
        LostAcknowledgement,
        InProcess,
        LostAppend,
        None,
        LostAppend,
    ]);
    let lanes = [instance.lane("summer").await];
    let people = (0..100).map(|number| {
        let lanes = lanes.clone();
        tokio::spawn(async move { crate::testing::insist(&lanes, person(number)).await })
    });
    let mut told = 0;
    for verdict in within("all are told", futures::future::join_all(people)).await {
        match verdict.unwrap() {
            Verdict::Issued { .. } | Verdict::AlreadyIssued(_) => told += 1,
            Verdict::SoldOut { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 60);
    world.audit("summer", 60, 1).await;
    assert_eq!(world.epoch("summer").await, 1);
}

/// A remote gate has decided ann, whose append is held back, and bob ahead of it.
async fn one_batch_ahead() -> (World, Instance, JoinHandle<Answer>, JoinHandle<Answer>) {
    let (world, instance) = World::with_summer(100).await;
    instance.gate.become_remote();
    instance.log.appends.shut();
    let ann = instance.asking("summer", person("ann")).await;
    instance.log.appends.somebody_waits().await;
    let bob = instance.asking("summer", person("bob")).await;
    until("bob is decided", || async { world.decision("summer", 1).await == 2 }).await;
    (world, instance, ann, bob)
}

/// A remote gate decides one batch while an append is in flight, and only one; everybody is told in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_gate_decides_one_batch_ahead() {
    let (world, instance, ann, bob) = one_batch_ahead().await;
    let cid = instance.asking("summer", person("cid")).await;
    let lane = instance.lane("summer").await;
    until("cid has come", || async { lane.queued() == 1 || instance.gate.people() > 2 }).await;
    everybody_had_a_turn().await;
    assert!(!ann.is_finished() && !bob.is_finished(), "nothing is logged yet");
    assert_eq!(world.decision("summer", 1).await, 2, "cid waits");
    instance.log.appends.open();
    let mut told = Vec::new();
    for asking in [ann, bob, cid] {
        told.push(issued(&within("everybody is told", asking).await.unwrap()).seq);
    }
    assert_eq!(told, [1, 2, 3]);
    world.audit("summer", 3, 1).await;
}

/// Also a batch that is all refused: while the log hangs, people are not decided only to be told to ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_gate_decides_one_batch_ahead_though_it_has_nothing_to_log() {
    let (world, instance) = World::with_summer(1).await;
    let held = newly(&instance.insist("summer", person("ann")).await);
    instance.gate.become_remote();
    let lane = instance.lane("summer").await;
    instance.log.appends.shut();
    let pausing = Arc::clone(&lane);
    let pausing = tokio::spawn(async move { pausing.command(Command::Pause, "olga").await });
    instance.log.appends.somebody_waits().await;
    let calls = instance.gate.decide_calls();
    let first = instance.asking("summer", person("ann")).await;
    until("the first is decided", || async { instance.gate.decide_calls() == calls + 1 }).await;
    let second = instance.asking("summer", person("bob")).await;
    let decided = || instance.gate.decide_calls() > calls + 1;
    until("the second has come", || async { lane.queued() == 1 || decided() }).await;
    everybody_had_a_turn().await;
    assert!(!decided(), "the second waits");
    instance.log.appends.open();
    assert_eq!(again(&within("the first", first).await.unwrap().unwrap().body), held);
    assert_eq!(within("the second", second).await.unwrap().unwrap().body, Verdict::Paused);
    within("the operator", pausing).await.unwrap().unwrap().body.unwrap();
    world.audit("summer", 1, 1).await;
}

/// Who waits for an append is told when it has landed, though the gate hangs over the next batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_hangs_holds_nobody_back_whose_coupon_is_logged() {
    let (world, instance) = World::with_summer(100).await;
    instance.gate.become_remote();
    instance.log.appends.shut();
    let ann = instance.asking("summer", person("ann")).await;
    instance.log.appends.somebody_waits().await;
    instance.gate.decides.shut();
    let bob = instance.asking("summer", person("bob")).await;
    instance.gate.decides.somebody_waits().await;
    instance.log.appends.open();
    assert_eq!(issued(&within("ann is told", ann).await.unwrap()).seq, 1);
    // The gate was not given up in between: it still decides for bob.
    instance.gate.decides.open();
    assert_eq!(issued(&within("bob is told", bob).await.unwrap()).seq, 2);
    world.audit("summer", 2, 1).await;
}

/// What is decided only needs its append: that does not wait for a gate that hangs over a later call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_hangs_holds_nobody_back_who_is_decided_already() {
    let (world, instance, ann, bob) = one_batch_ahead().await;
    instance.gate.commands.shut();
    let lane = instance.lane("summer").await;
    let pausing = tokio::spawn(async move { lane.command(Command::Pause, "olga").await });
    instance.gate.commands.somebody_waits().await;
    instance.log.appends.open();
    for (asking, seq) in [(ann, 1), (bob, 2)] {
        assert_eq!(issued(&within("who is decided is told", asking).await.unwrap()).seq, seq);
    }
    // The gate was not given up in between: it still pauses.
    instance.gate.commands.open();
    within("the operator", pausing).await.unwrap().unwrap().body.unwrap();
    world.audit("summer", 2, 1).await;
}

/// Nor does the first part of a batch that is too large for one call wait for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_hangs_over_the_rest_of_a_batch_does_not_hold_its_beginning_back() {
    const PEOPLE: usize = 450;
    let world = World::new().await;
    let instance = world.instance().await;
    let request = CreateCampaign { per_user_limit: Some(2), ..one_off("summer", 1_000) };
    instance.service.create(&request, "olga").await.unwrap();
    let longest = |number: usize| wish(format!("{number:0128}"), "k".repeat(128));
    instance.gate.decides.shut();
    let mut asking = instance.batch("summer", (0..PEOPLE).map(longest).collect()).await;
    instance.gate.decides.somebody_waits().await;
    let (calls, last) = (instance.gate.decide_calls(), asking.pop().unwrap());
    instance.gate.decides.let_through();
    assert_eq!(issued(&within("the first is told", asking.remove(0)).await.unwrap()).seq, 1);
    assert_eq!(instance.gate.decide_calls(), calls + 1, "the gate hangs over the last");
    instance.gate.decides.open();
    assert_eq!(issued(&within("the last is told", last).await.unwrap()).seq, PEOPLE as u64);
    world.audit("summer", PEOPLE as u64, 1).await;
}
