//! The wire between gate and server: what is sent twice and what is not, and how servers must be set.

use std::sync::{Arc, Mutex};

use firstcome_shared::domain::Command;
use firstcome_testkit::Redis;
use redis::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{
    Server, book, by_hand, call, connect, decide, definition, fenced, forgot, id, load, open, outbox, people,
    rows, seqs, unavailable,
};
use crate::gate::redis::{NO_EVICTION, NotConnected, RedisGate};
use crate::gate::{Gate, GateError};
use crate::testing::until;

/// Passes bytes to a server and back, but for one answer: what the server says to the next call that holds certain bytes
/// is thrown away, and the connection with it. So the call was carried out, and nobody knows.
struct Greedy {
    address: String,
    wanted: Arc<Mutex<Vec<u8>>>,
}

impl Greedy {
    async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let greedy = Self { address, wanted: Arc::default() };
        let wanted = Arc::clone(&greedy.wanted);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&wanted)));
            }
        });
        greedy
    }

    fn lose_the_answer_to(&self, wanted: &str) {
        *self.wanted.lock().unwrap() = wanted.into();
    }

    fn has_lost_it(&self) -> bool {
        self.wanted.lock().unwrap().is_empty()
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, wanted: Arc<Mutex<Vec<u8>>>) {
    let (mut asked, mut answered, mut loses) = (vec![0; 64 << 10], vec![0; 64 << 10], false);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(read) if read > 0 => {
                    loses = loses || found(&wanted, &asked[..read]);
                    server.write_all(&asked[..read]).await.unwrap();
                }
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(read) if read > 0 && !loses => client.write_all(&answered[..read]).await.unwrap(),
                _ => return,
            },
        }
    }
}

/// Whether it is in `asked`; then it is no longer wanted.
fn found(wanted: &Mutex<Vec<u8>>, asked: &[u8]) -> bool {
    let mut wanted = wanted.lock().unwrap();
    let found = !wanted.is_empty() && asked.windows(wanted.len()).any(|part| part == &wanted[..]);
    if found {
        wanted.clear();
    }
    found
}

