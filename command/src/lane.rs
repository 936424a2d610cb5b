//! One campaign in one instance: a queue of people, the worker that decides them in batches and answers them when the
//! log holds what was decided. A campaign has a lane of its own, so one campaign's flood does not slow another.

mod append;
mod appender;
mod askers;
mod recovery;
mod sold_out;
mod status;
mod turns;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Clock;
use firstcome_shared::domain::{Ask, CampaignId, CodeSecret, Command, Held, Refused, Terms, Verdict};
use firstcome_shared::event::{Actor, Message};
use firstcome_shared::event_log::{EventLog, Subject, position};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::position::Position;
use tokio::sync::{mpsc, oneshot};

use crate::gate::{Call, Gate, GateError, Reply};
use crate::metrics::{Campaigns, Metrics};
pub(crate) use append::append;
use askers::Askers;
use sold_out::SoldOut;
pub use status::Status;
pub use turns::Turns;
use worker::Worker;

/// Most people a batch decides at once.
const BATCH_PEOPLE: usize = 512;
/// About how many bytes of log a batch may take.
const BATCH_BYTES: usize = 256 << 10;
/// How often a guarded read is repeated when the gate turns out to have forgotten.
const READ_ATTEMPTS: u32 = 4;

/// What every lane of an instance shares.
#[derive(Debug)]
pub struct Parts {
    /// Decides.
    pub gate: Arc<dyn Gate>,
    /// The truth.
    pub log: Arc<dyn EventLog>,
    /// Makes coupon codes.
    pub secret: CodeSecret,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Owns the workers.
    pub lifecycle: Lifecycle,
    /// People that may wait in one campaign's queue.
    pub queue: usize,
    /// Keeps them out of each other's way.
    pub turns: Turns,
    /// What is counted of each campaign.
    pub metrics: Campaigns,
}

/// A result together with a position of the log at which all that it rests on is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<T> {
    /// The result.
    pub body: T,
    /// Where to read it.
    pub position: Position,
}

/// No result: nothing is promised, and asking again is safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The queue is full; nobody's chance is used up (P8).
    #[error("too many people wait for this campaign")]
    Busy,
    /// There is no such campaign.
    #[error("there is no such campaign")]
    NotFound,
    /// Not decided, or decided and not known to be logged (P5).
    #[error("{0}")]
    Unavailable(String),
}

/// The answer to an ask.
pub type Answer = Result<Logged<Verdict>, NoAnswer>;

/// A person in the queue.
#[derive(Debug)]
struct Asking {
    ask: Ask,
    answer: oneshot::Sender<Answer>,
}

/// What an operator's request has the worker do, in line with the batches.
#[derive(Debug)]
enum Order {
    /// Decide a command in the gate.
    Command {
        command: Command,
        actor: String,
        request: Option<String>,
        answer: oneshot::Sender<Result<Logged<Result<(), Refused>>, NoAnswer>>,
    },
    /// The gate refused this epoch: find out why and mend it.
    Recover { refused: u64, done: oneshot::Sender<Result<(), NoAnswer>> },
    /// Fence and load anew, though nothing is known to be wrong.
    Rebuild { done: oneshot::Sender<Result<(), NoAnswer>> },
}

/// What handle, worker and appender of a lane have in common.
#[derive(Clone, Debug)]
struct Shared {
    campaign: CampaignId,
    parts: Arc<Parts>,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
}

/// The handle of a lane. The worker ends when the handle is dropped and everybody has been answered.
#[derive(Debug)]
pub struct Lane {
    campaign: CampaignId,
    parts: Arc<Parts>,
    asks: mpsc::Sender<Asking>,
    orders: mpsc::Sender<Order>,
    status: Arc<Status>,
    sold_out: Arc<SoldOut>,
    metrics: Arc<Metrics>,
    terms: OnceLock<(bool, Terms)>,
    /// "Sold out" as callers are told it, and the stock that it names.
    refusal: RwLock<Option<(u64, Bytes)>>,
    askers: Askers,
}

impl Lane {
    /// Opens a lane behind `end`, the campaign's end in the log.
    pub fn open(campaign: CampaignId, end: Chain, parts: Arc<Parts>) -> Self {
        let (asks, queue) = mpsc::channel(parts.queue);
        let (orders, desk) = mpsc::channel(64);
        let status = Arc::new(Status::new(end));
        let sold_out = Arc::new(SoldOut::new(campaign.clone(), Arc::clone(&parts.gate)));
        let metrics = parts.metrics.of(&campaign);
        let shared = Shared {
            campaign: campaign.clone(),
            parts: Arc::clone(&parts),
            status: Arc::clone(&status),
            metrics: Arc::clone(&metrics),
        };
        let worker = Worker::new(shared, end, Arc::clone(&sold_out), queue, desk);
        parts.lifecycle.spawn("lane", worker.run());
        Self {
            campaign,
            parts,
            asks,
            orders,
            status,
            sold_out,
            metrics,
            terms: OnceLock::new(),
            refusal: RwLock::default(),
            askers: Askers::default(),
        }
    }

