//! Loading: once an epoch, whole or not at all (ARCHITECTURE G5).

use firstcome_shared::domain::{Definition, RequestKey};
use firstcome_shared::wire::LimitPer;
use redis::Value;

use super::{
    LOG, Server, book, call, connect, decide, definition, fenced, forgot, id, load, open, people, rows, seqs,
};
use crate::gate::redis::script::{Keys, SWAP};
use crate::gate::{Gate, GateError};
use crate::testing::{until, wish};

/// Two rebuild at once, each behind a fence of its own: the younger fence's load wins, whoever comes first.
#[tokio::test]
async fn of_two_who_rebuild_at_once_the_younger_fence_wins() {
    let server = open().await;
    let other = connect(&server.redis.url(), &server.clock).await;
    let holders = |count| {
        let mut book = book(definition(30_000));
        book.decide(&people(1..=count), super::NOON);
        book
    };
    for round in 0..4 {
        let (old, new) = (10 * round + 1, 10 * round + 2);
        let one = fenced(&server.gate, old, &format!("old {round}"), holders(10_000)).await;
        let two = fenced(&other, new, &format!("new {round}"), holders(20_000)).await;
        let (id, first) = (id(), round % 2 == 0);
        let (one, two) = if first {
            tokio::join!(server.gate.load(&id, one), other.load(&id, two))
        } else {
            let (two, one) = tokio::join!(other.load(&id, two), server.gate.load(&id, one));
            (one, two)
        };
        assert_eq!(two, Ok(()), "round {round}");
        assert!(matches!(one, Ok(()) | Err(GateError::Forgot)), "{one:?}");
        forgot(&server.gate, old).await;
        assert_eq!(rows(&server.gate, new).await.len(), 20_000);
    }
    // Only what is in place is left.
    assert_eq!(server.by_hand(&["DBSIZE"]).await, Value::Int(3));
}

/// The same fence twice: the second load comes too late, with whatever.
#[tokio::test]
async fn a_second_load_of_an_epoch_changes_nothing() {
    let server = Server::with_summer(10).await;
    decide(&server.gate, 1, &people([1, 2])).await;
    let twice = fenced(&server.gate, 1, "0000000000000001", book(definition(10))).await;
    assert_eq!(server.gate.load(&id(), twice).await, Err(GateError::Forgot));
    load(&server.gate, 5, book(definition(10))).await.unwrap();
    for epoch in 1..=5 {
        assert_eq!(load(&server.gate, epoch, book(definition(3))).await, Err(GateError::Forgot), "{epoch}");
    }
    assert_eq!(seqs(&decide(&server.gate, 5, &people([9])).await), [1]);
}

/// The server restarts between fence and load: that fence named another memory.
#[tokio::test]
async fn a_restart_between_fence_and_load_makes_the_load_void() {
    let server = Server::with_summer(10).await;
    let late = fenced(&server.gate, 2, "late", book(definition(10))).await;
    server.redis.restart().await;
    until("the gate is back", || async { server.gate.incarnation(&id()).await.is_ok() }).await;
    assert_eq!(server.gate.load(&id(), late).await, Err(GateError::Forgot));
    forgot(&server.gate, 2).await;
    load(&server.gate, 3, book(definition(10))).await.unwrap();
    assert_eq!(seqs(&decide(&server.gate, 3, &people([1])).await), [1]);
}

/// The script itself says no, also to what was right when it was sent off.
#[tokio::test]
async fn the_swap_refuses_what_is_incomplete_or_of_another_memory() {
    let server = open().await;
    let incarnation = server.gate.incarnation(&id()).await.unwrap();
    let swap = async |epoch: u64, incarnation: &str, people: usize, coupons: usize| {
        let (id, mut keys) = (id(), Keys::of(&id()).all());
        keys.extend(Keys::of(&id).staged("n"));
        let outcome = SWAP.run(&server.gate.core.quick, &id, &keys, |command| {
            command.arg(epoch).arg(incarnation).arg(LOG).arg(people).arg(coupons);
            command.arg("epoch").arg(epoch).arg("incarnation").arg(incarnation).arg("log").arg(LOG);
        });
        redis::from_redis_value::<String>(outcome.await.unwrap()).unwrap()
    };
    server.by_hand(&["HSET", "fc:{summer}:holders:n", "a", "1", "b", "2"]).await;
    server.by_hand(&["RPUSH", "fc:{summer}:line:n", "a", "b"]).await;
    server.by_hand(&["EXPIRE", "fc:{summer}:holders:n", "100"]).await;
    assert_eq!(swap(3, "another", 2, 2).await, "forgot");
    for (people, coupons) in [(1, 2), (3, 2), (2, 1), (2, 3), (0, 0)] {
        assert_eq!(swap(3, &incarnation, people, coupons).await, "incomplete");
    }
    assert_eq!(server.by_hand(&["EXISTS", "fc:{summer}:meta"]).await, Value::Int(0));
    assert_eq!(swap(3, &incarnation, 2, 2).await, "ok");
    assert_eq!(server.by_hand(&["TTL", "fc:{summer}:holders"]).await, Value::Int(-1), "it stays");
    for epoch in [1, 2, 3] {
        assert_eq!(swap(epoch, &incarnation, 0, 0).await, "forgot", "{epoch}");
    }
    assert_eq!(server.by_hand(&["HLEN", "fc:{summer}:holders"]).await, Value::Int(2));
    assert_eq!(swap(4, &incarnation, 0, 0).await, "ok");
    assert_eq!(server.by_hand(&["EXISTS", "fc:{summer}:holders", "fc:{summer}:line"]).await, Value::Int(0));
}

/// What a person holds survives the way through the log and back: many coupons, keys, windows, how many there were.
#[tokio::test]
async fn holders_of_many_coupons_are_loaded_whole() {
    for (limit, limit_per) in [(3, LimitPer::Campaign), (1, LimitPer::Window), (2, LimitPer::Window)] {
        let server = open().await;
        let mut model = book(Definition { per_user_limit: limit, limit_per, ..definition(1_000) });
        let asks: Vec<_> = (0..40).map(|n| wish(format!("u-{}", n % 9), format!("k-{n}"))).collect();
        model.decide(&asks, super::NOON);
        load(&server.gate, 1, model.clone()).await.unwrap();
        let rows = server.gate.rows(&id(), call(1), 1, u64::MAX).await.unwrap().body;
        assert_eq!(u64::try_from(rows.len()).unwrap(), model.total_issued());
        for row in rows {
            assert!(model.holders[&row.user].iter().any(|held| *held == row.held), "{row:?}");
            assert_eq!(
                row.held.key.as_ref().map(RequestKey::as_str),
                Some(&*format!("k-{}", row.held.seq - 1))
            );
        }
        let more: Vec<_> = (0..40).map(|n| wish(format!("u-{}", n % 12), format!("l-{n}"))).collect();
        let expected = model.decide(&more, super::NOON);
        let reply = decide(&server.gate, 1, &more).await;
        assert_eq!((reply.body, reply.entries), (expected.verdicts, expected.entries));
    }
}
