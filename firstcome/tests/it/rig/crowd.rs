//! Many people at once.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::{Api, Coupon, PATIENCE, Told};

/// So many names.
pub fn people(crowd: &str, count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("{crowd}-{number}")).collect()
}

/// Has all of `work` done, at most `at_once` at the same time; the results in the order of `work`.
pub async fn gather<F: Future>(at_once: usize, work: Vec<F>) -> Vec<F::Output> {
    let places = Semaphore::new(at_once);
    let work: Vec<_> = work.into_iter().map(|work| in_turn(&places, work)).collect();
    join_all(work).await
}

async fn in_turn<F: Future>(places: &Semaphore, work: F) -> F::Output {
    let _place = places.acquire().await.unwrap();
    work.await
}

/// Everybody asks once, `at_once` at the same time, each on a connection.
pub async fn crowd(api: &Api, campaign: &str, people: &[String], at_once: usize) -> Vec<Told> {
    gather(at_once, people.iter().map(|user| api.ask(campaign, user)).collect()).await
}

/// Everybody asks, 128 at the same time, until there is a clear answer.
pub async fn ask_all(api: &Api, campaign: &str, people: &[String]) -> Vec<Told> {
    gather(128, people.iter().map(|user| ask_until_clear(api, campaign, user, None)).collect()).await
}

/// Asks until the answer is clear, as a backend team is told to.
pub async fn ask_until_clear(api: &Api, campaign: &str, user: &str, key: Option<&str>) -> Told {
    let until = Instant::now() + PATIENCE;
    loop {
        let told = api.ask_with(campaign, user, key).await;
        if told.is_clear() {
            return told;
        }
        assert!(Instant::now() < until, "{user} got no clear answer within {PATIENCE:?}: {told:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The coupons among the answers, each once, by sequence number.
pub fn coupons<'a>(told: impl IntoIterator<Item = &'a Told>) -> Vec<Coupon> {
    let mut coupons: Vec<_> = told.into_iter().filter_map(Told::coupon).cloned().collect();
    coupons.sort();
    coupons.dedup();
    coupons
}
