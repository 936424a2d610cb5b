//! What only PostgreSQL can do to a ledger: several at once, a server that dies, stops or vanishes.

mod faults;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::event::Event;
use firstcome_testkit::shared::postgres_database;
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::*;
use crate::ledger::contract::{ACTOR, Harness, LOG, Story, created, id, issued, ledger_contract};

const DEADLINE: Duration = Duration::from_secs(30);
const TTL_MS: i64 = 10_000;

struct Database {
    url: String,
    ledger: PostgresLedger,
}

async fn open() -> Box<dyn Harness> {
    let url = postgres_database().await;
    let ledger = PostgresLedger::open(&url, 1).await.unwrap();
    Box::new(Database { url, ledger })
}

#[async_trait]
impl Harness for Database {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    async fn reopen(&mut self) {
        self.ledger.close().await;
        self.ledger = PostgresLedger::open(&self.url, 1).await.unwrap();
    }

    async fn by_hand(&self, sql: &'static str) -> u64 {
        connect(&self.url).await.execute(sql).await.unwrap().rows_affected()
    }

    async fn number(&self, sql: &'static str) -> i64 {
        number(&mut connect(&self.url).await, sql).await
    }
}

ledger_contract!(open);

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// The one number that a query gives, whatever its type.
async fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    let sql = format!("SELECT CAST(({sql}) AS bigint)");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(conn).await.unwrap()
}

/// Asks again and again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < DEADLINE, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn take(ledger: &PostgresLedger, holder: &str, now: i64) -> Option<u64> {
    ledger.claim(0, holder, Millis(now), TTL_MS).await.unwrap()
}

fn held(token: u64) -> Claim {
    Claim { partition: 0, token, log: LOG.to_owned() }
}

async fn sequence(ledger: &PostgresLedger) -> u64 {
    ledger.checkpoint(0).await.unwrap().map_or(0, |checkpoint| checkpoint.sequence)
}

async fn count(ledger: &PostgresLedger) -> u64 {
    ledger.fingerprint(&id("summer"), &Range::default()).await.unwrap().count
}

fn assert_stale(outcome: &Result<(), ApplyError>) {
    assert!(matches!(outcome, Err(ApplyError::Stale)), "{outcome:?}");
}

fn assert_unavailable(outcome: &Result<(), ApplyError>) {
    assert!(matches!(outcome, Err(ApplyError::Unavailable(_))), "{outcome:?}");
}

