//! The gate on real Redis servers: the contract of every gate, and what only Redis can do wrong.

mod cluster;
mod loading;
mod lost;
mod measure;
mod model;
mod race;
mod size;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use firstcome_shared::clock::{ManualClock, Millis};
use firstcome_shared::domain::{
    Ask, Book, CampaignId, Command, Definition, Held, Terms, UserId, Verdict, Window,
};
use firstcome_shared::event::Entry;
use firstcome_shared::wire::LimitPer;
use firstcome_testkit::Redis;

use super::RedisGate;
use crate::gate::contract::{NOON, Rig, gate_contract};
use crate::gate::{Call, Gate, GateError, Load, Logged, ROWS, Reply};
use crate::testing::{person, until};

/// The identity of the log that these tests read.
const LOG: &str = "log";

/// A server of the test's own, and the gate on it.
struct Server {
    redis: Redis,
    clock: ManualClock,
    gate: RedisGate,
}

#[async_trait]
impl Rig for Server {
    fn gate(&self) -> &dyn Gate {
        &self.gate
    }

    async fn set_time(&self, now: Millis) {
        self.clock.set(now);
    }

    async fn forget(&self) {
        self.redis.restart_empty().await;
        self.back().await;
    }

    async fn become_another(&self) {
        self.redis.restart().await;
        self.back().await;
    }
}

async fn open() -> Server {
    let (redis, clock) = (Redis::start().await, ManualClock::at(NOON));
    let gate = connect(&redis.url(), &clock).await;
    Server { redis, clock, gate }
}

gate_contract!(open);

async fn connect(url: &str, clock: &ManualClock) -> RedisGate {
    RedisGate::connect(url, Some(Arc::new(clock.clone()))).await.unwrap()
}

impl Server {
    /// With `summer` loaded as epoch 1.
    async fn with_summer(stock: u64) -> Self {
        let server = open().await;
        load(&server.gate, 1, book(definition(stock))).await.unwrap();
        server
    }

    /// The first call finds that its connection is gone.
    async fn back(&self) {
        until("the gate is back", || async { self.gate.incarnation(&id()).await.is_ok() }).await;
    }

    /// Does something to the server that the gate knows nothing of.
    async fn by_hand(&self, command: &[&str]) -> redis::Value {
        by_hand(&self.redis.url(), command).await
    }
}

async fn by_hand(url: &str, command: &[&str]) -> redis::Value {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
}

fn id() -> CampaignId {
    CampaignId::parse("summer").unwrap()
}

/// One window of an hour from noon on.
fn definition(stock: u64) -> Definition {
    Definition {
        id: id(),
        name: "Summer".to_owned(),
        windows: vec![Window { id: 1, opens_at: NOON, closes_at: NOON.plus(3_600_000), stock }],
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: Terms { valid_for_seconds: Some(60), ..Terms::default() },
        waiting_room: None,
        key_id: "key".to_owned(),
    }
}

fn book(definition: Definition) -> Book {
    Book::new(definition)
}

fn call(epoch: u64) -> Call<'static> {
    Call { log: LOG, epoch, logged: Logged::default(), now: NOON }
}

/// A fence's load of `book` into the memory that the gate has now.
async fn fenced(gate: &RedisGate, epoch: u64, nonce: &str, book: Book) -> Load {
    let incarnation = gate.incarnation(&book.definition.id).await.unwrap();
    let logged = Logged { decision: book.decision, sequence: epoch };
    Load { log: LOG.to_owned(), epoch, incarnation, nonce: nonce.to_owned(), book, logged }
}

async fn load(gate: &RedisGate, epoch: u64, book: Book) -> Result<(), GateError> {
    let campaign = book.definition.id.clone();
    let load = fenced(gate, epoch, &format!("{epoch:016x}"), book).await;
    gate.load(&campaign, load).await
}

