//! A log that is no longer what was acknowledged: nothing is issued, for one clear reason, until it is restored
//! (ARCHITECTURE L7).

use firstcome_shared::domain::Verdict;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{again, newly, unavailable};
use crate::lane::NoAnswer;
use crate::testing::{Fault, Instance, World, id, one_off, person, until, within};

/// A way to the log's file that nobody guards.
async fn file(world: &World) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(world.log_file())).await.unwrap()
}

/// What `damage` does to the log's file, in which a copy is kept from before.
async fn damaged(world: &World, damage: &'static str) -> SqlitePool {
    let file = file(world).await;
    sqlx::query("CREATE TABLE kept AS SELECT * FROM message").execute(&file).await.unwrap();
    sqlx::query(damage).execute(&file).await.unwrap();
    file
}

/// Five coupons in five messages; what `damage` does to the log's file; then nobody is issued anything.
async fn nothing_is_issued_after(damage: &'static str, gate_forgets: bool) {
    let (world, instance) = World::with_summer(20).await;
    for number in 0..5 {
        newly(&instance.insist("summer", person(number)).await);
    }
    let file = damaged(&world, damage).await;
    if gate_forgets {
        world.gate.forget();
    }
    let lane = instance.lane("summer").await;
    let before = messages(&file).await;
    let lane = &lane;
    until("it is noticed", || async {
        unavailable(&instance.ask("summer", person("ann")).await);
        lane.status().away().is_some()
    })
    .await;
    for number in 0..20 {
        let Err(NoAnswer::Unavailable(reason)) =
            instance.ask("summer", person(format!("late-{number}"))).await
        else {
            panic!("issued on a log that forgot: {damage}")
        };
        assert!(reason.starts_with("the log forgot: "), "one clear reason: {reason}");
    }
    assert!(lane.rebuild().await.is_err(), "and nothing is built on it");
    assert_eq!(messages(&file).await, before, "nothing is written to it: {damage}");
    restored(&world, &instance, &file).await;
}

async fn messages(file: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT coalesce(max(sequence), 0) + 1000 * count(*) FROM message")
        .fetch_one(file)
        .await
        .unwrap()
}

