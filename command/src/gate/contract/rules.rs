//! The rules of who gets what, as a gate must show them; all cases of them are the domain's own tests.

use std::sync::Arc;

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Command, Patch, Refused, Verdict, WindowPatch};

use super::{HOUR, LOG, NOON, Rig, ask, book, call, decide, definition, everything, id, loaded, seq, wish};
use crate::gate::{Call, GateError, Load, Logged};

pub(in crate::gate) async fn the_same_person_twice_in_a_batch_gets_one_coupon(rig: &dyn Rig) {
    let gate = loaded(rig, definition(2)).await;
    let asks = ["ann", "ann", "bob", "ann", "cid", "bob"].map(ask);
    let reply = decide(gate, call(1), &asks).await;
    assert_eq!([0, 1, 2, 3, 5].map(|place: usize| seq(&reply.body[place])), [1, 1, 2, 1, 2]);
    assert!(matches!(&reply.body[0], Verdict::Issued { remaining: 1, .. }));
    assert!(matches!(&reply.body[1], Verdict::AlreadyIssued(_)));
    assert_eq!(reply.body[4], Verdict::SoldOut { stock: 2 });
    assert_eq!(everything(gate, call(1)).await.1.len(), 2);
    let empty = decide(gate, call(1), &[]).await;
    assert_eq!((empty.decision, empty.body.len()), (reply.decision, 0));
}

pub(in crate::gate) async fn keys_tell_a_retry_from_a_wish(rig: &dyn Rig) {
    let gate = loaded(rig, firstcome_shared::domain::Definition { per_user_limit: 2, ..definition(9) }).await;
    let asks =
        [wish("ann", "k1"), wish("ann", "k2"), wish("ann", "k1"), wish("bob", "k1"), wish("ann", "k3")];
    let reply = decide(gate, call(1), &asks).await;
    assert_eq!([0, 1, 2, 3].map(|place: usize| seq(&reply.body[place])), [1, 2, 1, 3]);
    assert!(matches!(&reply.body[2], Verdict::AlreadyIssued(_)));
    let Verdict::LimitReached(held) = &reply.body[4] else { panic!("{:?}", reply.body[4]) };
    assert_eq!(held.iter().map(|held| held.seq).collect::<Vec<_>>(), [1, 2]);
    let again = decide(gate, call(1), &asks[..2]).await;
    assert_eq!(again.body.iter().map(seq).collect::<Vec<_>>(), [1, 2], "also in a later batch");
    assert_eq!(again.entries, []);
}

pub(in crate::gate) async fn operators_commands_are_idempotent_and_a_refused_one_changes_nothing(
    rig: &dyn Rig,
) {
    let gate = loaded(rig, definition(5)).await;
    let command = async |command: &Command| gate.command(&id(), call(1), command, "olga").await.unwrap();
    let stock = |stock| {
        let window = WindowPatch { id: 1, stock: Some(stock), ..WindowPatch::default() };
        Command::Update(Patch { windows: vec![window], ..Patch::default() })
    };
    let mut decided = 0;
    for wanted in [Command::Pause, Command::Resume, stock(8), Command::Cancel] {
        let first = command(&wanted).await;
        assert_eq!((&first.body, first.entries.len()), (&Ok(()), 1), "{wanted:?}");
        decided += 1;
        assert_eq!(first.decision, decided);
        let before = everything(gate, call(1)).await;
        let again = command(&wanted).await;
        assert_eq!((&again.body, again.entries.len(), again.decision), (&Ok(()), 0, decided), "{wanted:?}");
        assert_eq!(everything(gate, call(1)).await, before);
        for refused in [stock(1), Command::Update(Patch { stock: Some(9), ..Patch::default() })] {
            let reply = command(&refused).await;
            assert!(matches!(reply.body, Err(Refused::Invalid(_) | Refused::Conflict(_))), "{reply:?}");
            assert_eq!((reply.entries.len(), reply.decision), (0, decided));
        }
        assert_eq!(everything(gate, call(1)).await, before, "refused commands change nothing");
    }
}

