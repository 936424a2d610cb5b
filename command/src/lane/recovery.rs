//! What happens when the gate refuses the epoch: find out from the log who is right, and if the gate has forgotten,
//! fence it and load it anew (ARCHITECTURE G3-G5). The log alone is enough; no database takes part.

use std::time::Duration;

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::{jittered, random_hex};
use firstcome_shared::domain::{Book, CampaignId};
use firstcome_shared::event::{Entry, Event, Message, VERSION};
use firstcome_shared::event_log::{AppendError, Budget, EventLog, Subject};
use tokio::time::{Instant, sleep, timeout};

use super::append::{APPEND_DEADLINE, append, late};
use super::worker::{GATE_DEADLINE, Worker, in_time};
use super::{NoAnswer, foreign};
use crate::gate::{GateError, Load, Logged};

/// A fence this young is given time to be loaded by whoever appended it.
const FENCE_GRACE: Duration = Duration::from_secs(3);
/// And so much more for each coupon that is to be loaded.
const COUPON_GRACE: Duration = Duration::from_micros(10);
/// A load that takes longer may be carried out or not: asking the gate tells. A million coupons take some seconds.
const LOAD_DEADLINE: Duration = Duration::from_mins(1);
const GRACE_POLL_MS: u64 = 50;
/// A rebuild this soon after another one waits first.
const CALM: Duration = Duration::from_secs(10);
const FIRST_BACK_OFF_MS: u64 = 100;
const LONGEST_BACK_OFF_MS: u64 = 5_000;
const FOLD: Budget = Budget { messages: 512, bytes: 8 << 20 };

/// The rebuilds of a lane: those that follow each other back off.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<Instant>,
    back_off_ms: u64,
    /// Of the last fence that was sent from here.
    nonce: String,
}

/// A campaign folded from the log so far.
#[derive(Default)]
struct Fold {
    chain: Chain,
    book: Option<Book>,
    /// The gate that the last memory was to be loaded into, while nothing has been decided in it.
    into: Option<String>,
    /// How many fences in a row named that gate and were followed by another one.
    superseded: u32,
}

impl Worker {
    /// The gate refused the epoch of the end known here. After `Ok` it is worth asking again.
    pub(super) async fn recover(&mut self) -> Result<(), NoAnswer> {
        let refused = self.appender.end().epoch;
        match self.still_refuses(refused, FENCE_GRACE).await? {
            Some(_) => self.rebuild(Some(refused)).await,
            None => Ok(()),
        }
    }

    /// The gate's incarnation, if `refused` is the epoch of the log's end and the gate refuses it: only then it has
    /// forgotten (ARCHITECTURE G3). A fence that somebody else may be loading is given `patience` first.
    async fn still_refuses(&mut self, refused: u64, patience: Duration) -> Result<Option<String>, NoAnswer> {
        let first_seen = Instant::now();
        loop {
            let Some(message) = self.appender.look().await else { return Err(self.unavailable()) };
            if self.appender.end().epoch != refused {
                return Ok(None);
            }
            match self.outbox(0).await {
                Ok(_) => return Ok(None),
                Err(GateError::Forgot) => {}
                Err(error) => return Err(gate_away(&error)),
            }
            let incarnation = self.incarnation().await?;
            let being_loaded = loaded_into(&message).is_some_and(|into| into == incarnation)
                && message.nonce != self.history.nonce;
            if !being_loaded || first_seen.elapsed() >= patience {
                return Ok(Some(incarnation));
            }
            sleep(jittered(GRACE_POLL_MS)).await;
        }
    }

    /// Fence first, fold after (ARCHITECTURE G4): what the log holds at the fence is all that the new epoch knows. With
    /// `refused`, only if that epoch still is: somebody else may have rebuilt while this instance came to it (G3).
    pub(super) async fn rebuild(&mut self, refused: Option<u64>) -> Result<(), NoAnswer> {
        self.shared.status.set_rebuilding(Some(self.shared.parts.clock.now()));
        let outcome = self.fence_and_load(refused).await;
        self.shared.status.set_rebuilding(None);
        outcome
    }

