//! A server that dies in the middle of a batch, one that stands still, one that is not there, and two instances that
//! meet at a new one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::projection::{ApplyError, Projection};
use firstcome_testkit::{Mongo, shared};
use futures::TryStreamExt;
use mongodb::bson::Document;

use super::{MongoReadModel, applied_to_the_end, asked, open};
use crate::read_model::ReadModel;
use crate::read_model::contract::{claim, dump, taken_over};
use crate::testing::{History, id};

fn database(server: &Mongo, name: &str) -> String {
    format!("{}/{name}", server.url().trim_end_matches('/'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_in_the_middle_of_a_batch_costs_nothing() {
    let mut history = History::new();
    for campaign in ["autumn", "summer", "winter"] {
        history.create(campaign, 900);
        asked(&mut history, campaign, 1, 500);
        asked(&mut history, campaign, 501, 900);
    }
    let server = Arc::new(Mongo::start().await);
    let model = open(&database(&server, "clean")).await;
    let first = claim(&model).await;
    model.apply(&first, 0, &history.deliveries, history.end()).await.unwrap();
    let expected = dump(&model).await;
    assert_eq!(expected.coupons.len(), 2_700);
    // Calls of such a batch: 0 the checkpoint, 1 and 2 views, 3 to 5 codes, 6 to 8 coupons, then what counts them.
    for n in [7, 9] {
        let url = database(&server, &format!("killed{n}"));
        let model = open(&url).await;
        let first = claim(&model).await;
        let victim = Arc::clone(&server);
        model.writer.hook.set(move |call| {
            let victim = Arc::clone(&victim);
            Box::pin(async move {
                if call == n {
                    // Not waited for: the call is on its way when the server dies.
                    tokio::spawn(async move { victim.kill().await });
                }
                Ok(())
            })
        });
        let cut = model.apply(&first, 0, &history.deliveries, history.end()).await;
        assert!(matches!(cut, Err(ApplyError::Unavailable(_)) | Ok(())), "{cut:?}");
        server.restart().await;
        let next = open(&url).await;
        let token = taken_over(&next).await;
        applied_to_the_end(&next, &token, &history, 5).await;
        assert_eq!(dump(&next).await, expected, "killed at call {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_away_within_the_deadline_and_comes_back() {
    let mut history = History::new();
    history.create("summer", 9);
    let server = Mongo::start().await;
    let model = open(&database(&server, "paused")).await;
    let claim = claim(&model).await;
    model.apply(&claim, 0, &history.deliveries, 1).await.unwrap();
    history.ask("summer", &["a"]);
    server.pause();
    let began = Instant::now();
    let summer = id("summer");
    let (read, written) = tokio::join!(model.campaign(&summer), model.apply(&claim, 1, history.since(1), 2));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(read.is_err(), "{read:?}");
    assert!(matches!(written, Err(ApplyError::Unavailable(_))), "{written:?}");
    server.resume();
    until_it_is_back(&model).await;
    let issued = model.campaign(&summer).await.unwrap().unwrap().totals.issued;
    assert_eq!(issued, 0, "what was asked in vain has changed nothing");
    model.apply(&claim, 1, history.since(1), 2).await.unwrap();
    assert_eq!(model.campaign(&summer).await.unwrap().unwrap().totals.issued, 1);
}

async fn until_it_is_back(model: &MongoReadModel) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while model.campaigns(None, 1).await.is_err() || model.checkpoint(0).await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_keeps_nobody_from_opening() {
    let model = open("mongodb://127.0.0.1:1/nowhere").await;
    let began = Instant::now();
    assert!(model.campaigns(None, 1).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let nameless = MongoReadModel::open_writer("mongodb://user:secret@127.0.0.1:1").await;
    assert!(nameless.unwrap_err().to_string().contains("names no database"));
    assert!(!format!("{model:?}").contains("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_meet_at_a_new_database_share_it() {
    let url = shared::mongo_database().await;
    let (one, other) = tokio::join!(open(&url), open(&url));
    let now = firstcome_shared::clock::Millis(0);
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut tokens = [None, None];
    // Away or beaten at the first try: a reader tries again, too.
    while tokens[0].is_none() || tokens[1].is_none() {
        assert!(Instant::now() < deadline, "{tokens:?}");
        let (zero, first) =
            tokio::join!(one.claim(0, "one", now, 9_000), other.claim(1, "other", now, 9_000));
        tokens = [zero.ok().flatten(), first.ok().flatten()];
    }
    assert_eq!(tokens, [Some(1), Some(1)]);
    assert_eq!(one.claim(1, "one", now, 9_000).await.unwrap(), None, "it is the other's");
    for (collection, indexes) in super::super::documents::indexes() {
        let listed = one.writer.collection::<Document>(collection).list_indexes().await.unwrap();
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        let names: Vec<String> =
            listed.into_iter().filter_map(|index| index.options.and_then(|options| options.name)).collect();
        for index in indexes {
            let name = index.get_str("name").unwrap();
            assert_eq!(names.iter().filter(|each| *each == name).count(), 1, "{names:?}");
        }
    }
}
