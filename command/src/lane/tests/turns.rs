//! Lanes of one instance take turns, and none waits for another for long.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;

use super::{again, issued, unavailable};
use crate::lane::{Lane, Parts, Turns};
use crate::metrics::Campaigns;
use crate::testing::{DEADLINE, Fault, Instance, World, id, person, until, within};

/// A lane for `summer` beside the instance's own, under these turns.
async fn lane_under(instance: &Instance, turns: Turns) -> Lane {
    let known = instance.lane("summer").await;
    let parts = Parts {
        gate: Arc::clone(&known.parts.gate),
        log: Arc::clone(&known.parts.log),
        secret: known.parts.secret.clone(),
        clock: Arc::clone(&known.parts.clock),
        lifecycle: known.parts.lifecycle.clone(),
        queue: known.parts.queue,
        turns,
        metrics: Campaigns::default(),
    };
    Lane::open(id("summer"), known.status().end(), Arc::new(parts))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_a_lane_waits_for_its_turn_is_in_the_same_batch() {
    let (world, instance) = World::with_summer(100).await;
    let lane = lane_under(&instance, Turns::new(1, DEADLINE)).await;
    let calls = instance.gate.decide_calls();
    let anothers = lane.parts.turns.take().await.unwrap();
    let mut asking = Vec::new();
    for (place, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
        let mut ask = Box::pin(lane.ask(person(name)));
        assert_eq!((&mut ask).now_or_never(), None);
        asking.push(ask);
        // The first is taken from the queue and waits for the turn; the others come after her.
        until("the lane waits", || async { lane.queued() == place }).await;
    }
    assert_eq!(instance.gate.decide_calls(), calls, "it is not its turn");
    drop(anothers);
    let told = within("all are told", join_all(asking)).await;
    assert_eq!(told.iter().map(|answer| issued(answer).seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(instance.gate.decide_calls(), calls + 1);
    assert!(lane.parts.turns.free(), "the turn ends with the append");
    world.audit("summer", 3, 1).await;
}

/// The log goes while somebody is in the queue: nobody else waits for what this lane cannot append.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_append_gives_the_turn_back() {
    let (world, instance) = World::with_summer(100).await;
    let lane = lane_under(&instance, Turns::new(1, DEADLINE)).await;
    instance.log.plan([Fault::LostAcknowledgement]);
    instance.log.appends.shut();
    let mut ann = Box::pin(lane.ask(person("ann")));
    assert_eq!((&mut ann).now_or_never(), None);
    instance.log.appends.somebody_waits().await;
    let mut bob = Box::pin(lane.ask(person("bob")));
    assert_eq!((&mut bob).now_or_never(), None);
    assert_eq!(lane.queued(), 1);
    instance.log.set_away(true);
    instance.log.appends.open();
    unavailable(&within("ann is told", ann).await);
    unavailable(&within("bob is told", bob).await);
    until("the turn is free", || async { lane.parts.turns.free() }).await;
    instance.log.set_away(false);
    assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_long_in_coming_is_not_waited_for() {
    let (world, instance) = World::with_summer(100).await;
    let lane = lane_under(&instance, Turns::new(1, Duration::from_millis(5))).await;
    let _never_ends = lane.parts.turns.take().await.unwrap();
    assert_eq!(issued(&within("she is told", lane.ask(person("ann"))).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// What was decided before is appended while the gate is asked; that takes no turn from who is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_turn_stays_with_who_is_asked_for_while_the_gate_hangs() {
    let (world, instance) = World::with_summer(100).await;
    let lane = lane_under(&instance, Turns::new(1, DEADLINE)).await;
    instance.gate.decides.shut();
    let mut ann = Box::pin(lane.ask(person("ann")));
    assert_eq!((&mut ann).now_or_never(), None);
    instance.gate.decides.somebody_waits().await;
    assert!(!lane.parts.turns.free(), "it is her turn until hers is appended");
    instance.gate.decides.open();
    assert_eq!(issued(&within("ann is told", ann).await).seq, 1);
    assert!(lane.parts.turns.free(), "the turn ends with the append");
    world.audit("summer", 1, 1).await;
}
