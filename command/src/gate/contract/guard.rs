//! The guard before every call: epoch, memory, clocks, loading (ARCHITECTURE G1, G2, G5, G8, A3).

use firstcome_shared::domain::{Command, Patch, UserId, Verdict};

use super::{
    HOUR, LOG, NOON, Rig, ask, book, call, decide, definition, everything, id, knowing, load, load_from,
    loaded, outbox, seq,
};
use crate::gate::{Call, Gate, GateError, Load, Logged, MAX_SKEW_MS};

/// Every guarded call is refused.
async fn refuses(gate: &dyn Gate, call: Call<'_>, why: &GateError) {
    assert_eq!(gate.decide(&id(), call, &[ask("ann")]).await.as_ref().err(), Some(why));
    assert_eq!(gate.command(&id(), call, &Command::Pause, "olga").await.as_ref().err(), Some(why));
    assert_eq!(gate.outbox(&id(), call, 0, 1).await.as_ref().err(), Some(why));
    assert_eq!(gate.view(&id(), call).await.as_ref().err(), Some(why));
    assert_eq!(gate.rows(&id(), call, 1, 9).await.as_ref().err(), Some(why));
}

pub(in crate::gate) async fn refuses_what_was_never_loaded(rig: &dyn Rig) {
    refuses(rig.gate(), call(1), &GateError::Forgot).await;
    assert_eq!(rig.gate().glance(&id()).await, Ok(None));
}

pub(in crate::gate) async fn loads_an_epoch_once_and_whole(rig: &dyn Rig) {
    let gate = rig.gate();
    let mut first = book(definition(5));
    let entries = first.decide(&[ask("ann"), ask("bob")], NOON).entries;
    let paused = first.command(&Command::Pause, "olga", NOON).unwrap();
    load(gate, 1, first.clone()).await.unwrap();
    let (view, rows, outbox, decision, logged) = everything(gate, call(1)).await;
    assert_eq!(
        (view.definition, view.flags, view.issued),
        (first.definition.clone(), first.flags, vec![2, 0, 0])
    );
    let users = ["ann", "bob"].map(|name| UserId::parse(name).unwrap());
    assert_eq!(rows, (1..).zip(users).collect::<Vec<_>>());
    assert_eq!(outbox, [], "what was loaded is logged");
    assert_eq!((decision, logged), (2, 2), "{entries:?} {paused:?}");

    // The same epoch again, with other contents: nothing changes.
    assert_eq!(load(gate, 1, book(definition(9))).await, Err(GateError::Forgot));
    assert_eq!(gate.view(&id(), call(1)).await.unwrap().body.issued, [2, 0, 0]);

    // The next epoch replaces all of it: holders, flags, the outbox.
    gate.command(&id(), call(1), &Command::Resume, "olga").await.unwrap();
    load(gate, 2, book(definition(7))).await.unwrap();
    let (view, rows, outbox, decision, _) = everything(gate, call(2)).await;
    assert_eq!((view.definition.windows[0].stock, view.issued, decision), (7, vec![0, 0, 0], 0));
    assert_eq!((rows, outbox), (Vec::new(), Vec::new()));
    refuses(gate, call(1), &GateError::Forgot).await;
}

pub(in crate::gate) async fn refuses_a_load_for_another_incarnation_or_an_older_epoch(rig: &dyn Rig) {
    let gate = rig.gate();
    let foreign = Load {
        log: LOG.to_owned(),
        epoch: 1,
        incarnation: "somebody else".to_owned(),
        nonce: "n".to_owned(),
        book: book(definition(5)),
        logged: Logged::default(),
    };
    assert_eq!(gate.load(&id(), foreign).await, Err(GateError::Forgot));
    refuses(gate, call(1), &GateError::Forgot).await;
    load(gate, 3, book(definition(5))).await.unwrap();
    decide(gate, call(3), &[ask("ann")]).await;
    let before = everything(gate, call(3)).await;
    for epoch in [1, 2, 3] {
        assert_eq!(load(gate, epoch, book(definition(9))).await, Err(GateError::Forgot), "epoch {epoch}");
    }
    assert_eq!(everything(gate, call(3)).await, before);
    // Epochs may be skipped: a fence whose load was never carried out.
    load(gate, 5, book(definition(5))).await.unwrap();
    refuses(gate, call(4), &GateError::Forgot).await;
}

