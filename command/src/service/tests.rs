//! What operators do outside the gate: logged once, and then done (P10).

use firstcome_shared::clock::Clock;
use firstcome_shared::event::Message;
use firstcome_shared::event_log::{Budget, EventLog, Subject};
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Parked, Remedy};

use crate::lane::NoAnswer;
use crate::testing::{Fault, World, id, until, within};

/// The nonces of everything on the campaign's second subject.
async fn acts(world: &World, name: &str) -> Vec<String> {
    let all = Budget { messages: 1_000, bytes: 1 << 30 };
    let acts = world.log.read(&Subject::uses(&id(name)), 0, all).await.unwrap();
    acts.iter().map(|stored| Message::decode(&stored.payload).unwrap().nonce).collect()
}

/// L4: an append that is said to be in process is sent again with the same bytes, and is found though somebody else's
/// act stands behind it by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_in_doubt_is_logged_once() {
    for (fault, behind) in
        [(Fault::InProcess, None), (Fault::InProcessAndStored, None), (Fault::Overtaken, Some("other"))]
    {
        let (world, instance) = World::with_summer(5).await;
        let before = instance.log.sent().len();
        instance.log.plan([fault]);
        within("it is done", instance.service.rebuild(&id("summer"), "olga")).await.unwrap();
        let acts = acts(&world, "summer").await;
        assert_eq!(acts.len(), 1 + usize::from(behind.is_some()), "{fault:?}: {acts:?}");
        assert_eq!(acts.get(1).map(String::as_str), behind, "{fault:?}");
        let [first, second, ..] = &instance.log.sent()[before..] else { panic!("{fault:?}: not sent again") };
        assert_eq!(first, second, "{fault:?}: the same bytes");
    }
}

/// L5: what stays in process means that the log is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_stays_in_process_is_given_up() {
    let (world, instance) = World::with_summer(5).await;
    instance.log.always(Fault::InProcess);
    let outcome = within("it is given up", instance.service.rebuild(&id("summer"), "olga")).await;
    assert!(matches!(outcome, Err(NoAnswer::Unavailable(_))), "{outcome:?}");
    assert_eq!((acts(&world, "summer").await.len(), world.epoch("summer").await), (0, 1));
}

/// What stands in the audit log is done, also when whoever ordered it hangs up between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_logged_is_made_though_nobody_waits_for_it() {
    let (world, instance) = World::with_summer(5).await;
    instance.log.appends.shut();
    let summer = id("summer");
    tokio::select! {
        _ = instance.service.rebuild(&summer, "olga") => panic!("it is not logged yet"),
        () = instance.log.appends.somebody_waits() => {}
    }
    instance.log.appends.open();
    until("it is rebuilt", || async { world.epoch("summer").await == 2 }).await;
    instance.service.campaign(&summer).await.unwrap();
    assert_eq!(acts(&world, "summer").await.len(), 1);
    world.audit("summer", 0, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remedy_that_is_logged_is_applied_though_nobody_waits_for_it() {
    let (world, instance) = World::with_summer(5).await;
    let (ledger, now) = (instance.service.ledger(), world.clock.now());
    let token = ledger.claim(0, "test", now, 60_000).await.unwrap().unwrap();
    let claim = Claim { partition: 0, token, log: world.log.identity().to_owned() };
    let position = Position::new(0, 1);
    let parked = Parked {
        campaign: id("summer"),
        position,
        reason: "on purpose".to_owned(),
        parked_at: now,
        attempts: 5,
        payload: String::new(),
        remedy: None,
    };
    ledger.park(&claim, 0, &parked, 1).await.unwrap();
    instance.log.appends.shut();
    tokio::select! {
        _ = instance.service.remedy(position, Remedy::Discard, "olga") => panic!("it is not logged yet"),
        () = instance.log.appends.somebody_waits() => {}
    }
    instance.log.appends.open();
    until("it is asked for", || async {
        let parked = ledger.parked(0).await.unwrap();
        parked.first().is_some_and(|parked| parked.remedy == Some(Remedy::Discard))
    })
    .await;
    assert_eq!(acts(&world, "summer").await.len(), 1);
}
