//! Many wait for a position while another process is the one that reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use firstcome_shared::clock::SystemClock;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Projection};
use firstcome_testkit::shared;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{MongoReadModel, open};
use crate::Query;
use crate::read_model::contract::claim;
use crate::testing::History;

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_wait_ask_the_store_as_often_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(&folder.path().join("log.db"), Arc::new(SystemClock)).await.unwrap();
    let mut history = History::of(&log);
    history.create("summer", 9);
    let url = shared::mongo_database().await;
    let (model, reader) = (Arc::new(open(&url).await), open(&url).await);
    let claim = Claim { log: log.identity().to_owned(), ..claim(&reader).await };
    // It counts calls.
    model.writer.hook.set(|_| Box::pin(async { Ok(()) }));
    let looks = || model.writer.hook.calls.load(Ordering::SeqCst);
    let store = Arc::<MongoReadModel>::clone(&model);
    let query = Query::new(Arc::new(log), store, Arc::new(SystemClock), CancellationToken::new());
    let query = Arc::new(query.with_patience(DEADLINE));
    let began = Instant::now();
    let waiting = [(); 1_000].map(|()| {
        let query = Arc::clone(&query);
        tokio::spawn(async move { query.reached(Some(Position::new(0, 1))).await.is_ok() })
    });
    while looks() < 3 {
        assert!(began.elapsed() < DEADLINE, "{} looks", looks());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(waiting.iter().all(|waiter| !waiter.is_finished()), "nobody has read it yet");
    reader.apply(&claim, 0, &history.deliveries, 1).await.unwrap();
    for waiter in waiting {
        assert!(waiter.await.unwrap(), "it is reached");
    }
    let quarters = usize::try_from(began.elapsed().as_millis() / 250).unwrap();
    assert!(looks() <= quarters + 1, "{} looks in {quarters} quarters of a second", looks());
}
