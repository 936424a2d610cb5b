//! Instances whose clocks are wrong: the gate's alone says what time it is (P1, ARCHITECTURE G8).

use firstcome_shared::clock::Clock;
use firstcome_shared::domain::Verdict;
use firstcome_shared::wire::{CreateCampaign, Time};

use super::newly;
use crate::testing::{Instance, World, id, one_off, person};

/// A world in which `summer` opens in three seconds, and an instance that is so much ahead.
async fn ahead(milliseconds: i64) -> (World, Instance, CreateCampaign) {
    let world = World::new().await;
    let opens_at = Some(Time(world.clock.now().plus(3_000)));
    let ahead = world.instance_ahead(milliseconds).await;
    (world, ahead, CreateCampaign { opens_at, ..one_off("summer", 5) })
}

/// It is not open; it opens in time, and not before.
async fn opens_in_time(world: &World, opens_at: Time) {
    let instance = world.instance().await;
    world.clock.set(opens_at.0.plus(-1));
    let early = instance.insist("summer", person("ann")).await;
    assert_eq!(early, Verdict::NotOpen { opens_at: opens_at.0 });
    world.clock.set(opens_at.0);
    assert_eq!(newly(&instance.insist("summer", person("ann")).await).issued_at, opens_at.0);
    world.audit("summer", 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_from_the_future_does_not_move_gate_time() {
    for milliseconds in [4_900, 600_000] {
        let (world, ahead, summer) = ahead(milliseconds).await;
        // Who is too far off is not served; the campaign is there all the same.
        let created = ahead.service.create(&summer, "olga").await;
        assert_eq!(created.is_ok(), milliseconds < 5_000, "{created:?}");
        opens_in_time(&world, summer.opens_at.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_from_the_future_does_not_move_gate_time() {
    for milliseconds in [4_900, 600_000] {
        let (world, ahead, summer) = ahead(milliseconds).await;
        let creator = world.instance().await;
        creator.service.create(&summer, "olga").await.unwrap();
        // Its sweep would notice the loss as well.
        creator.service.close();
        world.gate.forget();
        let looked = ahead.service.campaign(&id("summer")).await;
        assert_eq!(looked.is_ok(), milliseconds < 5_000, "{looked:?}");
        assert_eq!(world.epoch("summer").await, 2);
        opens_in_time(&world, summer.opens_at.unwrap()).await;
        assert_eq!(world.epoch("summer").await, 2);
    }
}