fn people(names: impl IntoIterator<Item = u64>) -> Vec<Ask> {
    names.into_iter().map(|name| person(format!("u-{name}"))).collect()
}

async fn decide(gate: &RedisGate, epoch: u64, asks: &[Ask]) -> Reply<Vec<Verdict>> {
    gate.decide(&id(), call(epoch), asks).await.unwrap()
}

async fn outbox(gate: &RedisGate, epoch: u64) -> Vec<Entry> {
    gate.outbox(&id(), call(epoch), 0, 1 << 30).await.unwrap().body
}

/// Who holds which number, from the holders.
async fn rows(gate: &RedisGate, epoch: u64) -> Vec<(u64, UserId)> {
    let rows = gate.rows(&id(), call(epoch), 1, u64::MAX).await.unwrap().body;
    rows.into_iter().map(|row| (row.held.seq, row.user)).collect()
}

/// Every guarded call is refused because the gate forgot.
async fn forgot(gate: &RedisGate, epoch: u64) {
    let (id, call) = (id(), call(epoch));
    assert_eq!(gate.decide(&id, call, &people([1])).await.err(), Some(GateError::Forgot));
    assert_eq!(gate.command(&id, call, &Command::Pause, "olga").await.err(), Some(GateError::Forgot));
    assert_eq!(gate.outbox(&id, call, 0, 1).await.err(), Some(GateError::Forgot));
    assert_eq!(gate.view(&id, call).await.err(), Some(GateError::Forgot));
    assert_eq!(gate.rows(&id, call, 1, 9).await.err(), Some(GateError::Forgot));
}

fn unavailable<T: std::fmt::Debug>(outcome: &Result<T, GateError>) {
    assert!(matches!(outcome, Err(GateError::Unavailable(_))), "{outcome:?}");
}

fn seqs(reply: &Reply<Vec<Verdict>>) -> Vec<u64> {
    let seq = |verdict: &Verdict| match verdict {
        Verdict::Issued { held: Held { seq, .. }, .. } | Verdict::AlreadyIssued(Held { seq, .. }) => *seq,
        other => panic!("no coupon: {other:?}"),
    };
    reply.body.iter().map(seq).collect()
}

/// More people than any slice of a script, in one call: new, known, twice, one too many.
#[tokio::test]
async fn a_call_may_be_larger_than_a_batch() {
    let server = Server::with_summer(2_500).await;
    let mut model = book(definition(2_500));
    for asks in [people(1..=1_100), people((500..=1_700).chain(600..=1_650)), people(1..=4_000), people([])] {
        let expected = model.decide(&asks, NOON);
        let reply = decide(&server.gate, 1, &asks).await;
        assert_eq!((reply.body, reply.entries), (expected.verdicts, expected.entries));
    }
    let rows = rows(&server.gate, 1).await;
    assert_eq!(rows.len(), 2_500);
    assert!(rows.iter().zip(1..).all(|((seq, user), n)| *seq == n && user.as_str() == format!("u-{n}")));
}

/// The gate's rows are read in pages, over the edges of which nothing may fall.
#[tokio::test]
async fn rows_are_read_in_pages() {
    let stock = 2 * ROWS + 5;
    let server = open().await;
    let mut book = book(definition(stock));
    book.decide(&people(1..=stock), NOON);
    load(&server.gate, 1, book).await.unwrap();
    for (from, to) in
        [(1, u64::MAX), (1, 2 * ROWS), (ROWS, ROWS + 1), (ROWS + 1, 2 * ROWS + 5), (7, 7), (0, 0)]
    {
        let rows = server.gate.rows(&id(), call(1), from, to).await.unwrap().body;
        let numbers: Vec<u64> = rows.iter().map(|row| row.held.seq).collect();
        assert_eq!(numbers, (from.max(1)..=to.min(stock)).collect::<Vec<_>>(), "{from} to {to}");
        assert!(rows.iter().all(|row| row.user.as_str() == format!("u-{}", row.held.seq)));
    }
}
