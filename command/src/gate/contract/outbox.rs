//! The outbox: in the same step as the decision, numbered, and kept until a call says that it is logged (ARCHITECTURE G7).

use firstcome_shared::domain::Command;

use super::{ALL, Rig, ask, call, decide, definition, id, knowing, loaded, outbox};

pub(in crate::gate) async fn every_decision_is_numbered_and_in_the_outbox(rig: &dyn Rig) {
    let gate = loaded(rig, definition(4)).await;
    let mut entries = Vec::new();
    // Two coupons and the threshold of 50 percent; nothing; a command; nothing; two more and the end of the stock.
    let reply = decide(gate, call(1), &[ask("ann"), ask("bob")]).await;
    assert_eq!((reply.decision, reply.entries.len()), (2, 2), "{:?}", reply.entries);
    entries.extend(reply.entries);
    let again = decide(gate, call(1), &[ask("ann")]).await;
    assert_eq!((again.decision, again.entries.len()), (2, 0), "nothing new was decided, and it rests on 2");
    let paused = gate.command(&id(), call(1), &Command::Pause, "olga").await.unwrap();
    assert_eq!((paused.decision, paused.entries.len()), (3, 1));
    entries.extend(paused.entries);
    let refused = decide(gate, call(1), &[ask("cid")]).await;
    assert_eq!((refused.decision, refused.entries.len(), refused.logged), (3, 0, 0));
    entries.extend(gate.command(&id(), call(1), &Command::Resume, "olga").await.unwrap().entries);
    entries.extend(decide(gate, call(1), &[ask("cid"), ask("dan"), ask("eve")]).await.entries);
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.decision).collect();
    assert_eq!(numbers, (1..=6).collect::<Vec<_>>());
    assert_eq!(outbox(gate, call(1)).await, entries);
}

pub(in crate::gate) async fn trims_only_what_a_call_says_is_logged_and_never_less(rig: &dyn Rig) {
    let gate = loaded(rig, definition(1_000)).await;
    for user in 1..=6 {
        decide(gate, call(1), &[ask(&format!("u-{user}"))]).await;
    }
    let numbers =
        async |call| outbox(gate, call).await.iter().map(|entry| entry.decision).collect::<Vec<_>>();
    assert_eq!(numbers(call(1)).await, [1, 2, 3, 4, 5, 6]);
    let reply = gate.view(&id(), knowing(call(1), 2, 20)).await.unwrap();
    assert_eq!((reply.decision, reply.logged), (6, 2), "any guarded call carries it");
    assert_eq!(numbers(call(1)).await, [3, 4, 5, 6]);
    // An older value than the gate has is no harm, and takes nothing back.
    let reply = gate.outbox(&id(), knowing(call(1), 1, 10), 0, ALL).await.unwrap();
    assert_eq!((reply.logged, reply.body.len()), (2, 4));
    let reply = decide(gate, knowing(call(1), 5, 50), &[ask("u-6")]).await;
    assert_eq!((reply.decision, reply.logged), (6, 5));
    assert_eq!(numbers(knowing(call(1), 5, 50)).await, [6]);
    let reply = decide(gate, knowing(call(1), 6, 60), &[ask("u-7")]).await;
    assert_eq!((reply.decision, reply.logged), (7, 6));
    assert_eq!(outbox(gate, call(1)).await, reply.entries);
}

pub(in crate::gate) async fn the_outbox_is_read_from_a_place_within_a_budget(rig: &dyn Rig) {
    let gate = loaded(rig, definition(1_000)).await;
    let mut entries = Vec::new();
    for user in 1..=10 {
        entries.extend(decide(gate, call(1), &[ask(&format!("u-{user}"))]).await.entries);
    }
    let read = async |after, bytes| gate.outbox(&id(), call(1), after, bytes).await.unwrap().body;
    assert_eq!(read(0, ALL).await, entries);
    assert_eq!(read(7, ALL).await, entries[7..]);
    assert_eq!(read(10, ALL).await, []);
    assert_eq!(read(99, ALL).await, []);
    for tiny in [0, 1] {
        assert_eq!(read(4, tiny).await, entries[4..5], "one entry always fits");
    }
    // About so many bytes: a gapless beginning, some and not all.
    let some = read(2, 4 * entries[0].weight()).await;
    assert!((2..=6).contains(&some.len()), "{}", some.len());
    assert_eq!(some, entries[2..2 + some.len()]);
}
