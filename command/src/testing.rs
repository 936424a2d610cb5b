//! The rigs of the write side's tests: real adapters in a temporary folder, each instance behind decorators of its own
//! that hold, lose and count what passes through the two ports. Time is a hand that tests move.

mod faulty_log;
mod watched_gate;
mod world;

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use firstcome_shared::domain::{Ask, RequestKey, UserId};
use tokio::sync::watch;

pub(crate) use faulty_log::{Fault, FaultyLog};
pub(crate) use watched_gate::WatchedGate;
pub(crate) use world::{Instance, World, id, insist, one_off};

/// Far more than anything takes that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < DEADLINE, "not within the deadline: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// `work`, or a failure that says what did not come to an end.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_| panic!("not within the deadline: {what}"))
}

/// A person without a key.
pub(crate) fn person(name: impl std::fmt::Display) -> Ask {
    Ask { user: UserId::parse(&name.to_string()).unwrap(), key: None }
}

/// A person's wish with a key.
pub(crate) fn wish(name: impl std::fmt::Display, key: impl std::fmt::Display) -> Ask {
    Ask { key: Some(RequestKey::parse(&key.to_string()).unwrap()), ..person(name) }
}

/// A door: who comes waits while it is shut.
#[derive(Debug)]
pub(crate) struct Door {
    /// Whether it is shut, and how often those who waited were let through.
    state: watch::Sender<(bool, u64)>,
    waiting: watch::Sender<usize>,
}

impl Default for Door {
    fn default() -> Self {
        Self { state: watch::Sender::new((false, 0)), waiting: watch::Sender::new(0) }
    }
}

impl Door {
    pub(crate) fn shut(&self) {
        self.state.send_modify(|state| state.0 = true);
    }

    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.0 = false);
    }

    /// Lets those through who stand before it now; it stays shut for all others.
    pub(crate) fn let_through(&self) {
        self.state.send_modify(|state| state.1 += 1);
    }

    /// Passes, or waits until the door opens.
    pub(crate) async fn pass(&self) {
        let (shut, came) = *self.state.borrow();
        if !shut {
            return;
        }
        let _counted = Counted::new(&self.waiting);
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = state.wait_for(|(shut, through)| !shut || *through != came).await;
    }

    /// Returns when somebody stands before it.
    pub(crate) async fn somebody_waits(&self) {
        let mut waiting = self.waiting.subscribe();
        let arrived = waiting.wait_for(|waiting| *waiting > 0);
        within("somebody stands before the door", arrived).await.unwrap();
    }
}

/// One who waits, also when he gives up.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

type Action = Box<dyn FnOnce() + Send>;

/// Counts the calls of all ports of all instances, and does something just before the n-th.
#[derive(Default)]
pub(crate) struct Steps {
    count: AtomicU64,
    armed: Mutex<Option<(u64, Action)>>,
    names: Mutex<Vec<&'static str>>,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Steps({:?})", self.count)
    }
}

impl Steps {
    /// Counts from here; `action` runs just before call number `nth`, from 1.
    pub(crate) fn arm(&self, nth: u64, action: impl FnOnce() + Send + 'static) {
        self.count.store(0, Ordering::SeqCst);
        self.names.lock().unwrap().clear();
        *self.armed.lock().unwrap() = Some((nth, Box::new(action)));
    }

    /// The action will not run any more; whether it has run.
    pub(crate) fn disarm(&self) -> bool {
        self.armed.lock().unwrap().take().is_none()
    }

    /// Whether the action has not run yet.
    pub(crate) fn pending(&self) -> bool {
        self.armed.lock().unwrap().is_some()
    }

    /// What was called since.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.names.lock().unwrap().clone()
    }

    pub(crate) fn tick(&self, name: &'static str) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.names.lock().unwrap().push(name);
        let due = self.armed.lock().unwrap().take_if(|(nth, _)| *nth <= count);
        if let Some((_, action)) = due {
            action();
        }
    }
}

/// A small generator of its own, so that a seed means the same history for ever (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap()
    }
}