pub(in crate::gate) async fn a_wrong_epoch_is_refused_and_changes_nothing(rig: &dyn Rig) {
    let gate = rig.gate();
    load(gate, 2, book(definition(5))).await.unwrap();
    decide(gate, call(2), &[ask("ann")]).await;
    let before = everything(gate, call(2)).await;
    for epoch in [0, 1, 3, u64::MAX] {
        // It must not even trim.
        refuses(gate, knowing(call(epoch), 1, 10), &GateError::Forgot).await;
    }
    assert_eq!(everything(gate, call(2)).await, before);
    assert_eq!(before.2.len(), 1);
}

pub(in crate::gate) async fn what_it_forgot_is_refused_until_it_is_loaded_anew(rig: &dyn Rig) {
    let gate = loaded(rig, definition(5)).await;
    decide(gate, call(1), &[ask("ann")]).await;
    let before = gate.incarnation(&id()).await.unwrap();
    assert_eq!(gate.incarnation(&id()).await.unwrap(), before, "it keeps its name while it keeps its memory");
    rig.forget().await;
    refuses(gate, call(1), &GateError::Forgot).await;
    assert_ne!(gate.incarnation(&id()).await.unwrap(), before);
    let late = Load {
        log: LOG.to_owned(),
        epoch: 2,
        incarnation: before,
        nonce: "n".to_owned(),
        book: book(definition(5)),
        logged: Logged::default(),
    };
    assert_eq!(
        gate.load(&id(), late).await,
        Err(GateError::Forgot),
        "a load that was meant for what is gone"
    );
    refuses(gate, call(2), &GateError::Forgot).await;
    load(gate, 2, book(definition(5))).await.unwrap();
    let reply = decide(gate, call(2), &[ask("bob")]).await;
    assert_eq!((seq(&reply.body[0]), reply.decision), (1, 1), "its numbers are given again");
}

pub(in crate::gate) async fn what_another_memory_left_gives_way_to_a_later_epoch_only(rig: &dyn Rig) {
    let gate = rig.gate();
    load(gate, 3, book(definition(5))).await.unwrap();
    decide(gate, call(3), &[ask("ann")]).await;
    rig.become_another().await;
    assert_eq!(gate.glance(&id()).await.unwrap().unwrap().epoch, 3, "it is still there");
    for epoch in [1, 2, 3] {
        assert_eq!(load(gate, epoch, book(definition(5))).await, Err(GateError::Forgot), "epoch {epoch}");
        refuses(gate, call(epoch), &GateError::Forgot).await;
    }
    load(gate, 4, book(definition(5))).await.unwrap();
    assert_eq!(seq(&decide(gate, call(4), &[ask("bob")]).await.body[0]), 1);
}

/// The log was made anew and the gate was not: what was decided for the old one must not be sold into the new one.
pub(in crate::gate) async fn what_is_held_of_another_log_is_refused_and_gives_way_to_any_epoch(
    rig: &dyn Rig,
) {
    let gate = rig.gate();
    load(gate, 3, book(definition(5))).await.unwrap();
    decide(gate, call(3), &[ask("ann")]).await;
    let before = everything(gate, call(3)).await;
    let glance = gate.glance(&id()).await.unwrap().unwrap();
    let anew = |epoch| Call { log: "another log", ..call(epoch) };
    for epoch in [1, 3] {
        // It must not even trim.
        refuses(gate, knowing(anew(epoch), 1, 10), &GateError::Forgot).await;
    }
    assert_eq!(everything(gate, call(3)).await, before);

    // Epochs of different logs do not follow each other; those of one still do.
    load_from("another log", gate, 1, book(definition(7))).await.unwrap();
    refuses(gate, call(3), &GateError::Forgot).await;
    refuses(gate, call(1), &GateError::Forgot).await;
    let reply = decide(gate, anew(1), &[ask("bob")]).await;
    assert_eq!((seq(&reply.body[0]), reply.decision, reply.logged), (1, 1, 0));
    let bob = (1, UserId::parse("bob").unwrap());
    assert_eq!(everything(gate, anew(1)).await.1, [bob]);
    assert_ne!(gate.glance(&id()).await.unwrap().unwrap().log, glance.log);
    assert_eq!(
        load_from("another log", gate, 1, book(definition(9))).await,
        Err(GateError::Forgot),
        "an epoch is loaded once"
    );
}