/// A server that forgot its scripts has done nothing, and is sent the text.
#[tokio::test]
async fn scripts_are_sent_again_to_a_server_that_forgot_them() {
    let server = Server::with_summer(10).await;
    for user in 1..=4 {
        server.by_hand(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(seqs(&decide(&server.gate, 1, &people([user])).await), [user]);
        server.by_hand(&["SCRIPT", "FLUSH"]).await;
        server.gate.command(&id(), call(1), &Command::Pause, "olga").await.unwrap().body.unwrap();
        server.by_hand(&["SCRIPT", "FLUSH"]).await;
        server.gate.command(&id(), call(1), &Command::Resume, "olga").await.unwrap().body.unwrap();
        server.by_hand(&["SCRIPT", "FLUSH"]).await;
        assert!(server.gate.glance(&id()).await.unwrap().is_some());
        assert_eq!(rows(&server.gate, 1).await.len(), usize::try_from(user).unwrap());
    }
    server.by_hand(&["SCRIPT", "FLUSH"]).await;
    load(&server.gate, 2, book(definition(10))).await.unwrap();
}

/// A call whose answer is lost was carried out once: it is in the outbox, once.
#[tokio::test]
async fn a_call_whose_answer_is_lost_is_not_sent_again() {
    let server = Server::with_summer(1_000).await;
    let greedy = Greedy::before(server.redis.addr()).await;
    let gate = connect(&format!("redis://{}", greedy.address), &server.clock).await;
    decide(&gate, 1, &[]).await; // so that the server knows the script
    for round in 1..=5 {
        greedy.lose_the_answer_to("u-");
        unavailable(&gate.decide(&id(), call(1), &people([round])).await);
        assert!(greedy.has_lost_it());
        let entries = outbox(&gate, 1).await;
        assert_eq!(u64::try_from(entries.len()).unwrap(), round, "carried out exactly once: {entries:?}");
        assert_eq!(seqs(&decide(&gate, 1, &people([round])).await), [round]);
    }
    for command in [Command::Pause, Command::Resume] {
        gate.command(&id(), call(1), &command, "olga").await.unwrap().body.unwrap();
    }
    greedy.lose_the_answer_to("campaign_paused");
    unavailable(&gate.command(&id(), call(1), &Command::Pause, "olga").await);
    let again = gate.command(&id(), call(1), &Command::Pause, "olga").await.unwrap();
    assert_eq!((again.decision, again.entries, again.body), (8, Vec::new(), Ok(())));
    assert_eq!(outbox(&gate, 1).await.len(), 8);
}

/// The answer to the swap is lost: `meta` tells whether it was carried out. It is not sent again.
#[tokio::test]
async fn a_load_in_doubt_looks() {
    let server = open().await;
    let greedy = Greedy::before(server.redis.addr()).await;
    let gate = connect(&format!("redis://{}", greedy.address), &server.clock).await;
    // The server does not know the script yet, so nothing was done. Nobody holds anything, so nothing is staged: only the
    // swap speaks of the nonce.
    let fence = fenced(&gate, 1, "first", book(definition(5))).await;
    greedy.lose_the_answer_to("first");
    unavailable(&gate.load(&id(), fence).await);
    assert!(greedy.has_lost_it());
    forgot(&gate, 1).await;
    load(&gate, 2, book(definition(5))).await.unwrap();
    let fence = fenced(&gate, 3, "third", book(definition(5))).await;
    greedy.lose_the_answer_to("third");
    assert_eq!(gate.load(&id(), fence).await, Ok(()));
    assert!(greedy.has_lost_it());
    assert_eq!(seqs(&decide(&gate, 3, &people([1])).await), [1]);
}

/// A server that stops is away, at once; one that comes back is found, at once.
#[tokio::test]
async fn a_server_that_is_away_is_said_to_be_away() {
    let server = Server::with_summer(10).await;
    server.redis.kill().await;
    for _ in 0..20 {
        unavailable(&server.gate.decide(&id(), call(1), &people([1])).await);
        unavailable(&server.gate.glance(&id()).await);
        unavailable(&server.gate.incarnation(&id()).await);
    }
    server.redis.restart().await;
    until("the gate is back", || async { server.gate.incarnation(&id()).await.is_ok() }).await;
    assert_eq!(server.gate.decide(&id(), call(1), &people([1])).await.err(), Some(GateError::Forgot));
}

/// A server that hangs is away after a while, and its late answers are nobody else's.
#[tokio::test]
async fn a_server_that_hangs_is_away_and_answers_nobody_elses_question() {
    let server = Server::with_summer(10).await;
    decide(&server.gate, 1, &[]).await; // so that the server knows the script
    server.redis.pause();
    unavailable(&server.gate.decide(&id(), call(1), &people([1])).await);
    server.redis.resume();
    until("the gate is back", || async { server.gate.incarnation(&id()).await.is_ok() }).await;
    assert_eq!(
        seqs(&decide(&server.gate, 1, &people([2, 1])).await),
        [2, 1],
        "the first call was carried out, once"
    );
    assert_eq!(outbox(&server.gate, 1).await.len(), 2);
}

/// A replica holds the same keys, and is not believed.
#[tokio::test]
async fn a_replica_is_no_gate() {
    let server = Server::with_summer(10).await;
    let master = Redis::start().await;
    let (host, port) = master.addr().rsplit_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
    server.by_hand(&["REPLICAOF", &host, &port]).await;
    unavailable(&server.gate.incarnation(&id()).await);
    unavailable(&server.gate.glance(&id()).await);
    server.by_hand(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(matches!(
        server.gate.decide(&id(), call(1), &people([1])).await,
        Err(GateError::Forgot | GateError::Unavailable(_))
    ));
}

#[tokio::test]
async fn servers_that_may_evict_are_refused() {
    let redis = Redis::start().await;
    let gate = RedisGate::connect(&redis.url(), None).await.unwrap();
    let settings = gate.settings().await.unwrap();
    assert_eq!(settings.len(), 1);
    let node = &settings[0];
    assert_eq!((node.address.clone(), node.eviction.as_str()), (redis.addr(), NO_EVICTION));
    let set = async |name: &str, value: &str| {
        assert_eq!(by_hand(&redis.url(), &["CONFIG", "SET", name, value]).await, Value::Okay);
    };
    set("appendonly", "no").await;
    set("repl-backlog-ttl", "3600").await;
    let other = gate.settings().await.unwrap().remove(0);
    assert_eq!((other.append_only, other.backlog_ttl), (false, 3_600));
    assert!(other.now >= node.now && other.now.since(node.now) < 60_000);
    set("maxmemory-policy", "allkeys-lru").await;
    let refused = RedisGate::connect(&redis.url(), None).await.unwrap_err();
    assert_eq!(refused, NotConnected::Evicts { address: redis.addr(), policy: "allkeys-lru".to_owned() });
    for bad in ["", "http://127.0.0.1:1", "unix:///tmp/redis"] {
        let refused = RedisGate::connect(bad, None).await.unwrap_err();
        assert!(matches!(refused, NotConnected::Address(_)), "{bad}: {refused}");
    }
    let gone = RedisGate::connect("redis://127.0.0.1:1", None).await.unwrap_err();
    assert!(matches!(gone, NotConnected::Unavailable(_)), "{gone}");
}

/// Without a test's clock, time is the server's.
#[tokio::test]
async fn gate_time_is_the_servers() {
    let redis = Redis::start().await;
    let gate = RedisGate::connect(&redis.url(), None).await.unwrap();
    let now = async || gate.settings().await.unwrap()[0].now;
    let mut definition = definition(10);
    let before = now().await;
    definition.windows[0].opens_at = before.plus(-60_000);
    definition.windows[0].closes_at = before.plus(3_600_000);
    load(&gate, 1, firstcome_shared::domain::Book::new(definition)).await.unwrap();
    let called = crate::gate::Call { now: before, ..call(1) };
    let reply = gate.decide(&id(), called, &people([1])).await.unwrap();
    let at = reply.entries[0].at;
    assert!(before <= at && at <= now().await, "{before} {at}");
    let apart = crate::gate::Call { now: before.plus(-60_000), ..call(1) };
    let refused = gate.decide(&id(), apart, &people([1])).await;
    assert!(matches!(refused, Err(GateError::ClocksApart { apart_ms }) if apart_ms >= 60_000), "{refused:?}");
}
