//! A gate that forgets, at every step of being rebuilt: the log alone brings it back, once, whoever notices
//! (P4, P5, ARCHITECTURE G3-G5).

use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::domain::{Command, Verdict};

use super::{again, newly, unavailable};
use crate::lane::NoAnswer;
use crate::testing::{World, id, insist, person, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_forgot_is_loaded_from_the_log_and_goes_on() {
    let (world, instance) = World::with_summer(5).await;
    let ann = newly(&instance.insist("summer", person("ann")).await);
    let lane = instance.lane("summer").await;
    lane.command(Command::Pause, "olga").await.unwrap().body.unwrap();
    world.gate.forget();
    assert_eq!(again(&instance.insist("summer", person("ann")).await), ann);
    assert_eq!(
        instance.insist("summer", person("bob")).await,
        Verdict::Paused,
        "switches are remembered too"
    );
    lane.command(Command::Resume, "olga").await.unwrap().body.unwrap();
    assert_eq!(newly(&instance.insist("summer", person("bob")).await).seq, 2);
    assert_eq!((world.epoch("summer").await, lane.status().rebuilds()), (2, 1));
    world.audit("summer", 2, 1).await;
}

/// An idle instance notices by itself: nobody has to pay for it with the first ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_forgot_is_rebuilt_though_nobody_asks() {
    let (world, one, two) = World::with_two(5).await;
    newly(&one.insist("summer", person("ann")).await);
    world.gate.forget();
    one.adopted("summer", 2).await;
    two.adopted("summer", 2).await;
    assert_eq!(newly(&two.insist("summer", person("bob")).await).seq, 2);
    assert_eq!(world.epoch("summer").await, 2, "one loss, one epoch");
    world.audit("summer", 2, 1).await;
}

/// G3: who finds that somebody else has rebuilt meanwhile does not fence again, however long that took him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_slow_to_rebuild_does_not_fence_a_healthy_gate() {
    // B opens its lane later: its sweep would notice the loss as well.
    let (world, one) = World::with_summer(5).await;
    let two = world.instance().await;
    one.gate.incarnations.shut();
    world.gate.forget();
    // A has found out that the gate forgot, and falls behind just then.
    let ann = one.asking("summer", person("ann")).await;
    one.gate.incarnations.somebody_waits().await;
    let bob = newly(&two.insist("summer", person("bob")).await);
    assert_eq!(world.epoch("summer").await, 2);
    one.gate.incarnations.open();
    let ann = newly(&within("ann is told", ann).await.unwrap().unwrap().body);
    assert_eq!((bob.seq, ann.seq), (1, 2));
    assert_eq!(world.epoch("summer").await, 2, "the gate was healthy again");
    world.audit("summer", 2, 1).await;
}

/// G3: a young fence is given time to be loaded by whoever appended it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_young_fence_is_given_time_to_be_loaded() {
    // B opens its lane later: its sweep would notice the loss as well.
    let (world, one) = World::with_summer(5).await;
    let two = world.instance().await;
    one.gate.loads.shut();
    world.gate.forget();
    let ann = one.asking("summer", person("ann")).await;
    one.gate.loads.somebody_waits().await;
    let polls = two.gate.outbox_calls();
    let bob = two.asking("summer", person("bob")).await;
    until("B asks whether it is loaded", || async { two.gate.outbox_calls() >= polls + 4 }).await;
    assert!(!bob.is_finished());
    one.gate.loads.open();
    let told =
        [within("ann", ann).await.unwrap().unwrap().body, within("bob", bob).await.unwrap().unwrap().body];
    let mut numbers = told.map(|verdict| newly(&verdict).seq);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", 2, 1).await;
}

/// G3: loads that take longer than the first grace come to an end. Nobody fences a gate that is healthy by now, and a
/// fence that follows another one is given longer than that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_loads_do_not_make_instances_fence_each_other_for_ever() {
    let (world, one, two) = World::with_two(3).await;
    let instances = [one, two, world.instance().await];
    for instance in &instances {
        instance.gate.set_load_time(Duration::from_secs(4));
    }
    world.gate.forget();
    let asking = instances.iter().enumerate().map(|(name, instance)| instance.insist("summer", person(name)));
    let told = futures::future::join_all(asking).await;
    let mut numbers: Vec<u64> = told.iter().map(|verdict| newly(verdict).seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    let epoch = world.epoch("summer").await;
    assert!(epoch <= 4, "one loss, {epoch} epochs");
    world.audit("summer", 3, 1).await;
}

