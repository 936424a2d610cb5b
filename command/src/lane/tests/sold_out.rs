//! Strangers of a sold-out campaign are refused without a decision of the gate, and never anybody who could have had
//! a coupon (ARCHITECTURE A3).

use std::sync::Arc;

use firstcome_shared::domain::{Command, Patch, Verdict};

use super::{again, newly, unavailable};
use crate::lane::Lane;
use crate::testing::{Instance, World, person, until, within};

fn restock(stock: u64) -> Command {
    Command::Update(Patch { stock: Some(stock), ..Patch::default() })
}

async fn command(lane: &Lane, command: Command) {
    lane.command(command, "olga").await.unwrap().body.unwrap();
}

/// Sold out, and strangers are refused by the cache.
async fn sold_out(stock: u64) -> (World, Instance, Arc<Lane>) {
    let (world, instance) = World::with_summer(stock).await;
    for number in 0..stock {
        newly(&instance.insist("summer", person(format!("holder-{number}"))).await);
    }
    let lane = instance.lane("summer").await;
    cached(&instance).await;
    (world, instance, lane)
}

/// Asks as a stranger until that needs no decision any more.
async fn cached(instance: &Instance) {
    until("the cache has begun", || async {
        let calls = instance.gate.decide_calls();
        let answer = instance.ask("summer", person("stranger")).await;
        assert!(matches!(answer.unwrap().body, Verdict::SoldOut { .. }));
        instance.gate.decide_calls() == calls
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_not_trouble_the_gate_and_holders_keep_their_coupon() {
    let (world, instance, lane) = sold_out(3).await;
    let (calls, glances) = (instance.gate.decide_calls(), instance.gate.glance_calls());
    for number in 0..50 {
        let refused = instance.ask("summer", person(number)).await.unwrap();
        assert_eq!(refused.body, Verdict::SoldOut { stock: 3 });
        assert_eq!(refused.position.sequence, lane.status().end().sequence);
    }
    assert_eq!(instance.gate.decide_calls(), calls);
    assert!(
        instance.gate.glance_calls() >= glances + 50,
        "each refusal rests on a look that began after the ask"
    );
    for number in 0..3 {
        assert_eq!(
            again(&instance.insist("summer", person(format!("holder-{number}"))).await).seq,
            number + 1
        );
    }
    world.audit("summer", 3, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_is_added_is_for_sale_at_once() {
    let (world, instance, lane) = sold_out(2).await;
    command(&lane, restock(3)).await;
    assert_eq!(newly(&instance.ask("summer", person("ann")).await.unwrap().body).seq, 3);
    cached(&instance).await;
    // Added by another instance.
    let two = world.instance().await;
    command(&*two.lane("summer").await, restock(4)).await;
    assert_eq!(newly(&instance.ask("summer", person("bob")).await.unwrap().body).seq, 4);
    world.audit("summer", 4, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_end_it_and_so_does_the_end_of_the_window() {
    let (world, instance, lane) = sold_out(2).await;
    command(&lane, Command::Pause).await;
    assert_eq!(instance.ask("summer", person("ann")).await.unwrap().body, Verdict::Paused);
    command(&lane, Command::Resume).await;
    cached(&instance).await;
    world.clock.advance(3_600_000 - 1);
    assert_eq!(instance.ask("summer", person("ann")).await.unwrap().body, Verdict::SoldOut { stock: 2 });
    world.clock.advance(1);
    let closed = instance.ask("summer", person("ann")).await.unwrap().body;
    assert_eq!(closed, Verdict::Closed(firstcome_shared::wire::StateReason::Ended));
    world.audit("summer", 2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_look_at_the_gate_nobody_is_refused() {
    let (world, instance, _) = sold_out(2).await;
    instance.gate.set_glances_away(true);
    unavailable(&instance.ask("summer", person("ann")).await);
    instance.gate.set_glances_away(false);
    assert_eq!(instance.ask("summer", person("ann")).await.unwrap().body, Verdict::SoldOut { stock: 2 });
    // A gate that forgot confirms nothing: it is rebuilt, and then asked.
    world.gate.forget();
    assert_eq!(instance.ask("summer", person("ann")).await.unwrap().body, Verdict::SoldOut { stock: 2 });
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", 2, 1).await;
}

/// P5: who is away is away for everybody. The cache, though the gate confirms it, answers nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_while_the_log_is_known_to_be_away() {
    let (world, instance, lane) = sold_out(2).await;
    instance.log.set_away(true);
    // An operator is the first to notice.
    assert!(lane.rebuild().await.is_err());
    let glances = instance.gate.glance_calls();
    unavailable(&instance.ask("summer", person("ann")).await);
    assert_eq!(instance.gate.glance_calls(), glances);
    instance.log.set_away(false);
    assert_eq!(instance.insist("summer", person("ann")).await, Verdict::SoldOut { stock: 2 });
    world.audit("summer", 2, 1).await;
}

/// It begins only when all that was sold is logged: here stock is added and sold again before the holders are read,
/// and what was sold is not logged yet. If the gate were lost then, that coupon would be for sale again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_begin_on_what_is_not_logged() {
    let (world, one, two) = World::with_two(1).await;
    newly(&one.insist("summer", person("holder")).await);
    one.gate.confirmations.shut();
    assert_eq!(one.insist("summer", person("ann")).await, Verdict::SoldOut { stock: 1 });
    // The cache is about to be built. At B: one more coupon, sold, not logged.
    one.gate.confirmations.somebody_waits().await;
    command(&*two.lane("summer").await, restock(2)).await;
    two.log.appends.shut();
    one.log.appends.shut();
    let bob = two.asking("summer", person("bob")).await;
    two.log.appends.somebody_waits().await;
    one.gate.confirmations.open();
    // Strangers at A wait for bob's coupon to be logged. The cache would refuse them at once.
    let lane = one.lane("summer").await;
    let mut refused = Vec::new();
    for number in 0..30 {
        let (people, queued) = (one.gate.people(), lane.queued());
        let asking = one.asking("summer", person(number)).await;
        until("decided, in the queue or refused", || async {
            asking.is_finished() || one.gate.people() > people || lane.queued() > queued
        })
        .await;
        refused.push(asking);
    }
    assert!(!refused.iter().any(tokio::task::JoinHandle::is_finished), "refused on what is not logged");
    one.log.appends.open();
    two.log.appends.open();
    super::issued(&within("bob", bob).await.unwrap());
    for asking in refused {
        assert_eq!(within("refused", asking).await.unwrap().unwrap().body, Verdict::SoldOut { stock: 2 });
    }
    world.audit("summer", 2, 1).await;
}

/// Stock is added while strangers ask: as soon as the operator has an answer, nobody who asks then is refused while
/// there is stock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_could_have_a_coupon_is_refused() {
    let (world, instance, lane) = sold_out(1).await;
    let two = world.instance().await;
    let other = two.lane("summer").await;
    for round in 2..=40_u64 {
        let asking = {
            let lane = Arc::clone(&lane);
            tokio::spawn(async move { lane.ask(person(format!("before-{round}"))).await })
        };
        command(if round % 2 == 0 { &lane } else { &other }, restock(round)).await;
        let after = instance.ask("summer", person(format!("after-{round}"))).await.unwrap().body;
        let before = within("asked before", asking).await.unwrap().unwrap().body;
        let got =
            [&before, &after].iter().filter(|verdict| matches!(verdict, Verdict::Issued { .. })).count();
        assert_eq!(got, 1, "round {round}: {before:?} {after:?}");
        cached(&instance).await;
    }
    world.audit("summer", 40, 1).await;
}
