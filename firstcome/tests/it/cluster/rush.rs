//! A rush with a fault in its middle, and everything that must hold when it is over. The seed says how far the rush has
//! come when the fault strikes; `FIRSTCOME_FAULT_SEEDS` gives others than the usual three.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::stack::Stack;
use crate::rig::{
    Api, PATIENCE, System as _, Told, ask_all, assert_exact, coupons, eventually, gather, people,
};

/// Coupons of a rush.
pub const STOCK: u32 = 1_200;
const PEOPLE: u32 = 1_600;
const AT_ONCE: usize = 64;

/// Seeds separated by commas.
const SEEDS: &str = "FIRSTCOME_FAULT_SEEDS";

/// The seeds of this run.
fn seeds() -> Vec<u32> {
    let given = std::env::var(SEEDS).unwrap_or_else(|_| "1,2,3".to_owned());
    given
        .split(',')
        .map(|seed| seed.trim().parse().unwrap_or_else(|_| panic!("{SEEDS}: {given:?}")))
        .collect()
}

/// A rush for each seed on one stack; in the middle of each the fault, which mends itself before it returns.
pub async fn survives(what: &str, fault: impl AsyncFn(&mut Stack, &str)) {
    let mut stack = Stack::start().await;
    for seed in seeds() {
        let recovered = rush(&mut stack, seed, &fault).await;
        println!("{what}, seed {seed}: answers again {} ms after it was mended", recovered.as_millis());
    }
}

/// One rush. Returns how long after the fault was mended the next clear answer came.
async fn rush(stack: &mut Stack, seed: u32, fault: &impl AsyncFn(&mut Stack, &str)) -> Duration {
    let campaign = format!("rush-{seed}");
    stack.api().create(&campaign, STOCK.into()).await;
    let crowd = people(&campaign, PEOPLE);
    let answered = Arc::new(AtomicUsize::new(0));
    let rushing = {
        let (api, campaign, crowd) = (stack.api().clone(), campaign.clone(), crowd.clone());
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            gather(AT_ONCE, crowd.iter().map(|user| stubborn(&api, &campaign, user, &answered)).collect())
                .await
        })
    };
    // A golden step through the rush: near its beginning, its middle, its end, and never twice the same.
    let enough = (seed as usize * 618) % (STOCK as usize - AT_ONCE) + 1;
    eventually("the rush is under way", async || (answered.load(Ordering::Relaxed) >= enough).then_some(()))
        .await;

    fault(stack, &campaign).await;
    let (mended, before) = (Instant::now(), answered.load(Ordering::Relaxed));
    eventually("somebody is answered again", async || {
        (rushing.is_finished() || answered.load(Ordering::Relaxed) > before).then_some(())
    })
    .await;
    let recovered = mended.elapsed();

    let told = rushing.await.unwrap();
    let sold = coupons(&told);
    assert_eq!(sold.len(), STOCK as usize, "exactly the stock, whatever happened (P1)");
    let refused = told.iter().filter(|told| **told == Told::No("sold_out".to_owned())).count();
    assert_eq!(refused, (PEOPLE - STOCK) as usize);
    // What was said stays said: also to those who were told before it happened (P2, P4).
    for (before, now) in told.iter().zip(ask_all(stack.api(), &campaign, &crowd).await) {
        match before.coupon() {
            Some(coupon) => assert_eq!(now.already(), *coupon),
            None => assert_eq!(&now, before),
        }
    }
    assert_exact(stack, &campaign, STOCK.into(), &sold).await;
    recovered
}

/// Asks until the answer is clear, and then once more whoever was issued: the answer must not have changed.
async fn stubborn(api: &Api, campaign: &str, user: &str, answered: &AtomicUsize) -> Told {
    let until = Instant::now() + PATIENCE;
    loop {
        let told = api.ask(campaign, user).await;
        if told.is_clear() {
            answered.fetch_add(1, Ordering::Relaxed);
            return told;
        }
        assert!(Instant::now() < until, "{user} got no clear answer within {PATIENCE:?}: {told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
