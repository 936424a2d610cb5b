//! What operators do outside the gate: logged once, and then done (P10).

use firstcome_shared::event::Message;
use firstcome_shared::event_log::{Budget, EventLog, Subject};

use crate::lane::NoAnswer;
use crate::testing::{Fault, World, id, within};

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