/// The fence of a rebuilder that died is superseded, and what it loads after all is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_nobody_loads_is_superseded_and_its_late_load_refused() {
    // B opens its lane later: its sweep would notice the loss as well.
    let (world, one) = World::with_summer(5).await;
    let two = world.instance().await;
    one.gate.loads.shut();
    world.gate.forget();
    let ann = one.asking("summer", person("ann")).await;
    one.gate.loads.somebody_waits().await;
    let bob = newly(&within("bob", two.insist("summer", person("bob"))).await);
    assert_eq!((bob.seq, world.epoch("summer").await), (1, 3));
    one.gate.loads.open();
    let ann = within("ann", ann).await.unwrap();
    assert_eq!(newly(&ann.unwrap().body).seq, 2);
    assert_eq!(world.epoch("summer").await, 3);
    world.audit("summer", 2, 1).await;
}

/// G4: fence first, fold after. An append that was under way when the gate was lost comes between the first fold and
/// the fence: it is in the log, so it is in the new memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_before_the_fence_is_not_forgotten() {
    let (world, one, two) = World::with_two(5).await;
    two.log.appends.shut();
    let bob = two.asking("summer", person("bob")).await;
    two.log.appends.somebody_waits().await;
    one.gate.incarnations.shut();
    world.gate.forget();
    let ann = one.asking("summer", person("ann")).await;
    // Asked for twice: to find out who is to load, and behind the fold, for the fence.
    one.gate.incarnations.somebody_waits().await;
    let before = one.gate.incarnation_calls();
    one.gate.incarnations.let_through();
    until("it was let through", || async { one.gate.incarnation_calls() > before }).await;
    one.gate.incarnations.somebody_waits().await;
    two.log.appends.open();
    let bob = super::issued(&within("bob", bob).await.unwrap());
    one.gate.incarnations.open();
    let ann = super::issued(&within("ann", ann).await.unwrap());
    assert_eq!((bob.seq, ann.seq), (1, 2));
    assert_eq!(again(&one.insist("summer", person("bob")).await), bob);
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", 2, 1).await;
}

/// G4: only a fold that reaches the fence is loaded. A copy of the log that is behind must not make a gate that has
/// forgotten somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_does_not_reach_the_fence_is_not_loaded() {
    let (world, instance) = World::with_summer(5).await;
    let ann = newly(&instance.insist("summer", person("ann")).await);
    instance.log.hide_after(1);
    world.gate.forget();
    unavailable(&instance.ask("summer", person("ann")).await);
    unavailable(&instance.ask("summer", person("bob")).await);
    instance.log.hide_after(u64::MAX);
    assert_eq!(again(&instance.insist("summer", person("ann")).await), ann);
    world.audit("summer", 1, 1).await;
}

/// A log that takes no fence: everybody is told so soon, and nothing spins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_cannot_be_appended_is_given_up() {
    use crate::testing::Fault;
    let (world, instance) = World::with_summer(5).await;
    world.gate.forget();
    for fault in [Fault::LostAppend, Fault::InProcess] {
        instance.log.always(fault);
        let sent = instance.log.sent().len();
        unavailable(&within("ann is told", instance.ask("summer", person("ann"))).await);
        let sent = instance.log.sent().len() - sent;
        assert!(sent < 200, "{sent} tries");
    }
    assert_eq!(world.epoch("summer").await, 1);
    instance.log.always(Fault::None);
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// L4: a fence whose acknowledgement is lost is found by its nonce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_in_doubt_is_found_again() {
    use crate::testing::Fault;
    let (world, instance) = World::with_summer(5).await;
    for (epoch, fault) in [(2, Fault::LostAcknowledgement), (3, Fault::InProcessAndStored)] {
        world.gate.forget();
        instance.log.plan([fault]);
        newly(&instance.insist("summer", person(epoch)).await);
        assert_eq!(world.epoch("summer").await, epoch, "{fault:?}");
    }
    world.audit("summer", 2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_rebuild_a_healthy_gate() {
    let (world, one, two) = World::with_two(5).await;
    newly(&one.insist("summer", person("ann")).await);
    let campaign = one.service.rebuild(&id("summer"), "olga").await.unwrap();
    assert_eq!((campaign.epoch, campaign.issued), (2, 1));
    assert_eq!(newly(&two.insist("summer", person("bob")).await).seq, 2);
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", 2, 1).await;
}

/// G4: the fold for trial ends where the log ended when it began, though another instance appends as fast as it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordered_rebuild_does_not_chase_a_log_that_grows() {
    let (world, one, two) = World::with_two(100).await;
    let reads = || world.steps.names().iter().filter(|name| **name == "read").count();
    let lane = one.lane("summer").await;
    one.log.reads.shut();
    let mut rebuild = tokio::spawn(async move { lane.rebuild().await });
    let mut sold = 0;
    loop {
        tokio::select! {
            outcome = &mut rebuild => break outcome.unwrap().unwrap(),
            () = one.log.reads.somebody_waits() => {}
        }
        // Before each read of the fold, one message more.
        if world.epoch("summer").await == 1 {
            sold += 1;
            assert!(sold < 20, "it reads on and on");
            newly(&two.insist("summer", person(sold)).await);
        }
        let before = reads();
        one.log.reads.let_through();
        until("it has read", || async { reads() > before }).await;
    }
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", sold, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_not_rebuilt() {
    let (world, instance) = World::with_summer(5).await;
    let lane = instance.lane("summer").await;
    instance.gate.commands.shut();
    let busy = Arc::clone(&lane);
    let busy = tokio::spawn(async move { busy.command(Command::Resume, "olga").await });
    instance.gate.commands.somebody_waits().await;
    // Ordered, and given up.
    assert!(tokio::time::timeout(Duration::ZERO, lane.rebuild()).await.is_err());
    instance.gate.commands.open();
    within("the command is decided", busy).await.unwrap().unwrap().body.unwrap();
    // Orders are carried out one after the other.
    lane.command(Command::Resume, "olga").await.unwrap().body.unwrap();
    assert_eq!(world.epoch("summer").await, 1);
}

