//! The one reader loop over a real log and each real ledger: what cannot be applied parks its campaign and no other,
//! an operator brings it level again, a log that is not the one that was read before changes nothing, and a rate holds.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use firstcome_shared::clock::SystemClock;
use firstcome_shared::event::Event;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::event_log::sqlite::SqliteLog;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Delivery, Parked, Progress, Reader, Remedy};
use futures::future::BoxFuture;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Ledger;
use super::contract::{Story, created, id, issued};
use super::sqlite::SqliteLedger;

const DEADLINE: Duration = Duration::from_secs(20);

/// Where a ledger lives, whatever it is made of.
#[async_trait]
trait Home: Send + Sync {
    /// Opens the ledger that lives here; whoever had it before is gone, and so is his lease.
    async fn open(&self) -> Arc<dyn Ledger>;

    /// Changes its data by hand; returns how many rows.
    async fn by_hand(&self, sql: &'static str) -> u64;

    /// The one column of a query.
    async fn texts(&self, sql: &'static str) -> Vec<String>;
}

/// Builds a new home.
type Build = fn() -> BoxFuture<'static, Arc<dyn Home>>;

/// Generates one test a case.
macro_rules! follows {
    ($build:path) => {
        follows!($build:
            each_kind_of_poison_parks_its_campaign_and_no_other,
            a_replay_brings_the_campaign_level_in_order,
            a_replay_that_meets_another_poison_parks_there,
            a_discard_skips_one_message_and_no_more,
            a_restart_goes_on_where_it_was,
            another_log_stalls_it_and_changes_nothing,
            a_log_that_ends_before_the_checkpoint_stalls_it_and_changes_nothing,
            a_message_that_does_not_continue_its_campaign_stalls_everything,
            a_rate_holds_and_can_be_changed_meanwhile,
            a_replay_keeps_to_the_rate,
        );
    };
    ($build:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(|| Box::pin($build())).await;
            }
        )+
    };
}

mod sqlite {
    use super::*;

    struct File(tempfile::TempDir);

    impl File {
        async fn pool(&self) -> SqlitePool {
            let options = SqliteConnectOptions::new().filename(self.0.path().join("ledger.db"));
            SqlitePool::connect_with(options).await.unwrap()
        }
    }

    #[async_trait]
    impl Home for File {
        async fn open(&self) -> Arc<dyn Ledger> {
            let writer = SqliteLedger::open_writer(&self.0.path().join("ledger.db")).await.unwrap();
            Arc::new(writer.with_readers(1).await.unwrap())
        }

        async fn by_hand(&self, sql: &'static str) -> u64 {
            let pool = self.pool().await;
            let done = sqlx::query(sql).execute(&pool).await.unwrap();
            pool.close().await;
            done.rows_affected()
        }

        async fn texts(&self, sql: &'static str) -> Vec<String> {
            let pool = self.pool().await;
            let texts = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
            pool.close().await;
            texts
        }
    }

    async fn build() -> Arc<dyn Home> {
        Arc::new(File(tempfile::tempdir().unwrap()))
    }

    follows!(build);
}

#[cfg(feature = "cluster")]
mod postgres {
    use firstcome_testkit::shared::postgres_database;
    use sqlx::Connection;
    use sqlx::postgres::PgConnection;

    use super::super::postgres::PostgresLedger;
    use super::*;

    struct Database(String);

    #[async_trait]
    impl Home for Database {
        async fn open(&self) -> Arc<dyn Ledger> {
            let ledger = PostgresLedger::open(&self.0, 1).await.unwrap();
            self.by_hand("UPDATE checkpoint SET expires_at = 0").await;
            Arc::new(ledger)
        }

        async fn by_hand(&self, sql: &'static str) -> u64 {
            let mut conn = PgConnection::connect(&self.0).await.unwrap();
            sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected()
        }

        async fn texts(&self, sql: &'static str) -> Vec<String> {
            let mut conn = PgConnection::connect(&self.0).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut conn).await.unwrap()
        }
    }

    async fn build() -> Arc<dyn Home> {
        Arc::new(Database(postgres_database().await))
    }

    follows!(build);
}

/// Makes a message one that cannot be applied.
type Spoil = fn(&str) -> String;

