//! Entries of a lost memory of the gate that come late: they are told to nobody and never reach the log
//! (ARCHITECTURE L2, L3).

use firstcome_shared::domain::Verdict;
use firstcome_shared::event_log::EventLog;

use super::{newly, unavailable};
use crate::gate::{Call, Gate, Logged};
use crate::testing::{World, id, person, until, within};

/// The story that justifies the epoch: a publish is held, the gate is wiped, another instance rebuilds it and sells
/// on, and then the publish comes through.
async fn zombie_append(stock: u64, left: u64) {
    let (world, one, two) = World::with_two(stock).await;
    newly(&one.insist("summer", person("early")).await);
    one.log.appends.shut();
    let held = one.batch("summer", ["ann", "bob", "cid"].map(person).to_vec()).await;
    one.log.appends.somebody_waits().await;
    assert_eq!(one.gate.people(), 4, "all are decided");
    world.gate.forget();
    for (seq, name) in (2..).zip(["dan", "eve", "fay"]) {
        assert_eq!(newly(&two.insist("summer", person(name)).await).seq, seq, "numbers are given again");
    }
    assert_eq!(world.epoch("summer").await, 2);

    one.log.appends.open();
    for asking in held {
        unavailable(&within("who was held is told", asking).await.unwrap());
    }
    let users = |coupons: Vec<firstcome_shared::event::IssuedCoupon>| {
        coupons.iter().map(|coupon| coupon.user_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(users(world.coupons("summer").await), ["early", "dan", "eve", "fay"], "nothing of that batch");
    // Asking again tells the truth: who is not in the log has nothing.
    for (place, name) in (0..).zip(["ann", "bob", "cid"]) {
        match one.insist("summer", person(name)).await {
            Verdict::Issued { held, .. } if place < left => assert_eq!(held.seq, 5 + place),
            Verdict::SoldOut { .. } if place >= left => {}
            other => panic!("{name} was told {other:?}"),
        }
    }
    world.audit("summer", stock, 1).await;
    assert_eq!(world.epoch("summer").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_append_reaches_nobody_when_all_is_sold() {
    zombie_append(4, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_append_takes_nobodys_chance() {
    zombie_append(6, 2).await;
}

/// G1: a reply of the gate is on its way while an append finds that its epoch is over. Its number would fit behind what
/// the new memory decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_comes_when_its_epoch_is_over_is_not_appended() {
    // B opens its lane later: its sweep would notice the loss as well.
    let (world, one) = World::with_summer(5).await;
    let two = world.instance().await;
    one.gate.become_remote();
    one.log.appends.shut();
    let ann = one.asking("summer", person("ann")).await;
    one.log.appends.somebody_waits().await;
    one.gate.verdicts.shut();
    let bob = one.asking("summer", person("bob")).await;
    one.gate.verdicts.somebody_waits().await;
    assert_eq!(world.decision("summer", 1).await, 2, "both are decided");
    world.gate.forget();
    assert_eq!(newly(&two.insist("summer", person("dan")).await).seq, 1);
    one.log.appends.open();
    unavailable(&within("ann is told", ann).await.unwrap());
    one.gate.verdicts.open();
    unavailable(&within("bob is told", bob).await.unwrap());
    assert_eq!(newly(&one.insist("summer", person("eve")).await).seq, 2);
    world.audit("summer", 2, 1).await;
}

/// Leftovers that a sweep has read from the gate, and the gate is lost before they are appended: they belong to the
/// old epoch, though their numbers would fit behind the fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_of_a_lost_gate_are_not_appended_behind_the_fence() {
    let (world, one, two) = World::with_two(5).await;
    one.gate.outboxes.shut();
    two.gate.outboxes.shut();
    // Both have read an empty outbox; their next sweep reads what an instance left that died before it could append.
    one.gate.outboxes.somebody_waits().await;
    two.gate.outboxes.somebody_waits().await;
    let now = firstcome_shared::clock::Clock::now(&world.clock);
    let call = Call { log: world.log.identity(), epoch: 1, logged: Logged::default(), now };
    world.gate.decide(&id("summer"), call, &[person("ghost")]).await.unwrap();
    world.clock.advance(2_000);
    for instance in [&one, &two] {
        let swept = instance.gate.outbox_calls();
        instance.gate.outboxes.let_through();
        until("it was let through", || async { instance.gate.outbox_calls() > swept }).await;
    }
    one.gate.outboxes.somebody_waits().await;
    two.gate.outboxes.somebody_waits().await;
    assert_eq!(world.coupons("summer").await, []);
    world.gate.forget();
    let three = world.instance().await;
    three.service.campaign(&id("summer")).await.expect("rebuilt by a look at it");
    assert_eq!(world.epoch("summer").await, 2);
    one.gate.outboxes.open();
    two.gate.outboxes.open();
    one.adopted("summer", 2).await;
    two.adopted("summer", 2).await;
    // One more round of sweeps over both, and then somebody asks.
    for instance in [&one, &two] {
        let sweeps = instance.gate.outbox_calls();
        until("another sweep", || async { instance.gate.outbox_calls() > sweeps }).await;
    }
    let ann = newly(&three.insist("summer", person("ann")).await);
    world.told("summer", &[(person("ann"), ann)]).await;
    world.audit("summer", 1, 1).await;
}
