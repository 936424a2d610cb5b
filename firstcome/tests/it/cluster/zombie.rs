//! What is on its way to the log when the world behind it changes: an append that arrives after another instance has
//! rebuilt the gate and sold on, and one whose acknowledgement is lost.

use rustix::process::Signal;

use super::stack::{Instance, Stack};
use crate::rig::{
    Api, System as _, Told, ask_all, assert_exact, coupons, eventually, fingerprint, gather, people,
};

/// Asks that only the first instance sees.
fn first(stack: &Stack) -> Api {
    stack.instance(Instance::Command(0)).api.clone()
}

fn second(stack: &Stack) -> Api {
    stack.instance(Instance::Command(1)).api.clone()
}

/// The one that justifies the epoch (ARCHITECTURE L2, L3): the first instance's publish is held, the gate is wiped, the
/// second rebuilds it and sells on, the publish is released. Whoever waited for it gets 503, and the log holds nothing of
/// that batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_held_back_while_the_gate_was_rebuilt_is_told_to_nobody_and_logged_nowhere() {
    let stack = Stack::start().await;
    stack.api().create("zombie", 200).await;
    let before = ask_all(&first(&stack), "zombie", &people("before", 20)).await;
    assert_eq!(coupons(&before).len(), 20);

    // The second sleeps: its sweep would append what the first one holds, as soon as that looks left over.
    stack.instance(Instance::Command(1)).signal(Signal::STOP);
    stack.wire.stall();
    let dead: Vec<_> = people("dead", 40);
    let held = tokio::spawn({
        let (api, dead) = (first(&stack), dead.clone());
        async move { gather(40, dead.iter().map(|user| api.ask("zombie", user)).collect()).await }
    });
    // The first batch of them; whoever came later waits for it.
    let decided = eventually("a batch is decided", async || {
        let decided = stack.redis.command("HGET fc:{zombie}:meta coupons").await;
        decided.trim().parse::<usize>().ok().filter(|coupons| *coupons > 20)
    })
    .await;
    stack.redis.restart_empty().await;
    stack.instance(Instance::Command(1)).signal(Signal::CONT);
    assert_eq!(fingerprint(&second(&stack), "zombie", "log").await["count"], 20, "and not logged");

    // The others sell on, under the numbers that the dead were given.
    let alive = ask_all(&second(&stack), "zombie", &people("alive", 50)).await;
    let alive = coupons(&alive);
    assert_eq!(alive.len(), 50);
    assert_eq!(alive.iter().map(|coupon| coupon.seq).collect::<Vec<_>>(), (21..=70).collect::<Vec<_>>());
    stack.wire.heal().await;
    let held = held.await.unwrap();
    let nothing = held.iter().filter(|told| **told == Told::Again("unavailable".to_owned())).count();
    assert!(nothing >= decided - 20, "nobody of the batch was told anything: {held:?}");
    let later = coupons(&held);
    assert_eq!(nothing + later.len(), 40, "{held:?}");
    assert!(later.iter().all(|coupon| coupon.seq > 70), "nothing of the batch is logged: {held:?}");
    let logged = fingerprint(&second(&stack), "zombie", "log").await["count"].as_u64();
    assert_eq!(logged, Some(70 + later.len() as u64));

    // Who asks again gets one, under the next numbers.
    let again = ask_all(stack.api(), "zombie", &dead).await;
    let mut sold = [coupons(&before), alive, coupons(&again)].concat();
    sold.sort();
    assert_eq!(coupons(&again).len(), 40);
    assert_exact(&stack, "zombie", 110, &sold).await;
}

/// The publish is stored and its acknowledgement lost (ARCHITECTURE L4): it is found at the end and not sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_that_is_lost_costs_nobody_a_coupon_and_gives_nobody_two() {
    let stack = Stack::start().await;
    stack.api().create("doubt", 300).await;
    let mut told = ask_all(&first(&stack), "doubt", &people("before", 20)).await;
    for round in 1..=3 {
        let logged = fingerprint(&second(&stack), "doubt", "log").await["count"].as_u64().unwrap();
        stack.wire.stall_answers();
        let crowd = people(&format!("round-{round}"), 60);
        let asking = tokio::spawn({
            let (api, crowd) = (first(&stack), crowd.clone());
            async move { gather(60, crowd.iter().map(|user| api.ask("doubt", user)).collect()).await }
        });
        eventually("it is stored", async || {
            let rows = fingerprint(&second(&stack), "doubt", "log").await;
            (rows["count"].as_u64().unwrap() > logged).then_some(())
        })
        .await;
        stack.wire.cut().await;
        stack.wire.heal().await;
        let first_told = asking.await.unwrap();
        let again = ask_all(stack.api(), "doubt", &crowd).await;
        for (first_told, again) in first_told.iter().zip(&again) {
            if let Some(coupon) = first_told.coupon() {
                assert_eq!(Some(coupon), again.coupon());
            }
        }
        told.extend(again);
    }
    let sold = coupons(&told);
    assert_eq!(sold.len(), 200);
    assert_exact(&stack, "doubt", 200, &sold).await;
}