pub(in crate::gate) async fn rows_come_from_the_holders(rig: &dyn Rig) {
    let gate =
        loaded(rig, firstcome_shared::domain::Definition { per_user_limit: 2, ..definition(50) }).await;
    for place in 0..10 {
        decide(gate, call(1), &[wish(&format!("u-{}", place % 5), &format!("k-{place}"))]).await;
    }
    let rows = async |from, to| {
        let mut rows = gate.rows(&id(), call(1), from, to).await.unwrap().body;
        rows.sort_by_key(|row| row.held.seq);
        rows
    };
    let all = rows(1, u64::MAX).await;
    assert_eq!(all.len(), 10);
    for (place, row) in (0_u64..).zip(&all) {
        assert_eq!((row.held.seq, row.user.to_string()), (place + 1, format!("u-{}", place % 5)));
        assert_eq!((row.held.issued_at, row.held.window), (NOON, 1));
        assert_eq!(row.held.key.as_ref().map(ToString::to_string), Some(format!("k-{place}")));
    }
    assert_eq!(rows(3, 7).await, all[2..7]);
    assert_eq!(rows(11, 20).await, []);
    assert_eq!(rows(7, 3).await, []);
}

pub(in crate::gate) async fn campaigns_are_kept_apart(rig: &dyn Rig) {
    let gate = loaded(rig, definition(1)).await;
    let winter = CampaignId::parse("winter").unwrap();
    let other = Call { epoch: 7, ..call(7) };
    assert_eq!(gate.decide(&winter, other, &[ask("ann")]).await.err(), Some(GateError::Forgot));
    let incarnation = gate.incarnation(&winter).await.unwrap();
    let book = book(firstcome_shared::domain::Definition { id: winter.clone(), ..definition(1) });
    let (log, nonce, logged) = (LOG.to_owned(), "n".to_owned(), Logged::default());
    let load = Load { log, epoch: 7, incarnation, nonce, book, logged };
    gate.load(&winter, load).await.unwrap();
    let summers = decide(gate, call(1), &[ask("ann")]).await;
    let winters = gate.decide(&winter, other, &[ask("ann")]).await.unwrap();
    assert_eq!((seq(&summers.body[0]), seq(&winters.body[0])), (1, 1));
    assert_eq!(gate.decide(&winter, call(1), &[ask("bob")]).await.err(), Some(GateError::Forgot));
    assert_eq!(gate.glance(&winter).await.unwrap().unwrap().epoch, 7);
}

/// Windows, with the gate's clock moved over their edges by the millisecond.
pub(in crate::gate) async fn calls_at_the_same_time_are_decided_one_after_the_other(rig: &dyn Rig) {
    const PEOPLE: usize = 40;
    let gate = loaded(rig, definition(30)).await;
    let gate = &Arc::new(gate);
    // Everybody asks twice, in batches of two with the next one.
    let calls = (0..PEOPLE).map(|place| async move {
        let batch = [ask(&format!("u-{place}")), ask(&format!("u-{}", (place + 1) % PEOPLE))];
        decide(**gate, call(1), &batch).await
    });
    let replies = futures::future::join_all(calls).await;
    let (_, rows, outbox, decision, _) = everything(**gate, call(1)).await;
    assert_eq!(rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    assert_eq!(
        outbox.iter().map(|entry| entry.decision).collect::<Vec<_>>(),
        (1..=decision).collect::<Vec<_>>()
    );
    let mut decided: Vec<_> = replies.into_iter().flat_map(|reply| reply.entries).collect();
    decided.sort_by_key(|entry| entry.decision);
    assert_eq!(decided, outbox, "each entry was told to exactly one caller");
    // Half-open windows on gate time.
    for (at, open) in [(HOUR - 1, true), (HOUR, false), (2 * HOUR - 1, false), (2 * HOUR, true)] {
        let now: Millis = NOON.plus(at);
        rig.set_time(now).await;
        let reply = decide(**gate, Call { now, ..call(1) }, &[ask(&format!("late-{at}"))]).await;
        let refused =
            matches!(reply.body[0], Verdict::NotOpen { opens_at } if opens_at == NOON.plus(2 * HOUR));
        assert_eq!(refused, !open, "{at}: {:?}", reply.body);
    }
}
