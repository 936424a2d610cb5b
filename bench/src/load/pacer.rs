//! Hands out sending times to a precision of about 0.1 ms. The runtime's own timers round up to whole milliseconds,
//! which would show as latency of the server; a thread that sleeps does not.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// No wake-ups in closer succession than this: what falls due in between goes out together.
const GRAIN: Duration = Duration::from_micros(100);
/// Looks this often whether anybody still waits.
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// A queue of turns, each of which comes at its time. Dropping all clones ends the thread behind it.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    turns: Arc<Semaphore>,
}

impl Pacer {
    /// A turn at `began + due(0)`, `began + due(1)`, … until `due` gives none. `due` never goes back.
    pub(crate) fn start(began: Instant, due: impl Fn(usize) -> Option<Duration> + Send + 'static) -> Self {
        let turns = Arc::new(Semaphore::new(0));
        let weak = Arc::downgrade(&turns);
        tokio::task::spawn_blocking(move || {
            let mut next = 0;
            while let Some(at) = due(next) {
                let ahead = at.saturating_sub(began.elapsed());
                if !ahead.is_zero() {
                    thread::sleep(ahead.clamp(GRAIN, LONGEST_NAP));
                }
                let Some(turns) = weak.upgrade() else { return };
                let passed = began.elapsed();
                let first = next;
                while due(next).is_some_and(|at| at <= passed) {
                    next += 1;
                }
                if next > first {
                    turns.add_permits(next - first);
                }
            }
        });
        Self { turns }
    }

    /// Waits for the next turn. Whoever asks for more turns than there are waits for ever.
    pub(crate) async fn turn(&self) {
        if let Ok(permit) = self.turns.acquire().await {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_at_their_time_and_never_early() {
        let began = Instant::now();
        let due = |turn: usize| (turn < 40).then(|| Duration::from_millis(turn as u64));
        let pacer = Pacer::start(began, due);
        for turn in 0..40 {
            pacer.turn().await;
            assert!(began.elapsed() >= due(turn).unwrap(), "turn {turn} came early");
        }
        let extra = tokio::time::timeout(Duration::from_millis(20), pacer.turn()).await;
        assert!(extra.is_err(), "no turn beyond the last");
    }
}
