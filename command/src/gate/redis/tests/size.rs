//! What a coupon costs: a country's worth of holders must fit into a server, and twice so while they are loaded anew; and
//! a server that is full says so.

use std::time::{Duration, Instant};

use firstcome_shared::domain::UserId;
use firstcome_shared::event::{Entry, Event, IssuedCoupon};

use super::{NOON, Server, book, call, definition, id, load, open};
use crate::gate::{Gate, GateError, ROWS};
use crate::testing::{DEADLINE, person};

const PEOPLE: u64 = 1_000_000;
const BYTES_A_COUPON: u64 = 120;

async fn used(server: &Server) -> u64 {
    let info: String = redis::from_redis_value(server.by_hand(&["INFO", "memory"]).await).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    used.trim().parse().unwrap()
}

/// As long as a UUID.
fn user(number: u64) -> UserId {
    UserId::parse(&format!("{number:08x}-0000-4000-8000-{:012x}", number.wrapping_mul(0x9e37_79b9_7f4a)))
        .unwrap()
}

#[tokio::test]
async fn a_million_coupons_fit() {
    let server = open().await;
    let mut book = book(definition(PEOPLE));
    let empty = used(&server).await;
    for (decision, first) in (1..).zip((1..=PEOPLE).step_by(usize::try_from(ROWS).unwrap())) {
        let coupon = |seq| IssuedCoupon { seq, user_id: user(seq), n: 1, key: None, code: String::new() };
        let coupons = (first..first + ROWS).map(coupon).collect();
        let event = Event::CouponsIssued { window: 1, expires_at: None, coupons };
        book.apply(&Entry { decision, at: NOON, event }).unwrap();
    }
    load(&server.gate, 1, book).await.unwrap();
    // What is not yet written to the append-only file counts as well, and passes.
    let (begun, mut each) = (Instant::now(), u64::MAX);
    while each > BYTES_A_COUPON && begun.elapsed() < DEADLINE {
        each = each.min((used(&server).await - empty) / PEOPLE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{each} bytes a coupon of {PEOPLE}, loaded");
    assert!(each <= BYTES_A_COUPON, "{each} bytes a coupon");

    let last = server.gate.rows(&id(), call(1), PEOPLE - ROWS + 1, PEOPLE).await.unwrap().body;
    assert_eq!(u64::try_from(last.len()), Ok(ROWS));
    assert!(last.iter().all(|row| row.user == user(row.held.seq)));
}

/// Every read is answered and nothing can be decided: somebody must be told, whether anybody asks or not.
#[tokio::test]
async fn a_full_server_is_read_and_does_not_take_writes() {
    let server = Server::with_summer(5).await;
    server.gate.writable(&id()).await.unwrap();
    server.by_hand(&["CONFIG", "SET", "maxmemory", "1"]).await;
    server.gate.view(&id(), call(1)).await.unwrap();
    let decided = server.gate.decide(&id(), call(1), &[person("ann")]).await;
    assert!(matches!(decided, Err(GateError::Unavailable(_))), "{decided:?}");
    let refused = server.gate.writable(&id()).await.unwrap_err();
    assert!(refused.to_string().contains("maxmemory"), "{refused}");
    server.by_hand(&["CONFIG", "SET", "maxmemory", "0"]).await;
    server.gate.writable(&id()).await.unwrap();
    assert_eq!(server.gate.decide(&id(), call(1), &[person("ann")]).await.unwrap().decision, 1);
}
