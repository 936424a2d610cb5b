//! One append to the log, as far as a single answer goes: who appends goes on from there (ARCHITECTURE L4, L5).

use std::time::Duration;

use bytes::Bytes;
use firstcome_shared::clock::jittered;
use firstcome_shared::event_log::{AppendError, EventLog, LogUnavailable, Subject};
use tokio::time::{Instant, sleep, timeout};

/// An append that is not answered by then is in doubt; a read that is not, has failed. Tests hold appends back and have to
/// let them through in time, also on a busy machine.
pub(super) const APPEND_DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 10 } else { 3 });
/// An append that is still in process by then means that the log is away (ARCHITECTURE L5).
const IN_PROCESS_DEADLINE: Duration = Duration::from_secs(1);

/// One attempt; sent again while the log says that one is in process (ARCHITECTURE L5).
pub(crate) async fn append(
    log: &dyn EventLog,
    subject: &Subject,
    expected: u64,
    bytes: &Bytes,
) -> Result<u64, AppendError> {
    let started = Instant::now();
    let mut back_off = 1;
    loop {
        let append = log.append(subject, expected, bytes.clone());
        match timeout(APPEND_DEADLINE, append).await.unwrap_or_else(|_| Err(late().into())) {
            Err(AppendError::InProcess) if started.elapsed() < IN_PROCESS_DEADLINE => {
                sleep(jittered(back_off)).await;
                back_off = (back_off * 2).min(100);
            }
            outcome => return outcome,
        }
    }
}

pub(super) fn late() -> LogUnavailable {
    LogUnavailable::new("it did not answer in time")
}
