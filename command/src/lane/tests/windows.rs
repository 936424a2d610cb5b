//! Several windows in one campaign: each with its own stock, opened and closed by the gate's clock to the millisecond,
//! one line of numbers through all of them.

use firstcome_shared::clock::{Clock, Millis};
use firstcome_shared::domain::Verdict;
use firstcome_shared::wire::{CreateCampaign, LimitPer, StateReason, Time, Window};

use super::{again, newly};
use crate::testing::{Instance, World, one_off, person, wish};

const HOUR: i64 = 3_600_000;

/// Three windows of an hour, an hour apart, the first open now: 10, 5 and 7 coupons.
async fn three_windows(limit_per: LimitPer, per_user_limit: u32) -> (World, Instance, Millis) {
    let world = World::new().await;
    let now = world.clock.now();
    let window = |number: i64, stock| Window {
        opens_at: Time(now.plus(2 * HOUR * number)),
        closes_at: Time(now.plus(2 * HOUR * number + HOUR)),
        stock,
    };
    let request = CreateCampaign {
        opens_at: None,
        closes_at: None,
        stock: None,
        windows: Some(vec![window(0, 10), window(1, 5), window(2, 7)]),
        limit_per,
        per_user_limit: Some(per_user_limit),
        ..one_off("summer", 1)
    };
    let instance = world.instance().await;
    instance.service.create(&request, "olga").await.unwrap();
    (world, instance, now)
}

async fn asks(instance: &Instance, who: impl std::fmt::Display) -> Verdict {
    instance.insist("summer", person(who)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_window_has_its_own_stock_and_what_is_left_lapses() {
    let (world, instance, begin) = three_windows(LimitPer::Campaign, 1).await;
    // Sold out in the first, and the cache of it must not reach into the second.
    for number in 0..15_u64 {
        match asks(&instance, format!("first-{number}")).await {
            Verdict::Issued { held, .. } if number < 10 => {
                assert_eq!((held.seq, held.window), (number + 1, 1));
            }
            Verdict::SoldOut { stock: 10 } if number >= 10 => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    for _ in 0..10 {
        assert_eq!(asks(&instance, "first-14").await, Verdict::SoldOut { stock: 10 });
    }
    world.clock.set(begin.plus(HOUR));
    let next = Verdict::NotOpen { opens_at: begin.plus(2 * HOUR) };
    assert_eq!(asks(&instance, "first-14").await, next, "between windows");
    world.clock.set(begin.plus(2 * HOUR - 1));
    assert_eq!(asks(&instance, "second-0").await, next);
    world.clock.set(begin.plus(2 * HOUR));
    // Exactly as many as there are.
    for number in 0..5_u64 {
        assert_eq!(newly(&asks(&instance, format!("second-{number}")).await).seq, 11 + number);
    }
    assert_eq!(asks(&instance, "second-5").await, Verdict::SoldOut { stock: 5 });
    assert_eq!(again(&asks(&instance, "first-3").await).seq, 4, "one a campaign: the old coupon");
    world.clock.set(begin.plus(4 * HOUR));
    world.gate.forget();
    for number in 0..3_u64 {
        let held = newly(&asks(&instance, format!("third-{number}")).await);
        assert_eq!((held.seq, held.window), (16 + number, 3));
    }
    world.clock.set(begin.plus(5 * HOUR));
    assert_eq!(asks(&instance, "third-3").await, Verdict::Closed(StateReason::Ended));
    assert_eq!(again(&asks(&instance, "third-0").await).seq, 16, "a holder learns the truth at any time");
    world.audit("summer", 18, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_millisecond_of_one_window_and_the_first_of_the_next() {
    for (limit_per, second_coupon) in [(LimitPer::Campaign, false), (LimitPer::Window, true)] {
        let (world, instance, begin) = three_windows(limit_per, 1).await;
        world.clock.set(begin.plus(HOUR - 1));
        let first = newly(&asks(&instance, "ann").await);
        assert_eq!((first.window, first.issued_at), (1, begin.plus(HOUR - 1)));
        world.clock.set(begin.plus(2 * HOUR));
        let second = asks(&instance, "ann").await;
        if second_coupon {
            let second = newly(&second);
            assert_eq!((second.seq, second.window, second.issued_at), (2, 2, begin.plus(2 * HOUR)));
            assert_eq!(again(&asks(&instance, "ann").await), second);
        } else {
            assert_eq!(again(&second), first);
        }
        world.gate.forget();
        let after = again(&asks(&instance, "ann").await);
        assert_eq!(after.seq, 1 + u64::from(second_coupon), "{limit_per:?}: also after a rebuild");
        world.audit("summer", 1 + u64::from(second_coupon), 1 + usize::from(second_coupon)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_coupons_a_window_with_keys() {
    let (world, instance, begin) = three_windows(LimitPer::Window, 2).await;
    for (window, at) in [(1, 0), (2, 2 * HOUR)] {
        world.clock.set(begin.plus(at));
        let key = |number: u32| wish("ann", format!("{window}-{number}"));
        let first = newly(&instance.insist("summer", key(1)).await);
        let second = newly(&instance.insist("summer", key(2)).await);
        assert_eq!((first.window, second.window), (window, window));
        assert_eq!(again(&instance.insist("summer", key(1)).await), first);
        let Verdict::LimitReached(held) = instance.insist("summer", key(3)).await else {
            panic!("a third one")
        };
        assert_eq!(held, [first, second]);
    }
    world.audit("summer", 4, 4).await;
}
