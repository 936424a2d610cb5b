//! The queue before the gate: busy is not sold out, who hung up has lost nothing, and a lane that closes answers
//! everybody first (P8, ARCHITECTURE, Lifecycle).

use super::{again, issued, newly};
use crate::lane::NoAnswer;
use crate::lane::worker::GATE_DEADLINE;
use crate::testing::{World, one_off, person, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_busy_and_uses_up_nobodys_chance() {
    let world = World::new().await;
    let instance = world.instance_with_queue(8).await;
    instance.service.create(&one_off("summer", 30), "olga").await.unwrap();
    let lane = instance.lane("summer").await;
    instance.gate.decides.shut();
    let first = instance.asking("summer", person("first")).await;
    instance.gate.decides.somebody_waits().await;
    let mut waiting = Vec::new();
    for number in 0..8 {
        waiting.push(instance.asking("summer", person(number)).await);
        until("the next one stands in the queue", || async { lane.queued() == waiting.len() }).await;
    }
    for number in 100..120 {
        let answer = instance.ask("summer", person(number)).await;
        assert_eq!(answer, Err(NoAnswer::Busy));
    }
    assert_eq!(world.decision("summer", 1).await, 0, "nothing was decided meanwhile");
    instance.gate.decides.open();
    assert_eq!(issued(&within("first", first).await.unwrap()).seq, 1);
    for (place, asking) in (2..).zip(waiting) {
        assert_eq!(
            issued(&within("who waited", asking).await.unwrap()).seq,
            place,
            "in the order in which they came"
        );
    }
    for number in 100..120 {
        newly(&instance.insist("summer", person(number)).await);
    }
    world.audit("summer", 29, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_in_the_queue_takes_no_coupon() {
    let (world, instance) = World::with_summer(2).await;
    let lane = instance.lane("summer").await;
    instance.gate.decides.shut();
    let ann = instance.asking("summer", person("ann")).await;
    instance.gate.decides.somebody_waits().await;
    let gone = instance.asking("summer", person("gone")).await;
    until("he waits", || async { lane.queued() == 1 }).await;
    gone.abort();
    until("he is gone", || async { gone.is_finished() }).await;
    let bob = instance.asking("summer", person("bob")).await;
    until("bob waits", || async { lane.queued() == 2 }).await;
    instance.gate.decides.open();
    assert_eq!(issued(&within("ann", ann).await.unwrap()).seq, 1);
    assert_eq!(issued(&within("bob", bob).await.unwrap()).seq, 2);
    world.audit("summer", 2, 1).await;
}

/// Who hangs up after the decision has the coupon, and is told so when he comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_after_the_decision_finds_the_same_coupon() {
    let (world, instance) = World::with_summer(2).await;
    instance.log.appends.shut();
    let ann = instance.asking("summer", person("ann")).await;
    instance.log.appends.somebody_waits().await;
    ann.abort();
    instance.log.appends.open();
    assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// A gate that does not answer holds nobody up for ever, and what it decided after all is appended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_hangs_is_given_up_and_asking_again_tells() {
    let (world, instance) = World::with_summer(2).await;
    instance.gate.decides.shut();
    let began = std::time::Instant::now();
    super::unavailable(&within("ann is told", instance.ask("summer", person("ann"))).await);
    assert!(began.elapsed() < 2 * GATE_DEADLINE, "{:?}", began.elapsed());
    instance.gate.decides.open();
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_closes_answers_everybody_first() {
    let (world, instance) = World::with_summer(500).await;
    instance.log.appends.shut();
    let mut asking = Vec::new();
    for number in 0..300 {
        asking.push(instance.asking("summer", person(number)).await);
    }
    instance.log.appends.somebody_waits().await;
    instance.service.close();
    let crate::testing::Instance { service, log, lifecycle, .. } = instance;
    drop(service);
    log.appends.open();
    let mut told = Vec::new();
    for (number, asked) in
        within("all are told", futures::future::join_all(asking)).await.into_iter().enumerate()
    {
        told.push((person(number), issued(&asked.unwrap())));
    }
    within("every task ends", lifecycle.shut_down()).await;
    world.told("summer", &told).await;
    world.audit("summer", 300, 1).await;
}

/// A log that is away does not keep a process from ending: the outbox keeps what was decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_closes_also_while_the_log_is_away() {
    let (world, one, two) = World::with_two(5).await;
    one.log.set_away(true);
    super::unavailable(&one.ask("summer", person("ann")).await);
    one.service.close();
    within("every task ends", one.lifecycle.shut_down()).await;
    assert_eq!(world.coupons("summer").await, []);
    world.clock.advance(1_000);
    until("swept by the other", || async { world.coupons("summer").await.len() == 1 }).await;
    assert_eq!(again(&two.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}