/// When the log is what it was, everything goes on.
async fn restored(world: &World, instance: &Instance, file: &SqlitePool) {
    sqlx::query("INSERT OR REPLACE INTO message SELECT * FROM kept").execute(file).await.unwrap();
    let mut issued = 5;
    newly(&instance.insist("summer", person("late")).await);
    // Ann's coupon was decided before anybody knew, unless the gate forgot her.
    issued += u64::try_from(world.coupons("summer").await.len()).unwrap() - issued;
    assert!((6..=7).contains(&issued), "{issued}");
    world.audit("summer", issued, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_campaign_has_vanished() {
    nothing_is_issued_after("DELETE FROM message", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_end_has_gone_back() {
    nothing_is_issued_after("DELETE FROM message WHERE sequence > 4", false).await;
}

/// Whoever has just come has acknowledged nothing himself. But the gate was told that more is logged than he can find;
/// he learns it from whoever asks, also for what is decided already, and if nobody does, by himself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_just_come_learns_from_the_gate_that_the_end_has_gone_back() {
    for asks in [Some("ann"), Some("0"), None] {
        let (world, instance) = World::with_summer(20).await;
        for number in 0..5 {
            newly(&instance.insist("summer", person(number)).await);
        }
        drop(instance);
        let file = damaged(&world, "DELETE FROM message WHERE sequence > 4").await;
        let two = world.instance().await;
        let lane = two.lane("summer").await;
        if let Some(name) = asks {
            unavailable(&within("an answer", lane.ask(person(name))).await);
        }
        let lane = &lane;
        until("it is noticed", || async { lane.status().away().is_some() }).await;
        let reason = lane.status().away().unwrap();
        assert!(reason.starts_with("the log forgot: "), "{asks:?}: {reason}");
        unavailable(&two.ask("summer", person("bob")).await);
        assert_eq!(messages(&file).await, 4_004, "nothing is written to it");
        restored(&world, &two, &file).await;
    }
}

/// A leader of the log's that was deposed, and does not know it, shows an old end: the log has all, and nobody is to restore
/// it. Neither who acknowledged more takes it for a log that forgot, nor who has just come and hears of more from the gate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_is_old_is_not_a_log_that_forgot() {
    for just_come in [false, true] {
        let (world, mut instance) = World::with_summer(20).await;
        for number in 0..5 {
            newly(&instance.insist("summer", person(number)).await);
        }
        if just_come {
            instance = world.instance().await;
        }
        instance.log.show_as_end(4);
        instance.log.plan([Fault::LostAcknowledgement]);
        let lane = instance.lane("summer").await;
        unavailable(&within("an answer", lane.ask(person("ann"))).await);
        let lane = &lane;
        until("it is noticed", || async { lane.status().away().is_some() }).await;
        let reason = lane.status().away().unwrap();
        assert!(reason.contains("message 4 as the last"), "just come {just_come}: {reason}");
        instance.log.show_as_end(0);
        assert_eq!(again(&instance.insist("summer", person("ann")).await).seq, 6);
        world.audit("summer", 6, 1).await;
    }
}

/// The most dangerous moment: the gate forgot too, and could be loaded from what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gate_is_built_on_a_log_that_has_gone_back() {
    nothing_is_issued_after("DELETE FROM message WHERE sequence > 4", true).await;
}

/// Its server was restarted, so it does not decide by what it remembers; but what it was told was so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gate_is_built_by_who_has_just_come_on_a_log_that_has_gone_back() {
    for ordered in [false, true] {
        let (world, instance) = World::with_summer(20).await;
        for number in 0..5 {
            newly(&instance.insist("summer", person(number)).await);
        }
        drop(instance);
        let file = damaged(&world, "DELETE FROM message WHERE sequence > 4").await;
        world.gate.become_another();
        let two = world.instance().await;
        let lane = two.lane("summer").await;
        if ordered {
            assert!(within("an outcome", lane.rebuild()).await.is_err());
        } else {
            unavailable(&within("an answer", lane.ask(person("ann"))).await);
        }
        let reason = lane.status().away().unwrap();
        assert!(reason.starts_with("the log forgot: "), "{reason}");
        assert_eq!(messages(&file).await, 4_004, "no fence is written to it");
        restored(&world, &two, &file).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_end_cannot_be_read() {
    nothing_is_issued_after(
        "UPDATE message SET payload = CAST('{}' AS BLOB) WHERE sequence = (SELECT max(sequence) FROM message)",
        true,
    )
    .await;
}

/// The end stands at the same place, or a later one, and says less than was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_end_says_less() {
    nothing_is_issued_after(
        "UPDATE message SET payload = (SELECT payload FROM message WHERE sequence = 3) WHERE sequence = 6",
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_end_is_of_an_older_epoch() {
    let (world, instance) = World::with_summer(20).await;
    newly(&instance.insist("summer", person("ann")).await);
    world.gate.forget();
    newly(&instance.insist("summer", person("bob")).await);
    assert_eq!(world.epoch("summer").await, 2);
    let file = file(&world).await;
    let older =
        "UPDATE message SET payload = (SELECT payload FROM message WHERE sequence = 2) WHERE sequence = 4";
    sqlx::query(older).execute(&file).await.unwrap();
    world.gate.forget();
    unavailable(&instance.ask("summer", person("cid")).await);
    let reason = instance.lane("summer").await.status().away().unwrap();
    assert!(reason.starts_with("the log forgot: "), "{reason}");
    assert_eq!(messages(&file).await, 4_004);
}

/// A message that another log left at the end: a stream that was filled from elsewhere.
const FOREIGN: &str = r#"UPDATE message SET payload = CAST(replace(CAST(payload AS TEXT), '"log":"', '"log":"x') AS BLOB)
    WHERE sequence = (SELECT max(sequence) FROM message)"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_when_the_end_is_another_logs() {
    nothing_is_issued_after(FOREIGN, true).await;
}

/// The gate has not forgotten, and a new instance learns the end from that message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_issued_behind_another_logs_message_by_who_has_just_come() {
    let (world, instance) = World::with_summer(20).await;
    newly(&instance.insist("summer", person("ann")).await);
    drop(instance);
    let file = file(&world).await;
    sqlx::query(FOREIGN).execute(&file).await.unwrap();
    let late = world.instance().await;
    let Err(NoAnswer::Unavailable(reason)) = late.service.lane(&id("summer")).await.map(|_| ()) else {
        panic!("served behind a message of another log")
    };
    assert!(reason.starts_with("the log forgot: "), "one clear reason: {reason}");
    assert_eq!(messages(&file).await, 2_002);
}

/// The log is made anew, with the gate still there: a campaign of the same name is another one. Nothing of the old one
/// is sold into it, whether the old one had sold any or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_made_anew_is_not_served_from_what_the_gate_held_for_the_old_one() {
    for sold in [0, 2] {
        let (world, instance) = World::with_summer(3).await;
        for number in 0..sold {
            newly(&instance.insist("summer", person(number)).await);
        }
        drop(instance);
        let world = world.with_a_log_made_anew().await;
        let instance = world.instance().await;
        let created = instance.service.create(&one_off("summer", 5), "olga").await.unwrap();
        assert_eq!((created.stock, created.issued, created.epoch), (5, 0, 1));
        for number in 0..5 {
            newly(&instance.insist("summer", person(number)).await);
        }
        assert_eq!(instance.insist("summer", person("late")).await, Verdict::SoldOut { stock: 5 });
        world.audit("summer", 5, 1).await;
    }
}

/// A message that cannot be read: a rebuild needs all of them, so there is none, and no fence either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_read_every_message_does_not_fence() {
    let (world, instance) = World::with_summer(20).await;
    for number in 0..3 {
        newly(&instance.insist("summer", person(number)).await);
    }
    let file = file(&world).await;
    for damage in ["'{}'", "'no message'"] {
        let damage = format!("UPDATE message SET payload = CAST({damage} AS BLOB) WHERE sequence = 2");
        sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&file).await.unwrap();
        world.gate.forget();
        unavailable(&instance.ask("summer", person("ann")).await);
        assert_eq!(messages(&file).await, 4_004);
    }
}