pub(in crate::gate) async fn clocks_apart_are_refused_and_nothing_is_decided(rig: &dyn Rig) {
    let gate = loaded(rig, definition(5)).await;
    let at = |offset: i64| Call { now: NOON.plus(offset), ..call(1) };
    for offset in [MAX_SKEW_MS + 1, -MAX_SKEW_MS - 1, HOUR, -HOUR] {
        let why = GateError::ClocksApart { apart_ms: offset.abs() };
        refuses(gate, at(offset), &why).await;
    }
    assert_eq!(everything(gate, call(1)).await.3, 0, "nothing was decided");
    for (user, offset) in [("ann", MAX_SKEW_MS), ("bob", -MAX_SKEW_MS)] {
        let reply = decide(gate, at(offset), &[ask(user)]).await;
        // Gate time is the server's, whatever a caller thinks it is.
        assert!(
            matches!(&reply.body[0], Verdict::Issued { held, .. } if held.issued_at == NOON),
            "{reply:?}"
        );
    }
}

pub(in crate::gate) async fn gate_time_never_goes_back(rig: &dyn Rig) {
    let gate = loaded(rig, definition(5)).await;
    rig.set_time(NOON.plus(3_000)).await;
    let first = decide(gate, call(1), &[ask("ann")]).await;
    rig.set_time(NOON).await;
    let second = decide(gate, call(1), &[ask("bob")]).await;
    for verdict in first.body.iter().chain(&second.body) {
        assert!(
            matches!(verdict, Verdict::Issued { held, .. } if held.issued_at == NOON.plus(3_000)),
            "{verdict:?}"
        );
    }
    assert_eq!(gate.view(&id(), call(1)).await.unwrap().body.now, NOON.plus(3_000));
    assert_eq!(gate.glance(&id()).await.unwrap().unwrap().now, NOON.plus(3_000));

    // Also over a rebuild: the last time in the log counts. Far from everybody's clock it is refused: coupons would
    // carry a time that is not.
    let mut ahead = book(definition(5));
    ahead.decide(&[ask("ann")], NOON.plus(4_000));
    load(gate, 2, ahead.clone()).await.unwrap();
    let reply = decide(gate, call(2), &[ask("bob")]).await;
    assert!(matches!(&reply.body[0], Verdict::Issued { held, .. } if held.issued_at == NOON.plus(4_000)));
    ahead.decide(&[ask("bob")], NOON.plus(MAX_SKEW_MS + 1));
    load(gate, 3, ahead).await.unwrap();
    refuses(gate, call(3), &GateError::ClocksApart { apart_ms: MAX_SKEW_MS + 1 }).await;
}

pub(in crate::gate) async fn a_glance_tells_whether_anybody_new_can_have_got_a_coupon(rig: &dyn Rig) {
    let gate = loaded(rig, definition(2)).await;
    let glance = async || gate.glance(&id()).await.unwrap().unwrap();
    let first = glance().await;
    assert_eq!((&*first.incarnation, first.epoch), (&*gate.incarnation(&id()).await.unwrap(), 1));
    assert_eq!(first.now, NOON);
    decide(gate, call(1), &[ask("ann"), ask("bob"), ask("cid")]).await;
    assert_eq!(glance().await, first, "issues and refusals are no news");
    let restock = Command::Update(Patch {
        windows: vec![firstcome_shared::domain::WindowPatch { id: 1, stock: Some(3), ..Default::default() }],
        ..Patch::default()
    });
    let mut version = first.version;
    for command in [restock, Command::Pause, Command::Resume, Command::Cancel] {
        gate.command(&id(), call(1), &command, "olga").await.unwrap().body.unwrap();
        let after = glance().await.version;
        assert!(after > version, "{command:?} is news");
        version = after;
        gate.command(&id(), call(1), &command, "olga").await.unwrap().body.unwrap();
        assert_eq!(glance().await.version, version, "{command:?} repeated is not");
    }
    assert_eq!(gate.view(&id(), call(1)).await.unwrap().body.version, version);
    load(gate, 2, book(definition(2))).await.unwrap();
    assert_eq!(glance().await.epoch, 2);
    assert_eq!(outbox(gate, call(2)).await, []);
}

/// Also of a campaign that nobody has loaded.
pub(in crate::gate) async fn asking_whether_it_takes_writes_changes_nothing(rig: &dyn Rig) {
    rig.gate().writable(&id()).await.unwrap();
    assert!(matches!(rig.gate().view(&id(), call(1)).await, Err(GateError::Forgot)));
    let gate = loaded(rig, definition(5)).await;
    decide(gate, call(1), &[ask("ann")]).await;
    let before = everything(gate, call(1)).await;
    gate.writable(&id()).await.unwrap();
    assert_eq!(everything(gate, call(1)).await, before);
}
