//! Everything at once, drawn from a seed: two instances, appends that go wrong in every way on both, and a gate that
//! forgets twice at any step; and everybody asks until they are told (P1-P4).

use std::collections::BTreeSet;
use std::sync::Arc;

use firstcome_shared::domain::Verdict;

use crate::gate::memory::MemoryGate;
use crate::testing::{Dice, Fault, Steps, World, id, insist, person, within};

const STOCK: u64 = 120;
const PEOPLE: u64 = 200;
const LOSSES: u64 = 2;
const ROUNDS: u64 = 12;
/// Rounds at most: the later a worker comes, the more people one call of a port serves, and the fewer calls a round takes.
const MOST_ROUNDS: u64 = 60;
/// More seeds than a dozen, for a night.
const SEEDS: &str = "FIRSTCOME_TEST_SEEDS";

/// Forgets at the n-th call from now, and then once more, at the m-th from there.
fn forget_twice(steps: &Arc<Steps>, gate: &Arc<MemoryGate>, first: u64, second: u64) {
    let (again, gates) = (Arc::clone(steps), [Arc::clone(gate), Arc::clone(gate)]);
    steps.arm(first, move || {
        let [now, then] = gates;
        now.forget();
        again.arm(second, move || then.forget());
    });
}

async fn rush(seed: u64) {
    use Fault::{InProcess, InProcessAndStored, LostAcknowledgement, LostAppend, None};
    let mut dice = Dice(seed);
    let (world, one, two) = World::with_two(STOCK).await;
    for instance in [&one, &two] {
        let faults = [None, None, None, LostAcknowledgement, LostAppend, InProcess, InProcessAndStored];
        instance.log.plan((0..30).map(|_| faults[usize::try_from(dice.below(7)).unwrap()]));
    }
    forget_twice(&world.steps, &world.gate, 1 + dice.below(60), 1 + dice.below(60));
    let lanes = [one.lane("summer").await, two.lane("summer").await];
    let (mut told, mut users, mut refused) = (Vec::new(), BTreeSet::new(), false);
    for round in 0..MOST_ROUNDS {
        if round >= ROUNDS && !world.steps.pending() {
            break;
        }
        let asking: Vec<_> = (0..PEOPLE / 8)
            .map(|_| {
                let mut lanes = lanes.clone();
                lanes.rotate_left(usize::try_from(dice.below(2)).unwrap());
                let ask = person(format!("u-{}", dice.below(PEOPLE)));
                tokio::spawn(async move { (ask.clone(), insist(&lanes, ask).await) })
            })
            .collect();
        for asked in within("all are told", futures::future::join_all(asking)).await {
            let (ask, verdict) = asked.unwrap();
            users.insert(ask.user.clone());
            match verdict {
                Verdict::Issued { held, .. } | Verdict::AlreadyIssued(held) => told.push((ask, held)),
                Verdict::SoldOut { .. } => refused = true,
                other => panic!("seed {seed}: {other:?}"),
            }
        }
    }
    assert!(!world.steps.pending(), "seed {seed}: the gate was not lost twice");
    world.told("summer", &told).await;
    let issued = STOCK.min(users.len() as u64);
    assert_eq!(refused, users.len() as u64 > STOCK, "seed {seed}: refused only when all is sold");
    one.service.campaign(&id("summer")).await.unwrap();
    world.audit("summer", issued, 1).await;
    let epoch = world.epoch("summer").await;
    assert!(epoch <= 1 + LOSSES, "seed {seed}: {LOSSES} losses and epoch {epoch}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_the_coupons_are_exact() {
    let seeds = std::env::var(SEEDS).map_or(12, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        println!("seed {seed}");
        rush(seed).await;
    }
}