/// Summer's creation and its first two coupons.
fn opening(story: &mut Story) -> [Delivery; 2] {
    [story.tell("summer", created("summer", 10)), story.tell("summer", issued("summer", 1, &["ada", "bob"]))]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_together_migrate_once() {
    let url = postgres_database().await;
    let ledgers = join_all((0..6).map(|_| PostgresLedger::open(&url, 1))).await;
    for ledger in &ledgers {
        assert_eq!(ledger.as_ref().unwrap().checkpoint(0).await.unwrap(), None);
    }
    let mut conn = connect(&url).await;
    assert_eq!(
        number(&mut conn, "SELECT count(*) FROM _sqlx_migrations WHERE success").await,
        i64::try_from(MIGRATIONS.iter().count()).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_who_asks_a_lazy_ledger_makes_its_tables() {
    let ledger = PostgresLedger::lazy(&postgres_database().await, 1).unwrap();
    let (token, parked, count) = tokio::join!(take(&ledger, "a", 0), ledger.parked(0), count(&ledger));
    assert_eq!((token, parked.unwrap().len(), count), (Some(1), 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_one_holders_until_it_ends() {
    let url = postgres_database().await;
    let (one, two) =
        (PostgresLedger::open(&url, 1).await.unwrap(), PostgresLedger::open(&url, 1).await.unwrap());
    assert_eq!(take(&one, "a", 0).await, Some(1));
    assert_eq!(take(&two, "b", TTL_MS - 1).await, None, "it is taken");
    // Renewed early it writes nothing, renewed late it lasts on.
    assert_eq!(take(&one, "a", 1).await, Some(1));
    assert_eq!(take(&two, "b", TTL_MS).await, Some(2), "nobody renewed it in time");
    assert_eq!(take(&one, "a", TTL_MS + 1).await, None);
    assert_eq!(take(&two, "b", 2 * TTL_MS - 1).await, Some(2), "renewed, with the same token");
    assert_eq!(take(&one, "a", 3 * TTL_MS - 2).await, None, "since the renewal");
    assert_eq!(take(&two, "b", 9 * TTL_MS).await, Some(2), "late, but nobody else wanted it");
    assert_eq!(take(&one, "a", 10 * TTL_MS).await, Some(3));

    let mut story = Story::default();
    let batch = opening(&mut story);
    assert_stale(&two.apply(&held(2), 0, &batch, 2).await);
    one.apply(&held(3), 0, &batch, 2).await.unwrap();
    // Partitions are leased one by one.
    assert_eq!(two.claim(1, "b", Millis(0), TTL_MS).await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_take_over_at_once_one_does() {
    let url = postgres_database().await;
    let ledger = PostgresLedger::open(&url, 7).await.unwrap();
    let takers = (0..8).map(|taker| {
        let ledger = &ledger;
        async move { take(ledger, &format!("taker-{taker}"), 0).await }
    });
    let tokens: Vec<u64> = join_all(takers).await.into_iter().flatten().collect();
    assert_eq!(tokens, [1]);
}

/// A batch whose transaction was begun and is not ended.
async fn half_applied<'c>(
    conn: &'c mut PgConnection,
    claim: &Claim,
    deliveries: &[Delivery],
) -> Transaction<'c, Postgres> {
    let mut tx = begin(conn).await.unwrap();
    one(write::advance(&mut tx, claim, 0, 2).await.unwrap()).unwrap();
    write(&mut tx, 0, deliveries).await.unwrap();
    tx
}

/// How many wait for a lock in this database.
async fn waiting(conn: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    number(conn, waiting).await
}

async fn until_waiting(conn: &mut PgConnection, many: i64) {
    let begun = Instant::now();
    while waiting(conn).await < many {
        assert!(begun.elapsed() < DEADLINE, "{many} do not wait for a lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_in_the_middle_of_a_batch_waits_for_its_end() {
    for commits in [true, false] {
        let url = postgres_database().await;
        let ledger = Arc::new(PostgresLedger::open(&url, 1).await.unwrap());
        let (mut first, mut watch) = (connect(&url).await, connect(&url).await);
        let old = held(take(&ledger, "a", 0).await.unwrap());
        let mut story = Story::default();
        let batch = opening(&mut story);
        let tx = half_applied(&mut first, &old, &batch).await;

        let second = Arc::clone(&ledger);
        let second = tokio::spawn(async move { take(&second, "b", TTL_MS).await });
        until_waiting(&mut watch, 1).await;
        assert!(!second.is_finished());
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        let new = held(second.await.unwrap().unwrap());
        assert_eq!(new.token, 2);
        let (at, coupons) = if commits { (2, 2) } else { (0, 0) };
        assert_eq!((sequence(&ledger).await, count(&ledger).await), (at, coupons));
        assert_stale(&ledger.apply(&old, at, &batch, 2).await);
        if !commits {
            ledger.apply(&new, 0, &batch, 2).await.unwrap();
        }
        let next = [story.tell("summer", issued("summer", 3, &["cid"]))];
        ledger.apply(&new, 2, &next, 3).await.unwrap();
        assert_eq!((sequence(&ledger).await, count(&ledger).await), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_with_one_token_one_writes() {
    let url = postgres_database().await;
    let ledger = PostgresLedger::open(&url, 3).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    let batch = opening(&mut story);
    // A batch that its sender gave up and sends again, while the first copy is still at work.
    let outcomes = join_all((0..4).map(|_| ledger.apply(&claim, 0, &batch, 2))).await;
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let stale = outcomes.iter().filter(|outcome| matches!(outcome, Err(ApplyError::Stale))).count();
    assert_eq!((done, stale), (1, 3), "{outcomes:?}");
    assert_eq!((sequence(&ledger).await, count(&ledger).await), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_may_say_anything() {
    let ledger = PostgresLedger::open(&postgres_database().await, 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    let poison = story.tell("summer", created("summer", 10));
    let letter = |position| Parked {
        campaign: id("summer"),
        position,
        reason: "unknown kind \0".to_owned(),
        parked_at: Millis(1),
        attempts: 5,
        payload: "{\0\u{1}\u{fffd}한국어'\"\\".to_owned(),
        remedy: None,
    };
    ledger.park(&claim, 0, &letter(poison.position), 1).await.unwrap();
    ledger.repark(&claim, &letter(Position::new(0, 2))).await.unwrap();
    let parked = ledger.parked(0).await.unwrap().remove(0);
    assert_eq!(parked.reason, "unknown kind ␀");
    assert_eq!(parked.payload, "{␀\u{1}\u{fffd}한국어'\"\\");
    assert_eq!(parked.position, Position::new(0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_postgres_cannot_hold_is_refused() {
    let ledger = PostgresLedger::open(&postgres_database().await, 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    ledger.apply(&claim, 0, &opening(&mut story), 2).await.unwrap();
    let after = story.clone();
    let mut long = issued("summer", 3, &["cid"]);
    let Event::CouponsIssued { coupons, .. } = &mut long else { unreachable!() };
    // Longer than an index takes, also compressed.
    coupons[0].code = (0..20_000).map(|number: u32| (number * 7_919 % 65_521).to_string()).collect();
    let mut many = issued("summer", 3, &["cid"]);
    let Event::CouponsIssued { coupons, .. } = &mut many else { unreachable!() };
    coupons[0].n = u32::MAX;
    for (what, event) in [
        ("a NUL in a name", Event::CampaignPaused { actor: "o\0ps".to_owned() }),
        ("a code that no index takes", long),
        ("a number that no column takes", many),
    ] {
        story = after.clone();
        let outcome = ledger.apply(&claim, 2, &[story.tell("summer", event)], 3).await;
        assert!(matches!(outcome, Err(ApplyError::Refused(_))), "{what}: {outcome:?}");
    }
    story = after;
    let next = story.tell("summer", Event::CampaignPaused { actor: ACTOR.to_owned() });
    ledger.apply(&claim, 2, &[next], 3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_and_audit_are_only_added_to() {
    let url = postgres_database().await;
    let ledger = PostgresLedger::open(&url, 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    ledger.apply(&claim, 0, &opening(&mut Story::default()), 2).await.unwrap();
    let mut conn = connect(&url).await;
    for change in [
        "UPDATE stock_entry SET stock = 1",
        "DELETE FROM stock_entry",
        "TRUNCATE stock_entry",
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ] {
        let error = conn.execute(change).await.expect_err(change);
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert_eq!(number(&mut conn, "SELECT stock FROM stock_entry").await, 10);
    assert_eq!(number(&mut conn, "SELECT count(*) FROM audit WHERE actor = 'ops'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_do_not_stand_in_each_others_way() {
    // Of two partitions; both have a message at each sequence.
    let ledger = PostgresLedger::open(&postgres_database().await, 2).await.unwrap();
    let of = |partition: u32| {
        (0..1_000)
            .map(|n| format!("campaign-{n}"))
            .find(|name| Subject::decisions(&id(name)).partition(2) == partition)
            .unwrap()
    };
    for partition in [0, 1] {
        let name = of(partition);
        let token = ledger.claim(partition, "a", Millis(0), TTL_MS).await.unwrap().unwrap();
        let claim = Claim { partition, ..held(token) };
        let mut story = Story::default();
        let mut batch = [story.tell(&name, created(&name, 5)), story.tell(&name, issued(&name, 1, &["ada"]))];
        for delivery in &mut batch {
            delivery.position.partition = partition;
        }
        ledger.apply(&claim, 0, &batch, 2).await.unwrap();
        let sum = ledger.fingerprint(&id(&name), &Range::default()).await.unwrap();
        assert_eq!((sum.count, sum.position), (1, Position::new(partition, 2)));
    }
    let page = ledger.audit(None, None, 1).await.unwrap();
    assert_eq!(page.items[0].position, Position::new(1, 1));
    let next = page.next.unwrap().parse().unwrap();
    let page = ledger.audit(None, Some(next), 5).await.unwrap();
    let rest: Vec<_> = page.items.iter().map(|entry| entry.position).collect();
    assert_eq!((rest, page.next), (vec![Position::new(0, 1)], None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fingerprint_is_of_one_moment() {
    const BATCHES: u64 = 150;
    let ledger = Arc::new(PostgresLedger::open(&postgres_database().await, 1).await.unwrap());
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    ledger.apply(&claim, 0, &[story.tell("summer", created("summer", 1_000))], 1).await.unwrap();
    let writer = {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            for seq in 1..=BATCHES {
                let next = [story.tell("summer", issued("summer", seq, &[&format!("user-{seq}")]))];
                ledger.apply(&claim, seq, &next, seq + 1).await.unwrap();
            }
        })
    };
    let mut looks = 0;
    while !writer.is_finished() {
        let sum = ledger.fingerprint(&id("summer"), &Range::default()).await.unwrap();
        assert_eq!(sum.count, sum.position.sequence - 1, "one coupon a message");
        looks += 1;
    }
    writer.await.unwrap();
    assert_eq!(count(&ledger).await, BATCHES);
    assert!(looks > 2, "{looks} looks meanwhile");
}

/// How PostgreSQL would answer, with these values.
async fn plan(conn: &mut PgConnection, sql: &str, values: &str) -> String {
    conn.execute(AssertSqlSafe(format!("PREPARE asked AS {sql}"))).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE asked ({values})");
    let rows = conn.fetch_all(AssertSqlSafe(explain)).await.unwrap();
    conn.execute("DEALLOCATE asked").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_use_indexes() {
    let url = postgres_database().await;
    PostgresLedger::open(&url, 1).await.unwrap().close().await;
    let mut conn = connect(&url).await;
    for fill in [
        "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
         SELECT 'c-' || number % 10, number, 'u-' || number, 1, 'code-' || number, 1, 0, number
         FROM generate_series(1, 30000) AS number",
        "INSERT INTO audit (partition, position, place, campaign, at, actor, action, details)
         SELECT 0, number, 0, 'c-' || number % 10, number, 'ops', 'paused', '{}'
         FROM generate_series(1, 30000) AS number",
        "ANALYZE",
    ] {
        conn.execute(fill).await.unwrap();
    }
    let questions = [
        (read::ROWS.to_owned(), "'c-3', 100, 1100, 9223372036854775807", "coupon_pkey"),
        (read::audit_sql(false), "NULL, 20000, 0, 5, 0, 100", "audit_by_time"),
        (read::audit_sql(true), "'c-3', 20000, 0, 5, 0, 100", "audit_by_campaign"),
        ("SELECT * FROM coupon WHERE code = $1".to_owned(), "'code-77'", "coupon_code_key"),
        (
            "SELECT * FROM coupon WHERE campaign = $1 AND user_id = $2".to_owned(),
            "'c-7', 'u-77'",
            "coupon_user_id_campaign_n_key",
        ),
    ];
    for (sql, values, index) in questions {
        let plan = plan(&mut conn, &sql, values).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_holds_nothing_up() {
    let url = postgres_database().await;
    let ledger = PostgresLedger::open(&url, 1).await.unwrap();
    let claim = held(take(&ledger, "a", 0).await.unwrap());
    let mut story = Story::default();
    let batch = opening(&mut story);
    let (mut blocker, mut watch) = (connect(&url).await, connect(&url).await);
    let tx = half_applied(&mut blocker, &claim, &batch).await;
    // More callers than there are connections, each of whom is cancelled while the server makes it wait.
    for many in 1..=4 {
        tokio::select! {
            outcome = ledger.apply(&claim, 0, &batch, 2) => panic!("{outcome:?}"),
            () = until_waiting(&mut watch, many) => {}
        }
    }
    assert_eq!(sequence(&ledger).await, 0, "there is a connection for everybody else");
    tx.rollback().await.unwrap();
    ledger.apply(&claim, 0, &batch, 2).await.unwrap();
    assert_eq!(count(&ledger).await, 2);
}
