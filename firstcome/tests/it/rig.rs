//! What every test stands on: the binary as a child process that can be killed, stopped and started again on the same
//! folder, and a caller that keeps what it was told.

mod api;
mod command;
mod crowd;
mod proof;
mod server;
mod tamper;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use firstcome_shared::clock::{Clock as _, SystemClock};
use firstcome_shared::wire::Time;

pub use api::{Api, Coupon, Told, one_off, send};
pub use command::{Ended, firstcome, run, run_with};
pub use crowd::{ask_all, ask_until_clear, coupons, crowd, gather, people};
pub use proof::{System, assert_exact, assert_level, fingerprint, history, verify};
pub use server::{Folder, Launch, Server};
pub use tamper::{alter, hold, rows};

/// The longest that anything may take here before the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until `look` gives something; fails after [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "within {PATIENCE:?} it did not come to this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The moment so many milliseconds from now, as the API writes it.
pub fn from_now(milliseconds: i64) -> String {
    Time(SystemClock.now().plus(milliseconds)).to_string()
}

/// All of `items` are equal: that one.
pub fn one<T: PartialEq + Debug + Clone>(items: &[T]) -> T {
    let first = items.first().expect("at least one");
    for item in items {
        assert_eq!(item, first, "all are to be the same");
    }
    first.clone()
}
