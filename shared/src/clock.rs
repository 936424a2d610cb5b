//! Time and randomness, passed in: nothing else in the workspace may ask the operating system for either
//! (`clippy.toml` forbids it), so that every rule about time can be tested at the very millisecond it bites.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch. In the log it is a number; on the wire it is RFC 3339
/// (see [`crate::wire::Time`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment and so many milliseconds more; never overflows.
    #[must_use]
    pub fn plus(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::wire::Time(*self).fmt(f)
    }
}

/// Tells the time. Wall-clock time: it may jump, so whoever needs order keeps the latest it has used.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one owner of the global clock")]
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move; clones share the hand.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Millis) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    /// Moves the hand to `now`, also backwards.
    pub fn set(&self, now: Millis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the hand on by so many milliseconds.
    pub fn advance(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

/// Randomness from the operating system, as lower-case hexadecimal text: nonces, identities, secrets.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
#[expect(clippy::disallowed_methods, reason = "the one owner of randomness")]
pub fn random_hex<const BYTES: usize>() -> String {
    use fmt::Write as _;
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes.iter().fold(String::with_capacity(2 * BYTES), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A waiting time drawn evenly from the upper half of `milliseconds`: back-off with jitter, so that those who were
/// refused together do not come again together.
pub fn jittered(milliseconds: u64) -> std::time::Duration {
    let draw = u64::from_str_radix(&random_hex::<4>(), 16).unwrap_or(0);
    let half = milliseconds / 2;
    std::time::Duration::from_millis(half + draw % (milliseconds - half).max(1))
}
