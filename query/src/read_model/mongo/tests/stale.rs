//! A writer stands still in front of any of its calls, somebody else takes over, and then it goes on: it changes nothing
//! that the new one does not find or write just the same (ARCHITECTURE J2).

use std::sync::Arc;

use firstcome_shared::projection::{ApplyError, Projection, Remedy, Replayed};
use firstcome_testkit::shared;

use super::{BASE, applied_to_the_end, begun, clean, history, open};
use crate::read_model::contract::{dump, letter, taken_over};

const MANY: usize = 40;

/// So many messages at the end of the history are not in the old one's batch: what it writes too late would be older
/// than what is there.
const NEWER: usize = 4;

/// How far the new one comes while the old one stands still.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    TakesOver,
    AppliesSome,
    AppliesAll,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_in_the_middle_of_a_batch_changes_nothing() {
    let history = Arc::new(history());
    let expected = clean(&history).await;
    for meanwhile in [Meanwhile::TakesOver, Meanwhile::AppliesSome, Meanwhile::AppliesAll] {
        for n in 0..MANY {
            let url = shared::mongo_database().await;
            let (old, claim) = begun(&url, &history).await;
            let new = Arc::new(open(&url).await);
            let (taker, messages) = (Arc::clone(&new), Arc::clone(&history));
            old.writer.hook.set(move |call| {
                let (taker, messages) = (Arc::clone(&taker), Arc::clone(&messages));
                Box::pin(async move {
                    if call == n {
                        let claim = taken_over(&*taker).await;
                        match meanwhile {
                            Meanwhile::TakesOver => {}
                            Meanwhile::AppliesSome => {
                                let some = &messages.since(BASE)[..3];
                                taker.apply(&claim, BASE, some, BASE + 3).await.unwrap();
                            }
                            Meanwhile::AppliesAll => applied_to_the_end(&taker, &claim, &messages, 2).await,
                        }
                    }
                    Ok(())
                })
            });
            let batch = &history.since(BASE)[..history.since(BASE).len() - NEWER];
            let to = batch.last().unwrap().position.sequence;
            let late = old.apply(&claim, BASE, batch, to).await;
            if late.is_ok() {
                assert!(n >= 8, "a batch makes more than {n} calls");
                break;
            }
            assert!(matches!(late, Err(ApplyError::Stale)), "{meanwhile:?} {n}: {late:?}");
            let token = taken_over(&*new).await;
            applied_to_the_end(&new, &token, &history, 4).await;
            assert_eq!(dump(&*new).await, expected, "{meanwhile:?} in front of call {n}");
        }
    }
}

/// What is parked is written over, so a wish that comes after it was read ends the step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_comes_while_a_campaign_is_parked_again_is_kept() {
    let history = history();
    let url = shared::mongo_database().await;
    let (model, claim) = begun(&url, &history).await;
    let operator = Arc::new(open(&url).await);
    let bad = letter(&history.since(BASE)[0], "why");
    model.park(&claim, BASE, &bad, BASE + 1).await.unwrap();
    for before in [None, Some(Remedy::Replay)] {
        if let Some(remedy) = before {
            assert!(operator.request(bad.position, remedy).await.unwrap());
        }
        let (asker, position) = (Arc::clone(&operator), bad.position);
        model.writer.hook.set(move |call| {
            let asker = Arc::clone(&asker);
            Box::pin(async move {
                if call == 1 {
                    assert!(asker.request(position, Remedy::Discard).await.unwrap());
                }
                Ok(())
            })
        });
        let late = model.repark(&claim, &bad).await;
        assert!(matches!(late, Err(ApplyError::Stale)), "{late:?}");
        assert_eq!(operator.parked(0).await.unwrap()[0].remedy, Some(Remedy::Discard));
        model.writer.hook.take_off();
        model.repark(&claim, &bad).await.unwrap();
        assert_eq!(operator.parked(0).await.unwrap()[0].remedy, Some(Remedy::Discard));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_parks_and_unparks_nothing() {
    let history = Arc::new(history());
    for n in 0..MANY {
        let url = shared::mongo_database().await;
        let (old, claim) = begun(&url, &history).await;
        let new = Arc::new(open(&url).await);
        let taker = Arc::clone(&new);
        old.writer.hook.set(move |call| {
            let taker = Arc::clone(&taker);
            Box::pin(async move {
                if call == n {
                    taken_over(&*taker).await;
                }
                Ok(())
            })
        });
        let bad = letter(&history.since(BASE)[0], "why");
        let late = old.park(&claim, BASE, &bad, BASE + 1).await;
        if late.is_ok() {
            assert!(n >= 2, "parking makes more than {n} calls");
            // Now it is parked, and the old one is as late with unparking.
            let token = taken_over(&*new).await;
            let (campaign, at) = (&bad.campaign, BASE + 1);
            let step = Replayed { campaign, at, skipped: None, deliveries: &[], rest: None };
            assert!(matches!(old.replayed(&claim, &step).await, Err(ApplyError::Stale)));
            assert!(matches!(old.repark(&claim, &bad).await, Err(ApplyError::Stale)));
            assert_eq!(new.parked(0).await.unwrap().len(), 1);
            new.replayed(&token, &step).await.unwrap();
            assert_eq!(new.parked(0).await.unwrap(), []);
            return;
        }
        assert!(matches!(late, Err(ApplyError::Stale)), "{n}: {late:?}");
        assert_eq!(new.parked(0).await.unwrap(), []);
        assert_eq!(new.checkpoint(0).await.unwrap().unwrap().sequence, BASE);
    }
    panic!("parking takes {MANY} calls");
}
