//! A memory that is not whole is not believed (ARCHITECTURE G2): whatever is missing, every guarded call is refused, and
//! a load makes it whole again.

use firstcome_shared::domain::Verdict;

use super::{Server, book, decide, definition, forgot, id, load, outbox, people, rows, seqs};
use crate::gate::{Call, Gate, GateError, Logged};
use crate::testing::until;

async fn keys(server: &Server, name: &str) -> Vec<String> {
    redis::from_redis_value(server.by_hand(&["HKEYS", name]).await)
        .map(|keys: Vec<Vec<u8>>| keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect())
        .unwrap()
}

/// What is taken away is found missing, whatever it is.
#[tokio::test]
async fn a_memory_that_is_not_whole_is_refused() {
    let server = Server::with_summer(100).await;
    let mut epoch = 1;
    let meta = keys(&server, "fc:{summer}:meta").await;
    let mut losses: Vec<Vec<String>> = [
        "XDEL fc:{summer}:outbox 2-0",
        "XTRIM fc:{summer}:outbox MAXLEN 1",
        "LPOP fc:{summer}:line",
        "RPUSH fc:{summer}:line somebody",
        "HSET fc:{summer}:holders somebody something",
        "DEL fc:{summer}:holders",
        "DEL fc:{summer}:line",
        "DEL fc:{summer}:outbox",
        "DEL fc:{summer}:meta",
        "FLUSHALL",
    ]
    .iter()
    .map(|command| command.split(' ').map(str::to_owned).collect())
    .collect();
    for field in ["log", "epoch", "incarnation", "decision", "logged", "coupons", "people", "time", "version"]
    {
        assert!(meta.iter().any(|name| name == field), "{meta:?}");
        losses.push(["HDEL", "fc:{summer}:meta", field].map(str::to_owned).into());
    }
    for loss in losses {
        for asks in [people([1, 2]), people([3])] {
            decide(&server.gate, epoch, &asks).await;
        }
        let before = rows(&server.gate, epoch).await;
        assert_eq!((before.len(), outbox(&server.gate, epoch).await.len()), (3, 2));
        server.by_hand(&loss.iter().map(String::as_str).collect::<Vec<_>>()).await;
        forgot(&server.gate, epoch).await;
        epoch += 1;
        load(&server.gate, epoch, book(definition(100)))
            .await
            .unwrap_or_else(|error| panic!("{loss:?}: {error}"));
    }
}

/// One holder's field, which has no name that could be typed.
#[tokio::test]
async fn a_lost_holder_is_missed() {
    let server = Server::with_summer(100).await;
    decide(&server.gate, 1, &people(1..=5)).await;
    let script = "local all = redis.call('HKEYS', KEYS[1]) return redis.call('HDEL', KEYS[1], all[1])";
    let gone = server.by_hand(&["EVAL", script, "1", "fc:{summer}:holders"]).await;
    assert_eq!(gone, redis::Value::Int(1));
    forgot(&server.gate, 1).await;
}

/// The log holds more than the gate decided: decisions are lost that somebody was told of.
#[tokio::test]
async fn a_gate_that_decided_less_than_is_logged_is_refused() {
    let server = Server::with_summer(100).await;
    decide(&server.gate, 1, &people([1, 2])).await;
    let at = |decision| Call { logged: Logged { decision, sequence: 9 }, ..super::call(1) };
    assert_eq!(server.gate.view(&id(), at(2)).await.err(), Some(GateError::Forgot));
    assert_eq!(server.gate.view(&id(), at(1)).await.unwrap().decision, 1);
}

/// An append-only file brings everything back, and the server is another one all the same.
#[tokio::test]
async fn a_restart_is_another_memory_whatever_it_still_holds() {
    let server = Server::with_summer(100).await;
    decide(&server.gate, 1, &people([1, 2])).await;
    let before = server.gate.incarnation(&id()).await.unwrap();
    server.redis.restart().await;
    until("the gate is back", || async { server.gate.incarnation(&id()).await.is_ok() }).await;
    assert_ne!(server.gate.incarnation(&id()).await.unwrap(), before);
    let held = server.by_hand(&["HLEN", "fc:{summer}:holders"]).await;
    assert_eq!(held, redis::Value::Int(2), "this test needs an append-only file");
    forgot(&server.gate, 1).await;
    load(&server.gate, 2, book(definition(100))).await.unwrap();
    assert_eq!(seqs(&decide(&server.gate, 2, &people([7])).await), [1]);
}

/// Full memory: nothing is decided, nothing is half written, and what is logged makes room.
#[tokio::test]
async fn a_full_server_refuses_and_forgets_nothing() {
    let server = Server::with_summer(1_000).await;
    let first = decide(&server.gate, 1, &people(1..=10)).await;
    server.by_hand(&["CONFIG", "SET", "maxmemory", "1"]).await;
    super::unavailable(&server.gate.decide(&id(), super::call(1), &people([11])).await);
    super::unavailable(
        &server.gate.command(&id(), super::call(1), &firstcome_shared::domain::Command::Pause, "olga").await,
    );
    // Trimming is allowed, and so is whoever holds a coupon.
    let logged = Call { logged: Logged { decision: 1, sequence: 5 }, ..super::call(1) };
    assert_eq!(server.gate.outbox(&id(), logged, 0, 1 << 20).await.unwrap().body, []);
    let again = server.gate.decide(&id(), logged, &people([3])).await.unwrap();
    assert!(matches!(&again.body[0], Verdict::AlreadyIssued(held) if held.seq == 3), "{again:?}");
    server.by_hand(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!((first.decision, seqs(&decide(&server.gate, 1, &people([11])).await)), (1, vec![11]));
}
