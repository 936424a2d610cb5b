//! The contract, and what only this adapter can get wrong: batches that end half-way, writers that come late, and a
//! server that dies or stands still.

mod crash;
mod outage;
mod refusal;
mod stale;
mod waiting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use firstcome_shared::projection::{Claim, Projection, StoreUnavailable};
use firstcome_testkit::shared;
use futures::future::BoxFuture;

use super::{MongoReadModel, away};
use crate::read_model::ReadModel;
use crate::read_model::contract::{Dump, Place, claim, dump, read_model_contract};
use crate::testing::{History, LOG};

/// What a test does in front of the n-th call from now on.
type Action = Arc<dyn Fn(usize) -> BoxFuture<'static, Result<(), StoreUnavailable>> + Send + Sync>;

/// Stands in front of every call to the server.
#[derive(Default)]
pub(super) struct Hook {
    calls: AtomicUsize,
    action: Mutex<Option<Action>>,
    /// Most documents that a call brings within its deadline.
    slow: Mutex<Option<usize>>,
}

impl Hook {
    pub(super) async fn pass(&self) -> Result<(), StoreUnavailable> {
        let action = self.action.lock().unwrap().clone();
        match action {
            Some(action) => action(self.calls.fetch_add(1, Ordering::SeqCst)).await,
            None => Ok(()),
        }
    }

    pub(super) fn found(&self, documents: usize) -> Result<(), StoreUnavailable> {
        match *self.slow.lock().unwrap() {
            Some(most) if documents > most => Err(away(&"no answer in time")),
            _ => Ok(()),
        }
    }

    fn set(
        &self,
        action: impl Fn(usize) -> BoxFuture<'static, Result<(), StoreUnavailable>> + Send + Sync + 'static,
    ) {
        self.calls.store(0, Ordering::SeqCst);
        *self.action.lock().unwrap() = Some(Arc::new(action));
    }

    fn take_off(&self) {
        *self.action.lock().unwrap() = None;
    }

    /// From the n-th call on nothing reaches the server any more.
    fn cut_at(&self, n: usize) {
        self.set(move |call| {
            let answer = if call < n { Ok(()) } else { Err(away(&"cut off")) };
            Box::pin(async move { answer })
        });
    }
}

struct Named(String);

#[async_trait]
impl Place for Named {
    async fn open(&self) -> Arc<dyn ReadModel> {
        Arc::new(open(&self.0).await)
    }
}

async fn place() -> Named {
    Named(shared::mongo_database().await)
}

read_model_contract!(place);

async fn open(url: &str) -> MongoReadModel {
    MongoReadModel::open_writer(url).await.unwrap().with_readers(4).await.unwrap()
}

fn people(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| format!("u-{number}")).collect()
}

fn asked(history: &mut History, campaign: &str, from: usize, to: usize) {
    let people = people(from, to);
    history.ask(campaign, &people.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Messages that a first batch applies; the rest is what a test disturbs.
const BASE: u64 = 4;

/// Documents of every kind, new ones and changed ones, in the rest as well.
fn history() -> History {
    let mut history = History::new();
    history.create("summer", 90).create("winter", 90);
    asked(&mut history, "summer", 1, 3);
    asked(&mut history, "winter", 1, 2);
    assert_eq!(history.end(), BASE);
    asked(&mut history, "summer", 4, 9);
    history.after(1_500).create("autumn", 5).fence("winter");
    asked(&mut history, "winter", 3, 7);
    asked(&mut history, "autumn", 1, 9);
    history.acted("summer").after(300);
    asked(&mut history, "summer", 10, 12);
    // Every document above once more, in the same second.
    asked(&mut history, "winter", 8, 9);
    asked(&mut history, "summer", 13, 14);
    history.stock("autumn", 7);
    asked(&mut history, "autumn", 10, 12);
    history
}

/// A model that has applied the history up to `BASE`, and its claim.
async fn begun(url: &str, history: &History) -> (MongoReadModel, Claim) {
    let model = open(url).await;
    let claim = claim(&model).await;
    let base = usize::try_from(BASE).unwrap();
    model.apply(&claim, 0, &history.deliveries[..base], BASE).await.unwrap();
    (model, claim)
}

/// Applies what is not applied yet, in batches of that size.
async fn applied_to_the_end(model: &MongoReadModel, claim: &Claim, history: &History, size: usize) {
    let mut from = model.checkpoint(claim.partition).await.unwrap().map_or(0, |stored| stored.sequence);
    for batch in history.since(from).chunks(size) {
        let to = batch.last().unwrap().position.sequence;
        model.apply(claim, from, batch, to).await.unwrap();
        from = to;
    }
}

/// What a run without disturbance holds.
async fn clean(history: &History) -> Dump {
    let model = open(&shared::mongo_database().await).await;
    let claim = claim(&model).await;
    assert_eq!(claim.log, LOG);
    model.apply(&claim, 0, &history.deliveries, history.end()).await.unwrap();
    dump(&model).await
}