/// The same of what an operator has given up: told that nothing is known, they may have done something else by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_not_cancelled() {
    let (world, instance) = World::with_summer(5).await;
    let lane = instance.lane("summer").await;
    instance.gate.commands.shut();
    let busy = Arc::clone(&lane);
    let busy = tokio::spawn(async move { busy.command(Command::Pause, "olga").await });
    instance.gate.commands.somebody_waits().await;
    // Ordered, and given up.
    assert!(tokio::time::timeout(Duration::ZERO, lane.command(Command::Cancel, "olga")).await.is_err());
    instance.gate.commands.open();
    within("the command is decided", busy).await.unwrap().unwrap().body.unwrap();
    // Orders are carried out one after the other.
    lane.command(Command::Resume, "olga").await.unwrap().body.unwrap();
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// The gate forgets once more, just before call number n of any port, for every n that a recovery takes: reading the
/// end, the fold, the fence, the load, the first decision after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_may_forget_again_at_every_step_of_the_recovery() {
    const PEOPLE: u64 = 5;
    let mut walks = tokio::task::JoinSet::new();
    // Four at a time: a rebuild that follows another one backs off, which takes time and no work.
    for start in 0..4 {
        walks.spawn(async move {
            let mut step = start + 1;
            while forgets_at(step, PEOPLE).await {
                step += 4;
            }
            step
        });
    }
    let ends = walks.join_all().await;
    assert!(ends.iter().all(|end| *end > 15), "a recovery takes more calls than that: {ends:?}");
}

/// Whether there were as many calls as that.
async fn forgets_at(nth: u64, people: u64) -> bool {
    let (world, one, two) = World::with_two(people).await;
    let early = newly(&one.insist("summer", person("early")).await);
    let gate = Arc::clone(&world.gate);
    world.steps.arm(nth, move || gate.forget());
    world.gate.forget();
    let both = [
        vec![one.lane("summer").await, two.lane("summer").await],
        vec![two.lane("summer").await, one.lane("summer").await],
    ];
    let asking = (0..people + 2).map(|number| {
        let lanes = both[usize::from(number % 2 == 0)].clone();
        let ask = person(format!("u-{number}"));
        async move { (ask.clone(), insist(&lanes, ask).await) }
    });
    let told = within("all are told", futures::future::join_all(asking)).await;
    // What is still to come must not come while the audit looks.
    let forgot_again = world.steps.disarm();
    let mut coupons = vec![(person("early"), early)];
    for (ask, verdict) in told {
        match verdict {
            Verdict::Issued { held, .. } | Verdict::AlreadyIssued(held) => coupons.push((ask, held)),
            Verdict::SoldOut { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let names = world.steps.names();
    assert_eq!(coupons.len(), usize::try_from(people).unwrap(), "call {nth}: {names:?}");
    world.told("summer", &coupons).await;
    // It may have forgotten after the last answer: somebody looks, and it is rebuilt.
    one.service.campaign(&id("summer")).await.unwrap();
    world.audit("summer", people, 1).await;
    let epoch = world.epoch("summer").await;
    assert!(epoch <= 3, "two losses, at most two rebuilds: epoch {epoch}, call {nth}: {names:?}");
    forgot_again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_away_answers_nobody_and_forgets_nothing() {
    let (world, instance) = World::with_summer(5).await;
    newly(&instance.insist("summer", person("ann")).await);
    instance.gate.set_away(true);
    for _ in 0..3 {
        unavailable(&instance.ask("summer", person("bob")).await);
    }
    assert!(matches!(instance.service.campaign(&id("summer")).await, Err(NoAnswer::Unavailable(_))));
    instance.gate.set_away(false);
    assert_eq!(newly(&instance.insist("summer", person("bob")).await).seq, 2);
    assert_eq!(world.epoch("summer").await, 1);
    world.audit("summer", 2, 1).await;
}