    async fn fence_and_load(&mut self, refused: Option<u64>) -> Result<(), NoAnswer> {
        self.calm_down().await;
        let started = Instant::now();
        // Nothing is built on a log that forgot (ARCHITECTURE L7).
        if self.appender.look().await.is_none() {
            return Err(self.unavailable());
        }
        if refused.is_some_and(|refused| refused != self.appender.end().epoch) {
            return Ok(());
        }
        // Who cannot read every message does not fence. What is folded here need not be folded again; what is appended
        // meanwhile is folded behind the fence, where nothing more comes.
        let (mut fold, end) = (Fold::default(), self.appender.end());
        self.fold(&mut fold, end.sequence).await?;
        if fold.chain.sequence < end.sequence {
            return Err(short());
        }
        // The fold took its time: the gate may have been loaded meanwhile, and a fence would only undo that.
        let incarnation = match refused {
            Some(refused) => match self.still_refuses(refused, fold.patience()).await? {
                Some(incarnation) => incarnation,
                None => return Ok(()),
            },
            None => self.incarnation().await?,
        };
        let nonce = random_hex::<8>();
        self.history.nonce.clone_from(&nonce);
        let Some(fence) = self.fence(fold.chain, &incarnation, &nonce).await? else { return Ok(()) };
        if !self.appender.adopt(fence) {
            return Err(self.unavailable());
        }
        self.fold(&mut fold, fence.sequence).await?;
        if fold.chain != fence {
            return Err(short());
        }
        let Some(book) = fold.book else { return Err(NoAnswer::NotFound) };
        if book.decision != fence.last {
            // Heads and entries of the messages disagree: what the gate would number next nobody could append.
            return Err(short());
        }
        let coupons = book.total_issued();
        let logged = Logged { decision: fence.last, sequence: fence.sequence };
        let log = self.shared.parts.log.identity().to_owned();
        let load = Load { log, epoch: fence.epoch, incarnation, nonce, book, logged };
        match in_time(LOAD_DEADLINE, self.shared.parts.gate.load(&self.shared.campaign, load)).await {
            Ok(()) => {
                self.shared.status.count_rebuild();
                self.shared.metrics.rebuilt(started.elapsed());
                tracing::info!(
                    campaign = %self.shared.campaign, epoch = fence.epoch, coupons, milliseconds = started.elapsed().as_millis(),
                    "the gate was loaded from the log"
                );
                Ok(())
            }
            // It lost its memory once more, or somebody else was faster: asking again tells.
            Err(GateError::Forgot) => Ok(()),
            Err(error) => Err(gate_away(&error)),
        }
    }

    /// Appends the fence behind the campaign's end; `None` when somebody else has fenced.
    async fn fence(
        &mut self,
        known: Chain,
        incarnation: &str,
        nonce: &str,
    ) -> Result<Option<Chain>, NoAnswer> {
        let (mut end, subject) = (known, Subject::decisions(&self.shared.campaign));
        loop {
            let bytes = fence(
                &self.shared.campaign,
                &*self.shared.parts.log,
                end,
                self.shared.parts.clock.now(),
                incarnation,
                nonce,
            );
            let refusal = match append(&*self.shared.parts.log, &subject, end.sequence, &bytes).await {
                Ok(sequence) => {
                    return Ok(Some(Chain { sequence, epoch: end.epoch + 1, last: end.last, loose: false }));
                }
                Err(refusal) => refusal,
            };
            // The end tells whose it is, also when there was no answer (ARCHITECTURE L4).
            let Some(message) = self.appender.look().await else { return Err(self.unavailable()) };
            let found = self.appender.end();
            if message.nonce == nonce {
                return Ok(Some(found));
            }
            if found.epoch > known.epoch {
                return Ok(None);
            }
            // Refused: at once again behind the message that came between, for a fold would lose every race against
            // a busy appender. A fence that may come yet is nobody's: whoever finds it at the end supersedes it.
            if !matches!(refusal, AppendError::Refused { .. }) || found == end {
                return Err(NoAnswer::Unavailable(refusal.to_string()));
            }
            end = found;
        }
    }

    /// The gate's incarnation. What it remembers, though it does not decide by it any more, tells whether the log once
    /// held more than it does: then nothing is built on it (ARCHITECTURE L7).
    async fn incarnation(&mut self) -> Result<String, NoAnswer> {
        match in_time(GATE_DEADLINE, self.shared.parts.gate.glance(&self.shared.campaign)).await {
            Ok(Some(held)) => {
                if *held.log == *self.shared.parts.log.identity() {
                    self.appender.heard(held.logged);
                }
                if self.appender.behind() && self.appender.look().await.is_none() {
                    return Err(self.unavailable());
                }
                return Ok(held.incarnation.to_string());
            }
            Ok(None) | Err(GateError::Forgot) => {}
            Err(error) => return Err(gate_away(&error)),
        }
        let incarnation = self.shared.parts.gate.incarnation(&self.shared.campaign);
        in_time(GATE_DEADLINE, incarnation).await.map_err(|error| gate_away(&error))
    }

