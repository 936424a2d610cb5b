//! The servers do what tests will rely on: they answer, break as told, keep or lose what they held, and never stay behind.

#![allow(clippy::unwrap_used)]

use std::{
    future::Future,
    time::{Duration, Instant},
};

mod death;
mod missing;
mod mongo;
mod nats;
mod postgres;
mod proxy;
mod redis;
mod shared;

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < deadline, "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether it is still not there after a while. Only what should *not* come is waited for like this.
async fn hangs<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), future).await.is_err()
}

/// Whether anybody listens.
fn listens(addr: &str) -> bool {
    std::net::TcpStream::connect(addr).is_ok()
}

/// Prints how long a start took, for whoever reads with `--nocapture`.
async fn timed<T>(what: &str, start: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let value = start.await;
    println!("{what} starts in {:?}", begun.elapsed());
    value
}
