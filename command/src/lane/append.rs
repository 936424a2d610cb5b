//! One append to the log, and one look at its end, as far as a single answer goes: who appends goes on from there
//! (ARCHITECTURE L4 to L6).

use std::time::Duration;

use bytes::Bytes;
use firstcome_shared::clock::jittered;
use firstcome_shared::event_log::{AppendError, Budget, EventLog, LogUnavailable, Stored, Subject};
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

/// The subject's last message.
pub(super) async fn end(log: &dyn EventLog, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
    timeout(APPEND_DEADLINE, log.end(subject)).await.unwrap_or_else(|_| Err(late()))
}

/// Whether the subject really ends at `sequence`: a message may be shown as the last by who does not know of a later one,
/// but that nothing stands behind it is said by nobody who may be behind (ARCHITECTURE L6).
pub(super) async fn ends_at(
    log: &dyn EventLog,
    subject: &Subject,
    sequence: u64,
) -> Result<(), LogUnavailable> {
    let behind = log.read(subject, sequence, Budget { messages: 1, bytes: 1 });
    match timeout(APPEND_DEADLINE, behind).await.unwrap_or_else(|_| Err(late()))?.first() {
        None => Ok(()),
        Some(_) => {
            Err(LogUnavailable::new(format!("it showed message {sequence} as the last, which it is not")))
        }
    }
}

pub(super) fn late() -> LogUnavailable {
    LogUnavailable::new("it did not answer in time")
}
