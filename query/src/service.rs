//! The read side as a whole: what its routes answer from, and what must run beside them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use firstcome_shared::clock::Clock;
use firstcome_shared::event_log::EventLog;
use firstcome_shared::http::{self, Failure, Readiness};
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Checkpoint, Progress, Reader, StoreUnavailable};
use firstcome_shared::wire::{Code, Problem};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::read_model::ReadModel;

/// How long a query waits for the position that it was asked to have reached.
const PATIENCE: Duration = Duration::from_secs(5);
/// Another process may be the one that reads; its progress shows only in the store, which is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a probe waits for the store.
const PROBE: Duration = Duration::from_secs(1);

/// The read side.
#[derive(Debug)]
pub struct Query {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) model: Arc<dyn ReadModel>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) fingerprints: Semaphore,
    /// One a partition.
    looks: Vec<Mutex<Option<Look>>>,
    patience: Duration,
}

/// How far the store was when somebody who waits for a position last looked.
#[derive(Debug)]
struct Look {
    began: Instant,
    /// 0 when it was not read from this log.
    reached: Result<u64, StoreUnavailable>,
}

impl Query {
    /// Answers from `model`, which is read from `log` by [`Query::readers`]. Streams end when `shutdown` is cancelled.
    pub fn new(
        log: Arc<dyn EventLog>,
        model: Arc<dyn ReadModel>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        let progress = Arc::new(Progress::new("read_model", log.partitions()));
        let looks = (0..log.partitions()).map(|_| Mutex::default()).collect();
        let (fingerprints, patience) = (Semaphore::new(1), PATIENCE);
        Self { log, model, clock, progress, shutdown, fingerprints, looks, patience }
    }

    /// The same with another time that `at_least` waits.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How far the readers of this process have come.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// What keeps the read model level, one a partition: to be run for as long as the process lives, on a runtime
    /// that may be slow.
    pub fn readers(&self) -> Vec<Reader> {
        let reader = |partition| Reader {
            log: Arc::clone(&self.log),
            projection: Arc::<dyn ReadModel>::clone(&self.model),
            clock: Arc::clone(&self.clock),
            progress: Arc::clone(&self.progress),
            partition,
        };
        (0..self.log.partitions()).map(reader).collect()
    }

    /// Every route of the read side, all under `/v1/history`.
    pub fn routes(self: Arc<Self>) -> OpenApiRouter {
        crate::http::routes(self)
    }

    /// What is not ready. The log may be away: history is answered without it.
    pub async fn not_ready(&self) -> Vec<String> {
        let store = self.probe().await.err().map(|error| error.to_string());
        store.into_iter().chain(self.progress.forgot()).collect()
    }

    async fn probe(&self) -> Result<(), StoreUnavailable> {
        let away = |problem: String| StoreUnavailable { store: "read_model", problem };
        match timeout(PROBE, self.model.campaigns(None, 1)).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(away(format!("no answer within {} s", PROBE.as_secs()))),
        }
    }

    /// Returns when the read model has reached `at_least`, or with 504.
    pub(crate) async fn reached(&self, at_least: Option<Position>) -> http::Result<()> {
        let Some(position) = at_least else { return Ok(()) };
        if position.partition >= self.log.partitions() {
            return Err(Problem::invalid("at_least", "names a partition that the log does not have").into());
        }
        let waiting = async {
            loop {
                if timeout(LOOK_AGAIN, self.progress.wait_for(position)).await.is_ok() {
                    return Ok(());
                }
                if self.look(position.partition).await.map_err(unavailable)? >= position.sequence {
                    return Ok(());
                }
            }
        };
        timeout(self.patience, waiting).await.unwrap_or_else(|_| {
            let at = Position::new(position.partition, self.progress.sequence(position.partition));
            let detail =
                format!("Position {position} is not reached yet: the read model is at {at}. Ask again.");
            Err(Problem::new(Code::NotYet, detail).into())
        })
    }

    /// How far the store has come, as of a moment ago: one look for all who wait. It goes over the projection's own
    /// connections, of which there are few.
    async fn look(&self, partition: u32) -> Result<u64, StoreUnavailable> {
        let asked = Instant::now();
        let looks = usize::try_from(partition).ok().and_then(|partition| self.looks.get(partition));
        let Some(looks) = looks else { return Ok(0) };
        let mut last = looks.lock().await;
        if let Some(Look { began, reached }) = &*last
            && *began + LOOK_AGAIN > asked
        {
            return reached.clone();
        }
        let began = Instant::now();
        let stored = self.model.checkpoint(partition).await;
        let ours = |stored: Option<Checkpoint>| stored.filter(|stored| stored.log == self.log.identity());
        let reached = stored.map(|stored| ours(stored).map_or(0, |stored| stored.sequence));
        last.insert(Look { began, reached }).reached.clone()
    }
}

#[async_trait]
impl Readiness for Query {
    async fn not_ready(&self) -> Vec<String> {
        Self::not_ready(self).await
    }
}

/// 503: the cause is for the log, not for the caller.
pub(crate) fn unavailable(cause: impl std::fmt::Display) -> Failure {
    Failure::unavailable("History cannot be answered at the moment. Ask again.", cause)
}
