//! How fast it is. Nothing is promised here; the numbers are for whoever changes a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use firstcome_shared::domain::Book;

use super::{NOON, Server, by_hand, call, definition, id, load, open, people};
use crate::gate::{Gate, Logged, ROWS};

/// Callers at once, so that the server never waits.
const CALLERS: u64 = 4;
const PEOPLE: u64 = 1_000_000;

async fn microseconds(server: &Server, command: &str) -> String {
    let stats: String =
        redis::from_redis_value(by_hand(&server.redis.url(), &["INFO", "commandstats"]).await).unwrap();
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    line.and_then(|line| line.split("usec_per_call=").nth(1)?.split(',').next()).unwrap_or("-").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone, with --release and --nocapture"]
async fn decisions_a_second() {
    for batch in [1, 64, 512] {
        let server = Arc::new(open().await);
        load(&server.gate, 1, Book::new(definition(PEOPLE))).await.unwrap();
        let people_in_all = if batch == 1 { PEOPLE / 20 } else { PEOPLE };
        let batches: Vec<_> =
            (0..people_in_all / batch).map(|number| people(number * batch..(number + 1) * batch)).collect();
        let (batches, next) = (Arc::new(batches), Arc::new(AtomicU64::new(0)));
        let begun = Instant::now();
        let callers = (0..CALLERS).map(|_| {
            let (server, batches, next) = (Arc::clone(&server), Arc::clone(&batches), Arc::clone(&next));
            tokio::spawn(async move {
                let mut logged = 0;
                while let Some(asks) =
                    batches.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap())
                {
                    let known = Logged { decision: logged, sequence: logged };
                    let call = crate::gate::Call { logged: known, ..call(1) };
                    logged = server.gate.decide(&id(), call, asks).await.unwrap().decision;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        let rate = people_in_all * 1_000 / u64::try_from(begun.elapsed().as_millis()).unwrap();
        let script = microseconds(&server, "evalsha").await;
        println!("{batch} a call: {rate} people a second; the script takes {script} µs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone, with --release and --nocapture"]
async fn a_million_loaded_and_read() {
    let server = open().await;
    let mut book = Book::new(definition(PEOPLE));
    for first in (0..PEOPLE).step_by(10_000) {
        book.decide(&people(first..first + 10_000), NOON);
    }
    let begun = Instant::now();
    load(&server.gate, 1, book).await.unwrap();
    println!("a million loaded in {:?}", begun.elapsed());
    by_hand(&server.redis.url(), &["CONFIG", "RESETSTAT"]).await;
    let begun = Instant::now();
    for from in (1..=PEOPLE).step_by(usize::try_from(ROWS).unwrap()) {
        assert_eq!(server.gate.rows(&id(), call(1), from, from + ROWS - 1).await.unwrap().body.len(), 10_000);
    }
    let script = microseconds(&server, "evalsha").await;
    println!("a million read in {:?}; a script takes {script} µs", begun.elapsed());
}
