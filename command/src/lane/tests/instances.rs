//! Several instances serve one campaign at once (P1-P4).

use std::sync::Arc;

use firstcome_shared::domain::{Ask, Held, Verdict};
use firstcome_shared::event_log::EventLog;

use super::again;
use crate::gate::{Call, Gate, Logged};
use crate::lane::Lane;
use crate::testing::{World, id, insist, person, until, within};

/// Everybody asks, some twice, at both instances; returns who was told of a coupon. `at_half` happens when half the
/// stock is gone.
async fn rush(
    world: &World,
    lanes: [Arc<Lane>; 2],
    stock: u64,
    people: u64,
    at_half: impl FnOnce(),
) -> Vec<(Ask, Held)> {
    let asking: Vec<_> = (0..people + people / 4)
        .map(|number| {
            let mut lanes = lanes.to_vec();
            lanes.rotate_left(usize::from(number % 3 == 0));
            // The last quarter are repetitions.
            let ask = person(format!("u-{}", number % people));
            tokio::spawn(async move { (ask.clone(), insist(&lanes, ask).await) })
        })
        .collect();
    let lane = &lanes[0];
    until("half the stock is gone", || async { world.coupons("summer").await.len() as u64 >= stock / 2 })
        .await;
    at_half();
    let mut told = Vec::new();
    for asked in within("all are told", futures::future::join_all(asking)).await {
        let (ask, verdict) = asked.unwrap();
        match verdict {
            Verdict::Issued { held, .. } | Verdict::AlreadyIssued(held) => told.push((ask, held)),
            Verdict::SoldOut { stock: of } => assert_eq!(of, stock),
            other => panic!("{other:?}"),
        }
    }
    assert!(lane.status().away().is_none());
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_under_load_are_exact() {
    const STOCK: u64 = 1_500;
    let (world, one, two) = World::with_two(STOCK).await;
    let lanes = [one.lane("summer").await, two.lane("summer").await];
    let told = rush(&world, lanes, STOCK, 2_000, || ()).await;
    world.told("summer", &told).await;
    let coupons = world.audit("summer", STOCK, 1).await;
    // Everybody who has a coupon was told so, at least once.
    let mut users: Vec<_> = told.iter().map(|(ask, _)| ask.user.clone()).collect();
    users.sort();
    users.dedup();
    assert_eq!(users.len(), coupons.len());
    assert_eq!(world.epoch("summer").await, 1);
}

/// A loss in the middle costs one epoch. Exactly one: who finds the gate forgetful fences only behind the epoch that
/// it refused, so of two fences for the same loss the second is refused, and its rebuilder adopts the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_the_gate_under_load_costs_one_epoch_and_nobody_anything() {
    const STOCK: u64 = 1_500;
    for _ in 0..3 {
        let (world, one, two) = World::with_two(STOCK).await;
        let lanes = [one.lane("summer").await, two.lane("summer").await];
        let gate = Arc::clone(&world.gate);
        let told = rush(&world, lanes, STOCK, 2_000, move || gate.forget()).await;
        world.told("summer", &told).await;
        // A loss after the last answer is noticed by the next sweep.
        one.adopted("summer", 2).await;
        two.adopted("summer", 2).await;
        one.service.campaign(&id("summer")).await.unwrap();
        world.audit("summer", STOCK, 1).await;
        assert_eq!(world.epoch("summer").await, 2);
    }
}

/// What a dead instance decided and did not append is appended by the next sweep of any other, though nobody asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_instances_entries_are_swept() {
    let (world, one, two) = World::with_two(5).await;
    let now = firstcome_shared::clock::Clock::now(&world.clock);
    let call = Call { log: world.log.identity(), epoch: 1, logged: Logged::default(), now };
    world.gate.decide(&id("summer"), call, &[person("ann"), person("bob")]).await.unwrap();
    // Old enough not to be in the hands of who decided them.
    world.clock.advance(1_000);
    until("swept", || async { world.coupons("summer").await.len() == 2 }).await;
    assert_eq!(again(&two.insist("summer", person("ann")).await).seq, 1);
    assert_eq!(again(&one.insist("summer", person("bob")).await).seq, 2);
    world.audit("summer", 2, 1).await;
}

/// Entries that are young are left to who decided them: sweeping costs nothing while all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_in_other_hands_are_left_alone() {
    let (world, one, two) = World::with_two(5).await;
    one.log.appends.shut();
    let ann = one.asking("summer", person("ann")).await;
    one.log.appends.somebody_waits().await;
    let sweeps = two.gate.outbox_calls();
    until("B has swept", || async { two.gate.outbox_calls() > sweeps + 1 }).await;
    assert_eq!(two.log.sent().len(), 0, "the clock has not moved: the entry is young");
    one.log.appends.open();
    // If she was given up meanwhile, she asks again.
    let _ = within("ann is told", ann).await.unwrap();
    assert_eq!(again(&one.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}