    /// Folds the campaign's messages after `fold` up to `to`.
    async fn fold(&mut self, fold: &mut Fold, to: u64) -> Result<(), NoAnswer> {
        let subject = Subject::decisions(&self.shared.campaign);
        while fold.chain.sequence < to {
            let batch = self.shared.parts.log.read(&subject, fold.chain.sequence, FOLD);
            let batch = timeout(APPEND_DEADLINE, batch).await.unwrap_or_else(|_| Err(late()));
            let batch = batch.map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
            if batch.is_empty() {
                break;
            }
            for stored in batch.iter().take_while(|stored| stored.position.sequence <= to) {
                fold.add(self.shared.parts.log.identity(), stored.position.sequence, &stored.payload).map_err(|problem| {
                    tracing::error!(campaign = %self.shared.campaign, %problem, "the gate cannot be loaded from this log");
                    NoAnswer::Unavailable(problem)
                })?;
            }
            if batch.last().is_some_and(|stored| stored.position.sequence > to) {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn calm_down(&mut self) {
        let history = &mut self.history;
        if history.last.is_some_and(|last| last.elapsed() < CALM) {
            history.back_off_ms = (history.back_off_ms * 2).clamp(FIRST_BACK_OFF_MS, LONGEST_BACK_OFF_MS);
            tracing::warn!(campaign = %self.shared.campaign, "the gate forgets again and again: check its memory and its hosts");
            sleep(jittered(history.back_off_ms)).await;
        } else {
            history.back_off_ms = 0;
        }
        history.last = Some(Instant::now());
    }

    fn unavailable(&self) -> NoAnswer {
        NoAnswer::Unavailable(
            self.shared.status.away().unwrap_or_else(|| "the campaign is being recovered".to_owned()),
        )
    }
}

impl Fold {
    fn add(&mut self, log: &str, sequence: u64, payload: &[u8]) -> Result<(), String> {
        let message = Message::decode(payload).map_err(|error| format!("message {sequence}: {error}"))?;
        if message.log != log {
            return Err(foreign(sequence, &message, log));
        }
        self.chain = self.chain.follow(sequence, &message).map_err(|error| error.to_string())?;
        let into = loaded_into(&message).map(str::to_owned);
        self.superseded = if into.is_some() && into == self.into { self.superseded + 1 } else { 0 };
        self.into = into;
        for entry in &message.entries {
            match (&mut self.book, &entry.event) {
                (book @ None, Event::CampaignCreated { definition, .. }) => {
                    *book = Some(Book::new(definition.clone()));
                }
                (Some(book), _) => book.apply(entry).map_err(|error| error.to_string())?,
                (None, event) => return Err(format!("message {sequence}: {} before creation", event.kind())),
            }
        }
        Ok(())
    }

    /// How long a fence at its end may take to be loaded, besides [`FENCE_GRACE`]. It grows with what is to be loaded,
    /// and with every fence that was not given enough: however slow the gate is, one of them is loaded in the end.
    fn patience(&self) -> Duration {
        let coupons = self.book.as_ref().map_or(0, Book::total_issued);
        let load = COUPON_GRACE.saturating_mul(u32::try_from(coupons).unwrap_or(u32::MAX));
        let more = FENCE_GRACE * ((1 << self.superseded.min(5)) - 1);
        (load + more).min(LOAD_DEADLINE)
    }
}

/// The gate that this message's epoch is to be loaded into, when it begins one.
fn loaded_into(message: &Message) -> Option<&str> {
    match &message.entries.first()?.event {
        Event::CampaignCreated { incarnation, .. } | Event::GateFenced { incarnation } => Some(incarnation),
        _ => None,
    }
}

fn fence(
    campaign: &CampaignId,
    log: &dyn EventLog,
    end: Chain,
    at: firstcome_shared::clock::Millis,
    incarnation: &str,
    nonce: &str,
) -> bytes::Bytes {
    let event = Event::GateFenced { incarnation: incarnation.to_owned() };
    let message = Message {
        version: VERSION,
        campaign: campaign.clone(),
        log: log.identity().to_owned(),
        epoch: end.epoch + 1,
        first: end.last,
        last: end.last,
        prev: end.sequence,
        nonce: nonce.to_owned(),
        entries: vec![Entry { decision: end.last, at, event }],
        requests: std::collections::BTreeMap::new(),
    };
    message.encode()
}

/// What was read is not all that the log is known to hold: a gate built on it would have forgotten somebody.
fn short() -> NoAnswer {
    NoAnswer::Unavailable("the log does not show all that it holds".to_owned())
}

fn gate_away(error: &GateError) -> NoAnswer {
    NoAnswer::Unavailable(error.to_string())
}
