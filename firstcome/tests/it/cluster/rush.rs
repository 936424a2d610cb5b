//! A rush with a fault in its middle, and everything that must hold when it is over. The seed says how far the rush has
//! come when the fault strikes; `FIRSTCOME_FAULT_SEEDS` gives others than the usual three.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::stack::Stack;
use crate::rig::{
    Api, Coupon, PATIENCE, System as _, Told, ask_all, assert_exact, coupons, eventually, gather, people,
};

/// Coupons of a rush.
pub const STOCK: u32 = 1_200;
const PEOPLE: u32 = 1_600;
const AT_ONCE: usize = 64;
/// People who ask once more in the middle of the fault.
const ASK_AGAIN: usize = 100;

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
    let clear: Answers = Arc::default();
    let answered = || clear.lock().unwrap().len();
    let rushing = {
        let (api, campaign, crowd) = (stack.api().clone(), campaign.clone(), crowd.clone());
        let clear = Arc::clone(&clear);
        tokio::spawn(async move {
            gather(AT_ONCE, crowd.iter().map(|user| stubborn(&api, &campaign, user, &clear)).collect()).await
        })
    };
    // A golden step through the rush: near its beginning, its middle, its end, and never twice the same.
    let enough = (seed as usize * 618) % (STOCK as usize - AT_ONCE) + 1;
    eventually("the rush is under way", async || (answered() >= enough).then_some(())).await;

    // Who was told before it happened asks once more in the middle of it.
    let told: Vec<_> = coupons(&*clear.lock().unwrap()).into_iter().rev().take(ASK_AGAIN).collect();
    let asking = tokio::spawn(ask_once_more(stack.api().clone(), campaign.clone(), told));
    fault(stack, &campaign).await;
    let (mended, before) = (Instant::now(), answered());
    eventually("somebody is answered again", async || {
        (rushing.is_finished() || answered() > before).then_some(())
    })
    .await;
    let recovered = mended.elapsed();

    asking.await.unwrap();
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

/// The clear answers so far.
type Answers = Arc<Mutex<Vec<Told>>>;

/// Asks until the answer is clear.
async fn stubborn(api: &Api, campaign: &str, user: &str, clear: &Answers) -> Told {
    let until = Instant::now() + PATIENCE;
    loop {
        let told = api.ask(campaign, user).await;
        if told.is_clear() {
            clear.lock().unwrap().push(told.clone());
            return told;
        }
        assert!(Instant::now() < until, "{user} got no clear answer within {PATIENCE:?}: {told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// These people were told of these coupons, and ask again until the answer is clear: it must not have changed (P4).
async fn ask_once_more(api: Api, campaign: String, told: Vec<Coupon>) {
    let again = Answers::default();
    let asking = told.iter().map(|coupon| stubborn(&api, &campaign, &coupon.user, &again)).collect();
    for (coupon, again) in told.iter().zip(gather(AT_ONCE / 4, asking).await) {
        assert_eq!(again.already(), *coupon);
    }
}
