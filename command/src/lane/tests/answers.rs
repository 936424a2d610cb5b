//! Nobody is told anything before everything decided before it is logged (ARCHITECTURE A1, A2).

use std::sync::Arc;

use firstcome_shared::domain::{Command, Verdict};
use firstcome_shared::event::Message;
use firstcome_shared::event_log::EventLog;

use super::{again, everybody_had_a_turn, issued, newly};
use crate::testing::{World, id, person, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_of_any_kind_comes_before_what_it_rests_on_is_logged() {
    let (world, instance) = World::with_summer(2).await;
    let lane = instance.lane("summer").await;
    instance.log.appends.shut();
    let people = ["ann", "bob", "ann", "cid"].map(person).to_vec();
    let asking = instance.batch("summer", people).await;
    instance.log.appends.somebody_waits().await;
    let mut commands = Vec::new();
    for _ in 0..2 {
        let lane = Arc::clone(&lane);
        commands.push(tokio::spawn(async move { lane.command(Command::Pause, "olga").await }));
    }
    // The second pause changes nothing and has no entry of its own: its answer rests on the first one's.
    until("both are decided", || async { instance.gate.command_calls() >= 3 }).await;
    everybody_had_a_turn().await;
    assert!(!asking.iter().any(tokio::task::JoinHandle::is_finished), "told too early");
    assert!(!commands.iter().any(tokio::task::JoinHandle::is_finished), "told too early");
    assert_eq!(world.coupons("summer").await, []);

    instance.log.appends.open();
    let mut verdicts = Vec::new();
    for asked in asking {
        let logged = within("an answer", asked).await.unwrap().unwrap();
        assert!(logged.position.sequence >= 2, "{logged:?}");
        verdicts.push(logged.body);
    }
    for command in commands {
        assert_eq!(within("an answer", command).await.unwrap().unwrap().body, Ok(()));
    }
    let ann = newly(&verdicts[0]);
    assert!(matches!(&verdicts[1], Verdict::Issued { held, remaining: 0 } if held.seq == 2));
    assert_eq!(again(&verdicts[2]), ann);
    assert_eq!(verdicts[3], Verdict::SoldOut { stock: 2 });
    assert_eq!(instance.insist("summer", person("dan")).await, Verdict::Paused);
    world.audit("summer", 2, 1).await;
}

/// Four instances: what three of them say rests on what the first decided and could not log. Nobody hears it before it
/// is logged; then any of them logs it for all, though the others hang for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_decided_is_logged_before_anything_rests_on_it() {
    let (world, one) = World::with_summer(1).await;
    let others = [world.instance().await, world.instance().await, world.instance().await];
    one.log.appends.shut();
    let ann = one.asking("summer", person("ann")).await;
    one.log.appends.somebody_waits().await;
    let mut asking = Vec::new();
    for (instance, name) in others.iter().zip(["ann", "bob", "cid"]) {
        instance.log.appends.shut();
        if name == "cid" {
            let lane = one.lane("summer").await;
            tokio::spawn(async move { lane.command(Command::Pause, "olga").await });
            until("paused", || async { one.gate.command_calls() >= 1 }).await;
        }
        asking.push(instance.asking("summer", person(name)).await);
        instance.log.appends.somebody_waits().await;
    }
    everybody_had_a_turn().await;
    assert!(!ann.is_finished() && !asking.iter().any(tokio::task::JoinHandle::is_finished), "told too early");
    assert_eq!(world.coupons("summer").await, []);

    others[2].log.appends.open();
    let mut told = Vec::new();
    for asked in asking.into_iter().rev() {
        told.push(within("told", asked).await.unwrap().unwrap().body);
    }
    assert_eq!(told[..2], [Verdict::Paused, Verdict::SoldOut { stock: 1 }]);
    let held = again(&told[2]);
    world.told("summer", &[(person("ann"), held.clone())]).await;
    // A's own publish never comes through; the end of the log tells it.
    assert_eq!(issued(&within("ann is told by A", ann).await.unwrap()), held);
    world.audit("summer", 1, 1).await;
    assert_eq!(world.epoch("summer").await, 1);
}

/// The other half of A2: nothing is left to append, because it was logged by somebody else meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_what_another_instance_logs_is_told() {
    let (world, one, two) = World::with_two(10).await;
    for round in 0..20 {
        let name = format!("u-{round}");
        let (first, second) =
            (one.asking("summer", person(&name)).await, two.asking("summer", person(&name)).await);
        let (first, second) = (within("A", first).await.unwrap(), within("B", second).await.unwrap());
        let positions = [first.unwrap().position, second.unwrap().position];
        let end = world.log.end(&firstcome_shared::event_log::Subject::decisions(&id("summer"))).await;
        let end = end.unwrap().unwrap().position;
        assert!(positions.iter().all(|position| *position <= end), "{positions:?} beyond {end}");
    }
    world.audit("summer", 10, 1).await;
}

/// A position in an answer is one at which the coupon can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_names_a_position_at_which_it_can_be_read() {
    let (world, instance) = World::with_summer(50).await;
    for number in 1..=20_u64 {
        let answer = instance.ask("summer", person(number)).await;
        let at = answer.as_ref().unwrap().position;
        let seq = issued(&answer).seq;
        let messages = world.messages("summer").await;
        let logged = messages.iter().filter(|message| message.prev < at.sequence).flat_map(Message::coupons);
        assert_eq!(logged.filter(|(coupon, ..)| coupon.seq == seq).count(), 1, "{seq} at {at}");
    }
}
