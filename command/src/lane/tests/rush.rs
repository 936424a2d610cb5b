//! Rushes: as many coupons as there are, or as there are people, and everybody is told (P1-P3).

use std::collections::HashMap;

use firstcome_shared::domain::{Ask, Verdict};
use firstcome_shared::wire::CreateCampaign;

use crate::testing::{World, insist, one_off, person, wish, within};

/// Everybody asks at once; counts the new coupons, the repeated ones and the refusals.
async fn rush(stock: u64, limit: u32, asks: Vec<Ask>) -> (usize, usize, usize) {
    let world = World::new().await;
    let instance = world.instance().await;
    let request = CreateCampaign { per_user_limit: Some(limit), ..one_off("summer", stock) };
    instance.service.create(&request, "olga").await.unwrap();
    let lanes = [instance.lane("summer").await];
    let asking: Vec<_> = asks
        .into_iter()
        .map(|ask| {
            let lanes = lanes.clone();
            tokio::spawn(async move { (ask.clone(), insist(&lanes, ask).await) })
        })
        .collect();
    let (mut new, mut repeated, mut refused, mut told) = (0, 0, 0, Vec::new());
    for asked in within("all are told", futures::future::join_all(asking)).await {
        let (ask, verdict) = asked.unwrap();
        match verdict {
            Verdict::Issued { held, remaining } => {
                assert_eq!(held.seq + remaining, stock, "what is left is what is left");
                new += 1;
                told.push((ask, held));
            }
            Verdict::AlreadyIssued(held) => {
                repeated += 1;
                told.push((ask, held));
            }
            Verdict::SoldOut { .. } | Verdict::LimitReached(_) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    world.told("summer", &told).await;
    // The same person and key was told the same coupon every time.
    let mut coupons: HashMap<(String, Option<String>), u64> = HashMap::new();
    for (ask, held) in told {
        let wish = (ask.user.to_string(), ask.key.map(|key| key.to_string()));
        assert_eq!(*coupons.entry(wish).or_insert(held.seq), held.seq);
    }
    world.audit("summer", new as u64, limit as usize).await;
    assert_eq!(world.epoch("summer").await, 1);
    (new, repeated, refused)
}

fn people(people: usize) -> Vec<Ask> {
    (0..people).map(|number| person(format!("u-{number}"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_people_and_a_thousand_coupons() {
    assert_eq!(rush(1_000, 1, people(10_000)).await, (1_000, 0, 9_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_people_as_coupons() {
    assert_eq!(rush(100, 1, people(100)).await, (100, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_people_and_ten_coupons() {
    assert_eq!(rush(10, 1, people(30)).await, (10, 0, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_people_than_coupons_each_asking_three_times() {
    let asks = people(200).into_iter().cycle().take(600).collect();
    assert_eq!(rush(500, 1, asks).await, (200, 400, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_coupons_a_person_each_wish_repeated() {
    for limit in [2, 3] {
        // Each has one wish more than allowed, and repeats every wish.
        let wishes = |people: usize| -> Vec<Ask> {
            let each =
                |number: usize| (0..=limit).map(move |key| wish(format!("u-{number}"), format!("k-{key}")));
            let all: Vec<Ask> = (0..people).flat_map(each).collect();
            all.iter().chain(&all).cloned().collect()
        };
        let people = 100;
        let coupons = people * limit as usize;
        let (new, repeated, refused) = rush(1_000, limit, wishes(people)).await;
        assert_eq!((new, repeated, refused), (coupons, coupons, 2 * people), "limit {limit}");
        let (new, ..) = rush(150, limit, wishes(people)).await;
        assert_eq!(new, 150, "limit {limit}, and not enough for all");
    }
}
