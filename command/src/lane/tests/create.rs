//! Creating a campaign: the log decides who was first, also when it does not say so at once (ARCHITECTURE L4).

use firstcome_shared::event::Event;

use super::newly;
use crate::service::NotCreated;
use crate::testing::{Fault, World, id, one_off, person, within};

fn is_creation(event: &Event) -> bool {
    matches!(event, Event::CampaignCreated { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_in_doubt_is_ones_own_and_a_second_one_is_refused() {
    let world = World::new().await;
    let instance = world.instance().await;
    for (name, fault) in [
        ("lost", Fault::LostAcknowledgement),
        ("process", Fault::InProcess),
        ("stored", Fault::InProcessAndStored),
    ] {
        instance.log.plan([fault]);
        let created = instance.service.create(&one_off(name, 5), "olga").await.unwrap();
        assert_eq!((created.id.as_str(), created.epoch, created.stock), (name, 1, 5), "{fault:?}");
        let second = instance.service.create(&one_off(name, 9), "olga").await;
        assert!(matches!(second, Err(NotCreated::Exists(_))), "{second:?}");
        assert_eq!(newly(&instance.insist(name, person("ann")).await).seq, 1);
        assert_eq!(world.count(name, is_creation).await, 1);
        world.audit(name, 1, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_create_at_once_exactly_one_does() {
    for _ in 0..10 {
        let world = World::new().await;
        let (one, two) = (world.instance().await, world.instance().await);
        let (small, large) = (one_off("summer", 5), one_off("summer", 9));
        let (first, second) =
            tokio::join!(one.service.create(&small, "olga"), two.service.create(&large, "otto"));
        let stock = match (first, second) {
            (Ok(created), Err(NotCreated::Exists(_))) | (Err(NotCreated::Exists(_)), Ok(created)) => {
                created.stock
            }
            other => panic!("{other:?}"),
        };
        for instance in [&one, &two] {
            assert_eq!(instance.service.campaign(&id("summer")).await.unwrap().stock, stock);
        }
        newly(&two.insist("summer", person("ann")).await);
        world.audit("summer", 1, 1).await;
        assert_eq!(world.epoch("summer").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_forgot_a_new_campaign_is_loaded_by_the_first_ask() {
    let (world, instance) = World::with_summer(5).await;
    world.gate.forget();
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).seq, 1);
    assert_eq!(world.epoch("summer").await, 2);
    world.audit("summer", 1, 1).await;
}

/// It forgets between the creation and the load: the campaign is created all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_whose_load_fails_is_a_creation() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance.gate.loads.shut();
    let request = one_off("summer", 5);
    let creating = instance.service.create(&request, "olga");
    let forgetting = async {
        instance.gate.loads.somebody_waits().await;
        world.gate.forget();
        instance.gate.loads.open();
    };
    let (created, ()) = within("created", async { tokio::join!(creating, forgetting) }).await;
    assert_eq!(created.unwrap().stock, 5);
    assert_eq!(world.epoch("summer").await, 2);
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).seq, 1);
    world.audit("summer", 1, 1).await;
}

/// A log that does not take it: told soon, and nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_cannot_be_appended_is_not_one() {
    let world = World::new().await;
    let instance = world.instance().await;
    for fault in [Fault::LostAppend, Fault::InProcess] {
        instance.log.always(fault);
        let created = within("told", instance.service.create(&one_off("summer", 5), "olga")).await;
        assert!(matches!(created, Err(NotCreated::NoAnswer(_))), "{created:?}");
    }
    instance.log.always(Fault::None);
    instance.service.create(&one_off("summer", 5), "olga").await.unwrap();
    world.audit("summer", 0, 1).await;
}