    /// Asks for a coupon. Returns when the log holds everything decided before the answer (ARCHITECTURE A1).
    pub async fn ask(&self, ask: Ask) -> Answer {
        self.askers.count(&ask.user);
        let asked = self.metrics.asked();
        let answer = self.answer(ask).await;
        asked.answered(&answer);
        answer
    }

    async fn answer(&self, ask: Ask) -> Answer {
        // First of all: nobody is told anything, a refusal neither, while the log is away or has forgotten (P5).
        if let Some(reason) = self.status.away() {
            return Err(NoAnswer::Unavailable(reason));
        }
        match self.sold_out.refuse(&ask.user).await? {
            Some(body) => Ok(Logged { body, position: self.position(self.status.end().sequence) }),
            None => self.queue(ask).await,
        }
    }

    /// Whether an ask must carry a key, and what a coupon is worth: a campaign never changes either.
    pub async fn terms(&self) -> Result<&(bool, Terms), NoAnswer> {
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        // Boxed, or every ask would make room for what the first one does.
        let definition = Box::pin(self.read(Gate::view)).await?.definition;
        Ok(self.terms.get_or_init(|| (definition.needs_key(), definition.coupon)))
    }

    async fn queue(&self, ask: Ask) -> Answer {
        let began = Instant::now();
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Asking { ask, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        // Also when the caller hangs up, or meets the deadline.
        let _waiting = self.metrics.waiting(began);
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Has a command decided in the gate, and waits until the log holds it.
    pub async fn command<'a>(
        &self,
        command: Command,
        actor: impl Into<Actor<'a>>,
    ) -> Result<Logged<Result<(), Refused>>, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let Actor { name, request } = actor.into();
        let (actor, request) = (name.to_owned(), request.map(str::to_owned));
        let order = Order::Command { command, actor, request, answer };
        self.orders.send(order).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Fences the gate and loads it anew from the log.
    pub async fn rebuild(&self) -> Result<(), NoAnswer> {
        let (done, outcome) = oneshot::channel();
        self.orders.send(Order::Rebuild { done }).await.map_err(|_| stopping())?;
        outcome.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Runs a guarded read of the gate; when the gate has forgotten, has it mended and reads again.
    pub async fn read<'a, T, F>(
        &'a self,
        read: impl Fn(&'a dyn Gate, &'a CampaignId, Call<'a>) -> F,
    ) -> Result<T, NoAnswer>
    where
        F: Future<Output = Result<Reply<T>, GateError>>,
    {
        for _ in 0..READ_ATTEMPTS {
            let end = self.status.end();
            match read(&*self.parts.gate, &self.campaign, call(end, &self.parts)).await {
                Ok(reply) => return Ok(reply.body),
                Err(GateError::Forgot) => {
                    let (done, outcome) = oneshot::channel();
                    self.orders
                        .send(Order::Recover { refused: end.epoch, done })
                        .await
                        .map_err(|_| stopping())?;
                    outcome.await.unwrap_or_else(|_| Err(stopping()))?;
                }
                Err(error) => return Err(NoAnswer::Unavailable(error.to_string())),
            }
        }
        Err(NoAnswer::Unavailable("the gate keeps forgetting this campaign".to_owned()))
    }

    /// "Sold out" as callers are told it: written once for each stock, because a whole country is told the same.
    pub fn sold_out(&self, stock: u64, write: impl FnOnce() -> Bytes) -> Bytes {
        if let Some((of, text)) = &*self.refusal.read().unwrap_or_else(PoisonError::into_inner)
            && *of == stock
        {
            return text.clone();
        }
        let text = write();
        *self.refusal.write().unwrap_or_else(PoisonError::into_inner) = Some((stock, text.clone()));
        text
    }

    /// Who asked most often since the lane was opened.
    pub fn askers(&self) -> &Askers {
        &self.askers
    }

    /// What the pipeline shows of it.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// People in the queue.
    pub fn queued(&self) -> usize {
        self.asks.max_capacity() - self.asks.capacity()
    }

    /// The coupon's code.
    pub fn code(&self, held: &Held) -> String {
        self.parts.secret.code(&self.campaign, held.seq)
    }

    fn position(&self, sequence: u64) -> Position {
        position(&*self.parts.log, &Subject::decisions(&self.campaign), sequence)
    }
}

/// What a call under the epoch of `end` says.
fn call(end: Chain, parts: &Parts) -> Call<'_> {
    let logged = crate::gate::Logged { decision: end.last, sequence: end.sequence };
    Call { log: parts.log.identity(), epoch: end.epoch, logged, now: parts.clock.now() }
}

/// What is said of a message that was not written for the log in which it stands (ARCHITECTURE L7).
pub(crate) fn foreign(sequence: u64, message: &Message, log: &str) -> String {
    format!("message {sequence} was written for log {}, but this is log {log}", message.log)
}

fn stopping() -> NoAnswer {
    NoAnswer::Unavailable("this instance is stopping".to_owned())
}