/// Asks again and again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < DEADLINE, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A log, a ledger that follows it, and the story that is told.
struct Rig {
    story: Story,
    log: Arc<SqliteLog>,
    home: Arc<dyn Home>,
    ledger: Arc<dyn Ledger>,
    progress: Arc<Progress>,
    stop: CancellationToken,
    reader: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl Rig {
    /// Opens a log that is in the folder and the ledger that is at home, and reads.
    async fn open(home: Arc<dyn Home>, folder: tempfile::TempDir, log: &str, mut story: Story) -> Self {
        let log = SqliteLog::open(&folder.path().join(log), Arc::new(SystemClock)).await.unwrap();
        let log = Arc::new(log);
        log.identity().clone_into(&mut story.log);
        let ledger = home.open().await;
        let progress = Arc::new(Progress::new("ledger", 1));
        let stop = CancellationToken::new();
        let reader = Reader {
            log: Arc::<SqliteLog>::clone(&log),
            projection: Arc::<dyn Ledger>::clone(&ledger),
            clock: Arc::new(SystemClock),
            progress: Arc::clone(&progress),
            partition: 0,
        };
        let reader = tokio::spawn(reader.run(stop.clone()));
        Self { story, log, home, ledger, progress, stop, reader, folder }
    }

    /// A rig in which summer and winter were created, at 1 and 2.
    async fn begin(build: Build) -> Self {
        let home = build().await;
        let mut rig = Self::open(home, tempfile::tempdir().unwrap(), "log.db", Story::default()).await;
        for campaign in ["summer", "winter"] {
            rig.tell(campaign, created(campaign, 1_000)).await;
        }
        rig
    }

    /// Stops reading and starts again, with that log.
    async fn restart(self, log: &str) -> Self {
        self.stop.cancel();
        self.reader.await.unwrap();
        drop((self.log, self.ledger));
        Self::open(self.home, self.folder, log, self.story).await
    }

    async fn tell(&mut self, campaign: &str, event: Event) -> u64 {
        let next = self.story.tell(campaign, event);
        let payload = next.message.encode();
        self.append(&next, payload).await
    }

    async fn append(&self, next: &Delivery, payload: Bytes) -> u64 {
        let sequence = self.log.append(&next.subject, next.message.prev, payload).await.unwrap();
        assert_eq!(sequence, next.position.sequence);
        sequence
    }

    /// A message that nobody can read, in the place of one.
    async fn tell_poison(&mut self, campaign: &str, seq: u64, spoil: Spoil) -> u64 {
        let next = self.story.tell(campaign, issued(campaign, seq, &["poisoned"]));
        let readable = String::from_utf8(next.message.encode().to_vec()).unwrap();
        let spoilt = spoil(&readable);
        assert_ne!(spoilt, readable);
        self.append(&next, Bytes::from(spoilt)).await
    }

    async fn read_up_to(&self, sequence: u64) {
        let reached = self.progress.wait_for(Position::new(0, sequence));
        tokio::time::timeout(DEADLINE, reached).await.expect("read within the deadline");
    }

    async fn holders(&self, campaign: &str) -> Vec<String> {
        let range = Range { rows: true, ..Range::default() };
        let sum = self.ledger.fingerprint(&id(campaign), &range).await.unwrap();
        sum.rows.unwrap().into_iter().map(|row| row.user_id).collect()
    }

    /// What the ledger holds, token and all.
    async fn picture(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', partition, holder, token, log, sequence) FROM checkpoint UNION ALL
             SELECT concat_ws(' ', campaign, lane, sequence, epoch, last, loose) FROM chain UNION ALL
             SELECT concat_ws(' ', campaign, seq, user_id, code) FROM coupon";
        self.home.texts(sql).await
    }

    async fn parked(&self) -> Vec<Parked> {
        self.ledger.parked(0).await.unwrap()
    }

    async fn ask(&self, sequence: u64, remedy: Remedy) {
        assert!(self.ledger.request(Position::new(0, sequence), remedy).await.unwrap());
    }

    /// Waits until the campaign is parked at `sequence` and nothing is asked for any more.
    async fn parked_at(&self, sequence: u64) -> Parked {
        let there = |letter: &Parked| letter.position.sequence == sequence && letter.remedy.is_none();
        until("parked there", async || self.parked().await.iter().any(there)).await;
        self.parked().await.into_iter().find(there).unwrap()
    }

    async fn stalled(&self) -> String {
        until("stalled", async || self.progress.stalled().is_some()).await;
        self.progress.stalled().unwrap()
    }
}

/// Changes the log's file by hand.
async fn by_hand(file: &std::path::Path, sql: &str) {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    pool.close().await;
}

fn cut(text: &str) -> String {
    text[..text.len() / 2].to_owned()
}

fn unknown_kind(text: &str) -> String {
    text.replace("coupons_issued", "coupons_conjured")
}

fn unknown_version(text: &str) -> String {
    text.replace("\"version\":1", "\"version\":2")
}

fn another_campaign(text: &str) -> String {
    text.replace("\"campaign\":\"summer\"", "\"campaign\":\"winter\"")
}

fn refused(text: &str) -> String {
    text.replace("\"code\":\"summer-1\"", "\"code\":\"\"")
}

async fn each_kind_of_poison_parks_its_campaign_and_no_other(build: Build) {
    let kinds: [(Spoil, &str); 5] = [
        (cut, "EOF"),
        (unknown_kind, "coupons_conjured"),
        (unknown_version, "version 2 is not known"),
        (another_campaign, "names campaign winter"),
        (refused, "check constraint"),
    ];
    let each = kinds.map(async |(spoil, reason)| {
        let mut rig = Rig::begin(build).await;
        let poison = rig.tell_poison("summer", 1, spoil).await;
        rig.tell("winter", issued("winter", 1, &["ada"])).await;
        rig.tell("summer", issued("summer", 2, &["waits"])).await;
        let last = rig.tell("winter", issued("winter", 2, &["bob"])).await;
        rig.read_up_to(last).await;
        assert_eq!(rig.holders("winter").await, ["ada", "bob"], "{reason}");
        assert_eq!(rig.holders("summer").await.len(), 0, "{reason}");
        let parked = rig.parked().await;
        let [letter] = parked.as_slice() else { panic!("{reason}: {parked:?}") };
        assert_eq!(
            (&letter.campaign, letter.position),
            (&id("summer"), Position::new(0, poison)),
            "{reason}"
        );
        let said = letter.reason.replace("CHECK", "check");
        assert!(said.contains(reason), "{said}");
        assert_eq!((letter.attempts, letter.remedy), (5, None), "{reason}");
        assert!(letter.payload.starts_with("{\"version\":"), "{}", letter.payload);
        let view = rig.progress.view(&*rig.log, &SystemClock).await;
        assert_eq!((view.parked, view.lag_events, view.stalled), (1, 0, None), "{reason}");
    });
    futures::future::join_all(each).await;
}

async fn a_replay_brings_the_campaign_level_in_order(build: Build) {
    // More messages than one step of a replay takes.
    const WAITING: u64 = 300;
    let mut rig = Rig::begin(build).await;
    rig.read_up_to(2).await;
    rig.home
        .by_hand(
            "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
         VALUES ('summer', 2, 'intruder', 1, 'X', 1, 0, 0)",
        )
        .await;
    let mut expected = Vec::new();
    let mut last = 0;
    for seq in 1..=WAITING {
        let user = format!("user-{seq}");
        last = rig.tell("summer", issued("summer", seq, &[&user])).await;
        expected.push(user);
    }
    rig.read_up_to(last).await;
    let letter = rig.parked_at(4).await;
    assert_eq!(rig.holders("summer").await, ["user-1", "intruder"]);

    // Asked for too early, it fails at the same message and says so again.
    rig.ask(4, Remedy::Replay).await;
    until("tried again", async || rig.parked().await[0].attempts == letter.attempts + 1).await;
    rig.home.by_hand("DELETE FROM coupon WHERE user_id = 'intruder'").await;
    rig.parked_at(4).await;
    rig.ask(4, Remedy::Replay).await;
    until("level", async || rig.parked().await.is_empty()).await;
    assert_eq!(rig.holders("summer").await, expected);

    last = rig.tell("summer", issued("summer", WAITING + 1, &["next"])).await;
    rig.read_up_to(last).await;
    assert_eq!(rig.holders("summer").await.last().unwrap(), "next");
    let view = rig.progress.view(&*rig.log, &SystemClock).await;
    assert_eq!((view.parked, view.stalled), (0, None));
}

async fn a_replay_that_meets_another_poison_parks_there(build: Build) {
    let mut rig = Rig::begin(build).await;
    rig.tell_poison("summer", 1, cut).await;
    rig.tell("summer", issued("summer", 2, &["ada"])).await;
    let second = rig.tell_poison("summer", 3, unknown_kind).await;
    rig.tell("summer", issued("summer", 4, &["bob"])).await;
    let last = rig.tell_poison("summer", 5, |text| text.replace("summer-5", "")).await;
    let last = rig.tell("summer", issued("summer", 6, &["cid"])).await.max(last);
    rig.read_up_to(last).await;
    rig.parked_at(3).await;
    // The file is repaired by hand, as a newer release would read what this one cannot.
    let log = rig.folder.path().join("log.db");
    let readable = rig.story.past(3);
    by_hand(&log, &format!("UPDATE message SET payload = CAST('{readable}' AS BLOB) WHERE sequence = 3"))
        .await;
    rig.ask(3, Remedy::Replay).await;
    let letter = rig.parked_at(second).await;
    assert!(letter.reason.contains("coupons_conjured"), "{}", letter.reason);
    assert_eq!(rig.holders("summer").await, ["poisoned", "ada"]);
    rig.ask(second, Remedy::Discard).await;
    let letter = rig.parked_at(last - 1).await;
    assert!(letter.reason.to_lowercase().contains("check constraint"), "{}", letter.reason);
    assert_eq!(rig.holders("summer").await, ["poisoned", "ada", "bob"]);
}

async fn a_discard_skips_one_message_and_no_more(build: Build) {
    let mut rig = Rig::begin(build).await;
    let poison = rig.tell_poison("summer", 1, cut).await;
    rig.tell("summer", issued("summer", 2, &["ada"])).await;
    rig.tell("winter", issued("winter", 1, &["eve"])).await;
    let last = rig.tell("summer", issued("summer", 3, &["bob"])).await;
    rig.read_up_to(last).await;
    rig.ask(poison, Remedy::Discard).await;
    until("level", async || rig.parked().await.is_empty()).await;
    assert_eq!(rig.holders("summer").await, ["ada", "bob"]);
    let last = rig.tell("summer", issued("summer", 4, &["cid"])).await;
    rig.read_up_to(last).await;
    assert_eq!(rig.holders("summer").await, ["ada", "bob", "cid"]);
    assert_eq!(rig.holders("winter").await, ["eve"]);
}

async fn a_restart_goes_on_where_it_was(build: Build) {
    let mut rig = Rig::begin(build).await;
    let poison = rig.tell_poison("summer", 1, cut).await;
    let last = rig.tell("winter", issued("winter", 1, &["eve"])).await;
    rig.read_up_to(last).await;
    let mut rig = rig.restart("log.db").await;
    rig.tell("summer", issued("summer", 2, &["ada"])).await;
    let last = rig.tell("winter", issued("winter", 2, &["fay"])).await;
    rig.read_up_to(last).await;
    assert_eq!(rig.holders("winter").await, ["eve", "fay"]);
    assert_eq!(rig.parked_at(poison).await.attempts, 5);
    rig.ask(poison, Remedy::Discard).await;
    until("level", async || rig.parked().await.is_empty()).await;
    assert_eq!(rig.holders("summer").await, ["ada"]);
}

async fn another_log_stalls_it_and_changes_nothing(build: Build) {
    let mut rig = Rig::begin(build).await;
    let last = rig.tell("summer", issued("summer", 1, &["ada"])).await;
    rig.read_up_to(last).await;
    let before = rig.picture().await;
    let first = rig.log.identity().to_owned();
    let mut rig = rig.restart("another.db").await;
    let second = rig.log.identity().to_owned();
    assert_eq!(rig.stalled().await, format!("ledger was read from log {first}, but this is log {second}"));
    rig.story = Story::default();
    rig.story.log = second;
    rig.tell("summer", created("summer", 10)).await;
    assert_eq!(rig.progress.sequence(0), 0);
    assert!(rig.progress.forgot().is_some(), "nothing may be issued");
    assert_eq!(rig.picture().await, before);
}

async fn a_log_that_ends_before_the_checkpoint_stalls_it_and_changes_nothing(build: Build) {
    let mut rig = Rig::begin(build).await;
    let last = rig.tell("summer", issued("summer", 1, &["ada"])).await;
    rig.read_up_to(last).await;
    let before = rig.picture().await;
    by_hand(&rig.folder.path().join("log.db"), "DELETE FROM message WHERE sequence > 1").await;
    let rig = rig.restart("log.db").await;
    let stalled = rig.stalled().await;
    assert_eq!(stalled, "the log forgot: ledger has read up to 3, but the log ends at 1");
    assert_eq!(rig.picture().await, before);
}

async fn a_message_that_does_not_continue_its_campaign_stalls_everything(build: Build) {
    let mut rig = Rig::begin(build).await;
    rig.read_up_to(2).await;
    let before = rig.picture().await;
    let mut next = rig.story.tell("summer", issued("summer", 1, &["ada"]));
    next.message.epoch = 7;
    let payload = next.message.encode();
    rig.append(&next, payload).await;
    let winter = rig.tell("winter", issued("winter", 1, &["eve"])).await;
    let stalled = rig.stalled().await;
    assert!(stalled.starts_with("the log forgot: message 3 of summer does not continue"), "{stalled}");
    assert!(rig.progress.sequence(0) < winter);
    assert_eq!(rig.picture().await, before);
    assert_eq!(rig.parked().await, []);
}

/// How many coupons are in the ledger.
async fn count(rig: &Rig) -> u64 {
    rig.ledger.fingerprint(&id("summer"), &Range::default()).await.unwrap().count
}

/// Messages of ten coupons each, from the first on.
async fn tell_many(rig: &mut Rig, messages: u64) -> u64 {
    let mut last = 0;
    for message in 0..messages {
        let users: Vec<String> = (0..10).map(|user| format!("user-{message}-{user}")).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        last = rig.tell("summer", issued("summer", 10 * message + 1, &users)).await;
    }
    last
}

/// Coupons that a rate gives in a time.
fn earned(rate: u64, time: Duration) -> u64 {
    rate * u64::try_from(time.as_millis()).unwrap() / 1_000
}

async fn a_rate_holds_and_can_be_changed_meanwhile(build: Build) {
    const RATE: u64 = 100;
    /// What one batch may be, before it is paid for: half a second's, and one message.
    const BATCH: u64 = RATE / 2 + 10;
    let mut rig = Rig::begin(build).await;
    rig.read_up_to(2).await;
    assert_eq!(rig.ledger.rate(), 0);
    rig.ledger.set_rate(RATE);
    assert_eq!(rig.ledger.rate(), RATE);
    let begun = Instant::now();
    let last = tell_many(&mut rig, 400).await;
    let told = Instant::now();
    let mut seen = 0;
    while seen < 2 * RATE {
        seen = count(&rig).await;
        let most = earned(RATE, begun.elapsed()) + BATCH;
        assert!(seen <= most, "{seen} of {most} after {:?}", begun.elapsed());
        assert!(told.elapsed() < DEADLINE, "a rate is no standstill: {seen}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // Far more are left than that rate gives before the deadline.
    rig.ledger.set_rate(0);
    rig.read_up_to(last).await;
    assert_eq!(count(&rig).await, 4_000);
}

async fn a_replay_keeps_to_the_rate(build: Build) {
    const RATE: u64 = 400;
    let mut rig = Rig::begin(build).await;
    let poison = rig.tell_poison("summer", 9_999, cut).await;
    let last = tell_many(&mut rig, 80).await;
    rig.read_up_to(last).await;
    rig.ledger.set_rate(RATE);
    let begun = Instant::now();
    rig.ask(poison, Remedy::Discard).await;
    until("level", async || {
        let (seen, most) = (count(&rig).await, earned(RATE, begun.elapsed()) + RATE / 2 + 10);
        assert!(seen <= most, "{seen} of {most} after {:?}", begun.elapsed());
        rig.parked().await.is_empty()
    })
    .await;
    assert_eq!(count(&rig).await, 800);
}
