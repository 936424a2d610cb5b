//! The server dies, stops or vanishes in the middle of a batch: afterwards the batch is there with its checkpoint, or
//! neither is, and nobody has waited beyond the deadline.

use firstcome_shared::clock::SystemClock;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::projection::{Progress, Reader};
use firstcome_testkit::{Postgres, Proxy};
use tokio_util::sync::CancellationToken;

use super::*;

/// What a batch waits for while the test holds it.
const HOLD: &str = "SELECT pg_advisory_lock(1)";
const LET_GO: &str = "SELECT pg_advisory_unlock(1)";

/// Makes every batch wait for the test: as its last statement, or in its commit.
async fn hold_up(conn: &mut PgConnection, in_commit: bool) {
    conn.execute(
        "CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$",
    )
    .await
    .unwrap();
    let trigger = if in_commit {
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON chain DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION wait_for_test()"
    } else {
        "CREATE TRIGGER wait AFTER INSERT OR UPDATE ON chain FOR EACH ROW EXECUTE FUNCTION wait_for_test()"
    };
    conn.execute(trigger).await.unwrap();
    conn.execute(HOLD).await.unwrap();
}

/// Waits until a batch stands at the trigger.
async fn until_held(conn: &mut PgConnection) {
    let begun = Instant::now();
    let held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'";
    while number(conn, held).await == 0 {
        assert!(begun.elapsed() < DEADLINE, "no batch came to the trigger");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_doubt_is_applied_once() {
    let server = Postgres::start().await;
    let proxy = Proxy::to(&server.addr()).await;
    let url = server.url().replace(&server.addr(), &proxy.addr());
    let ledger = PostgresLedger::open(&url, 1).await.unwrap();
    let mut beside = connect(&server.url()).await;
    hold_up(&mut beside, true).await;
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    let batch = opening(&mut story);

    let (outcome, ()) = tokio::join!(ledger.apply(&claim, 0, &batch, 2), async {
        until_held(&mut beside).await;
        proxy.cut().await;
    });
    assert_unavailable(&outcome);
    assert_eq!(number(&mut beside, "SELECT count(*) FROM coupon").await, 0, "not yet");
    proxy.heal().await;
    // Who looks before the commit comes through sees the old checkpoint, and is refused with what he makes of it.
    assert_eq!(sequence(&ledger).await, 0);
    let (outcome, ()) = tokio::join!(ledger.apply(&claim, 0, &batch, 2), async {
        // The first for the test, the second for the first.
        until_waiting(&mut beside, 2).await;
        beside.execute(LET_GO).await.unwrap();
    });
    assert_stale(&outcome);
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (2, 2));
    let next = [story.tell("summer", issued("summer", 3, &["cid"]))];
    ledger.apply(&claim, 2, &next, 3).await.unwrap();
    assert_eq!(count(&ledger).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reader_gets_over_a_commit_in_doubt() {
    let server = Postgres::start().await;
    let proxy = Proxy::to(&server.addr()).await;
    let url = server.url().replace(&server.addr(), &proxy.addr());
    let ledger = Arc::new(PostgresLedger::open(&url, 1).await.unwrap());
    let mut beside = connect(&server.url()).await;
    hold_up(&mut beside, true).await;

    let folder = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(&folder.path().join("log.db"), Arc::new(SystemClock)).await.unwrap();
    let mut story = Story::default();
    log.identity().clone_into(&mut story.log);
    for delivery in opening(&mut story) {
        let message = &delivery.message;
        log.append(&delivery.subject, message.prev, message.encode()).await.unwrap();
    }
    let progress = Arc::new(Progress::new("ledger", 1));
    let stop = CancellationToken::new();
    let reader = Reader {
        log: Arc::new(log),
        projection: Arc::<PostgresLedger>::clone(&ledger),
        clock: Arc::new(SystemClock),
        progress: Arc::clone(&progress),
        partition: 0,
    };
    let reader = tokio::spawn(reader.run(stop.clone()));
    until_held(&mut beside).await;
    proxy.cut().await;
    beside.execute(LET_GO).await.unwrap();
    until("noticed", async || progress.stalled().is_some()).await;
    proxy.heal().await;
    tokio::time::timeout(DEADLINE, progress.wait_for(Position::new(0, 2))).await.unwrap();
    until("well again", async || progress.stalled().is_none()).await;
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (2, 2));
    assert_eq!(number(&mut beside, "SELECT count(*) FROM audit").await, 1);
    stop.cancel();
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_batch_has_nothing_of_it() {
    let server = Postgres::start().await;
    let ledger = PostgresLedger::open(&server.url(), 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    ledger.apply(&claim, 0, &opening(&mut story), 2).await.unwrap();
    // A claim waits for the disk, and so for everything before it.
    assert_eq!(take(&ledger, "a", TTL_MS - 1).await, Some(1));
    let mut beside = connect(&server.url()).await;
    hold_up(&mut beside, false).await;
    let next = [
        story.tell("summer", issued("summer", 3, &["cid"])),
        story.tell("summer", Event::CampaignPaused { actor: ACTOR.to_owned() }),
    ];
    let (outcome, ()) = tokio::join!(ledger.apply(&claim, 2, &next, 4), async {
        until_held(&mut beside).await;
        server.kill().await;
    });
    assert_unavailable(&outcome);
    assert_unavailable(&ledger.apply(&claim, 2, &next, 4).await);
    server.restart().await;

    until("back", async || ledger.checkpoint(0).await.is_ok()).await;
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (2, 2));
    let mut beside = connect(&server.url()).await;
    assert_eq!(number(&mut beside, "SELECT count(*) FROM audit").await, 1);
    ledger.apply(&claim, 2, &next, 4).await.unwrap();
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (4, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_takes_batches_back_only_with_their_checkpoint() {
    let server = Postgres::start().await;
    let ledger = PostgresLedger::open(&server.url(), 1).await.unwrap();
    for round in 0..3 {
        let now = i64::from(round) * TTL_MS;
        let claim = held(take(&ledger, "a", now).await.unwrap());
        let from = sequence(&ledger).await;
        // The log is read again from the beginning, as far as the ledger has it.
        let mut story = Story::default();
        let mut told = vec![story.tell("summer", created("summer", 1_000_000))];
        told.extend((1..=from.saturating_sub(1)).map(|seq| one_coupon(&mut story, seq)));
        let mut at = from;
        if at == 0 {
            ledger.apply(&claim, 0, &told, 1).await.unwrap();
            at = 1;
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            let next = [one_coupon(&mut story, at)];
            ledger.apply(&claim, at, &next, at + 1).await.unwrap();
            at += 1;
        }
        server.kill().await;
        server.restart().await;
        until("back", async || ledger.checkpoint(0).await.is_ok()).await;
        let kept = sequence(&ledger).await;
        assert!(from <= kept && kept <= at, "{from} <= {kept} <= {at}");
        assert_eq!(count(&ledger).await, kept.saturating_sub(1), "of {at} were {kept} kept");
    }
}

/// The message that stands behind `seq` others.
fn one_coupon(story: &mut Story, seq: u64) -> Delivery {
    story.tell("summer", issued("summer", seq, &[&format!("user-{seq}")]))
}

/// How long at most anybody may have waited for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(15);

async fn nobody_waits_for(ledger: &PostgresLedger, claim: &Claim, next: &[Delivery]) {
    let begun = Instant::now();
    let to = next.last().unwrap().position.sequence;
    let (summer, range) = (id("summer"), Range::default());
    let (applied, checkpoint, parked, taken, sum, audit) = tokio::join!(
        ledger.apply(claim, 2, next, to),
        ledger.checkpoint(0),
        ledger.parked(0),
        ledger.claim(0, "a", Millis(0), TTL_MS),
        ledger.fingerprint(&summer, &range),
        ledger.audit(None, None, 5),
    );
    assert_unavailable(&applied);
    let answers = [checkpoint.is_ok(), parked.is_ok(), taken.is_ok(), sum.is_ok(), audit.is_ok()];
    assert_eq!(answers, [false; 5]);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_is_unavailable_within_the_deadline() {
    let server = Postgres::start().await;
    let ledger = PostgresLedger::open(&server.url(), 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    ledger.apply(&claim, 0, &opening(&mut story), 2).await.unwrap();
    assert_eq!(count(&ledger).await, 2);
    let mut beside = connect(&server.url()).await;
    hold_up(&mut beside, false).await;
    let next = [story.tell("summer", issued("summer", 3, &["cid"]))];
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(ledger.apply(&claim, 2, &next, 3), async {
        until_held(&mut beside).await;
        server.pause();
    });
    assert_unavailable(&outcome);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    nobody_waits_for(&ledger, &claim, &next).await;
    server.resume();
    beside.execute(LET_GO).await.unwrap();
    // Whatever of it came through before the stop: the batch is there once in the end.
    until("applied", async || {
        let at = ledger.checkpoint(0).await.map(|checkpoint| checkpoint.unwrap().sequence);
        match at {
            Ok(3) => true,
            Ok(at) => ledger.apply(&claim, at, &next, 3).await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_is_unavailable_within_the_deadline() {
    let server = Postgres::start().await;
    let proxy = Proxy::to(&server.addr()).await;
    let url = server.url().replace(&server.addr(), &proxy.addr());
    let ledger = PostgresLedger::open(&url, 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    ledger.apply(&claim, 0, &opening(&mut story), 2).await.unwrap();
    assert_eq!(count(&ledger).await, 2);
    let mut beside = connect(&server.url()).await;
    hold_up(&mut beside, false).await;
    let next = [story.tell("summer", issued("summer", 3, &["cid"]))];
    // In the middle of a batch, which has locked the checkpoint.
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(ledger.apply(&claim, 2, &next, 3), async {
        until_held(&mut beside).await;
        proxy.stall();
        beside.execute(LET_GO).await.unwrap();
    });
    assert_unavailable(&outcome);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    nobody_waits_for(&ledger, &claim, &next).await;
    // Another instance, to which the network is well, goes on as soon as the server has let go of the lost transaction.
    let other = PostgresLedger::open(&server.url(), 1).await.unwrap();
    until("taken over", async || matches!(other.claim(0, "b", Millis(TTL_MS), TTL_MS).await, Ok(Some(2))))
        .await;
    other.apply(&held(2), 2, &next, 3).await.unwrap();
    proxy.heal().await;
    until("well again", async || ledger.checkpoint(0).await.is_ok()).await;
    assert_stale(&ledger.apply(&claim, 3, &[], 4).await);
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_may_be_opened_before_its_server_is() {
    let server = Postgres::start().await;
    server.kill().await;
    let ledger = PostgresLedger::lazy(&server.url(), 1).unwrap();
    let begun = Instant::now();
    assert!(ledger.checkpoint(0).await.is_err());
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    server.restart().await;
    until("there", async || ledger.checkpoint(0).await.is_ok()).await;
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    ledger.apply(&claim, 0, &opening(&mut Story::default()), 2).await.unwrap();
    assert_eq!(count(&ledger).await, 2);
}
