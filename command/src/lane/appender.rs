//! From decided to logged: entries wait here in the order of their decisions, one append is in flight, and answers
//! are held back until the log has everything they rest on (ARCHITECTURE L1-L5, A1, A2).

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use firstcome_shared::chain::Chain;
use firstcome_shared::clock::{jittered, random_hex};
use firstcome_shared::event::{Draft, Entry, Message};
use firstcome_shared::event_log::{AppendError, MESSAGE_BYTES, Subject};
use firstcome_shared::position::Position;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::status::Stopped;
use super::turns::Turn;
use super::worker::place;
use super::{NoAnswer, Shared, append, foreign};

/// Decided and not logged: beyond this the worker decides nothing new.
const PENDING_BYTES: usize = 4 << 20;
const FIRST_LOOK_MS: u64 = 1;
const LONGEST_LOOK_MS: u64 = 20;
const LONGEST_PROBE_MS: u64 = 1_000;

type Release = Box<dyn FnOnce(Result<Position, NoAnswer>) + Send + Sync>;

/// Answers that rest on everything up to one decision.
struct Waiting {
    decision: u64,
    release: Release,
}

/// The bytes of one append, and the campaign's end once it is stored.
#[derive(Clone, Debug)]
struct Attempt {
    expected: u64,
    last: u64,
    bytes: Bytes,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Appended {
    attempt: Attempt,
    outcome: Result<u64, AppendError>,
}

/// The append that is under way, and whether something was decided since it began, be it a refusal.
struct InFlight {
    task: JoinHandle<Appended>,
    ahead: bool,
}

/// What one lane has decided and does not yet know to be logged.
pub(super) struct Appender {
    shared: Shared,
    /// The campaign's end in the log.
    end: Chain,
    /// Up to which decision the gate was told that all is logged. No look that begins later may show less.
    told: u64,
    /// Entries of `end.epoch` after `end.last`, ascending; gaps are others' decisions.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// In which requests operators had them decided, by decision.
    requests: BTreeMap<u64, String>,
    waiting: VecDeque<Waiting>,
    in_flight: Option<InFlight>,
    /// For what the next append takes.
    turn: Option<Turn>,
    /// An append in doubt: to be sent again with the same bytes, unless the end tells otherwise (ARCHITECTURE L4).
    doubt: Option<Attempt>,
    look_at: Option<Instant>,
    patience_ms: u64,
}

impl Appender {
    pub(super) fn new(shared: Shared, end: Chain) -> Self {
        Self {
            shared,
            end,
            told: 0,
            entries: VecDeque::new(),
            bytes: 0,
            requests: BTreeMap::new(),
            waiting: VecDeque::new(),
            in_flight: None,
            turn: None,
            doubt: None,
            look_at: None,
            patience_ms: FIRST_LOOK_MS,
        }
    }

    /// The campaign's end in the log, as far as it is known here.
    pub(super) fn end(&self) -> Chain {
        self.end
    }

    /// A reply of the gate says up to which decision it was told that all is logged, by this instance or another.
    pub(super) fn heard(&mut self, logged: u64) {
        self.told = self.told.max(logged);
    }

    /// The log holds more than is known here; or it did, and has forgotten it.
    pub(super) fn behind(&self) -> bool {
        self.end.last < self.told
    }

    /// Somebody waits, or something is to be appended.
    pub(super) fn busy(&self) -> bool {
        self.in_flight.is_some() || !self.waiting.is_empty() || !self.entries.is_empty()
    }

    /// Whether more may be decided now. While an append is in flight people gather: they will be one batch, one entry
    /// of the log and one flush, so nobody waits longer for it. A remote gate decides one batch meanwhile, as its calls
    /// take about as long as an append, unless other lanes wait for their turn.
    pub(super) fn may_decide(&self) -> bool {
        // While the log is away whoever asks is told so at once: nothing is decided for them.
        if self.shared.status.away().is_some() {
            return self.in_flight.is_none();
        }
        let may_go_ahead = self.shared.parts.gate.is_remote() && self.shared.parts.turns.free();
        let wait = self.in_flight.as_ref().is_some_and(|flying| flying.ahead || !may_go_ahead);
        !wait && self.bytes < PENDING_BYTES
    }

    /// When to look at the end again, if nothing else happens.
    pub(super) fn look_again(&self) -> Option<Instant> {
        self.look_at
    }

    /// What is decided now is appended in this turn.
    pub(super) fn takes(&mut self, turn: Option<Turn>) {
        self.turn = turn;
    }

    /// A reply of the gate: what it decided goes to the log, and `release` is called when everything up to `decision`
    /// is logged, or when that will never be known.
    pub(super) fn decided(
        &mut self,
        entries: Vec<Entry>,
        decision: u64,
        release: impl FnOnce(Result<Position, NoAnswer>) + Send + Sync + 'static,
    ) {
        // Another instance may have logged some, and a look have seen them, before the reply came.
        let logged = self.end.last;
        for mut entry in entries.into_iter().filter(|entry| entry.decision > logged) {
            entry.seal(&self.shared.campaign, &self.shared.parts.secret);
            self.bytes += entry.weight();
            self.entries.push_back(entry);
        }
        if let Some(flying) = &mut self.in_flight {
            flying.ahead = true;
        }
        self.shared.status.set_decision(decision);
        self.waiting.push_back(Waiting { decision, release: Box::new(release) });
        self.settle();
    }

    /// These entries were decided in that request.
    pub(super) fn decided_in(&mut self, request: Option<&str>, entries: &[Entry]) {
        let Some(request) = request else { return };
        self.requests.extend(entries.iter().map(|entry| (entry.decision, request.to_owned())));
    }

    /// The next decision to be logged is not here but in the gate's outbox, and somebody waits for it.
    pub(super) fn needs_others(&self) -> bool {
        self.in_flight.is_none() && self.look_at.is_none() && self.doubt.is_none() && self.stuck()
    }

    /// Something is to be done, but not with what is here.
    fn stuck(&self) -> bool {
        let here = self.entries.front().is_some_and(|entry| entry.decision == self.end.last + 1);
        !here && self.busy()
    }

    /// Entries from the gate's outbox, read under `epoch`. Those that are here already, or logged, are left out; and
    /// all of them when the epoch is over: their numbers may fit behind the fence, but their gate is gone.
    pub(super) fn add_others(&mut self, epoch: u64, entries: Vec<Entry>) {
        let entries = if epoch == self.end.epoch { entries } else { Vec::new() };
        for mut entry in entries {
            let place = self.entries.partition_point(|known| known.decision < entry.decision);
            let known = self.entries.get(place).is_some_and(|known| known.decision == entry.decision);
            if entry.decision > self.end.last && !known {
                entry.seal(&self.shared.campaign, &self.shared.parts.secret);
                self.bytes += entry.weight();
                self.entries.insert(place, entry);
            }
        }
        if self.needs_others() {
            // The next one is not in the outbox: another instance has logged it.
            self.look_later();
        }
        self.settle();
    }

    /// Starts the next append, if one is due.
    pub(super) fn start(&mut self) {
        if self.in_flight.is_none() {
            // Whatever hinders this append, others do not wait for it.
            let turn = self.turn.take();
            self.start_in(turn);
        }
    }

    /// The same while the gate is asked: what is decided already needs nothing of it. The turn stays with who is asked for.
    pub(super) fn start_decided(&mut self) {
        if self.in_flight.is_none() {
            self.start_in(None);
        }
    }

    fn start_in(&mut self, turn: Option<Turn>) {
        // While the log is away only what is in doubt is tried again: that it can be read says nothing about appends.
        let away = self.doubt.is_none() && self.shared.status.away().is_some();
        if self.look_at.is_some() || away {
            return;
        }
        let Some(attempt) = self.doubt.take().or_else(|| self.draft()) else { return };
        let (shared, subject) = (self.shared.clone(), Subject::decisions(&self.shared.campaign));
        // A task of its own: an append that was begun goes on, whatever happens to the lane (ARCHITECTURE G9).
        let task = tokio::spawn(async move {
            let started = Instant::now();
            let outcome = append(&*shared.parts.log, &subject, attempt.expected, &attempt.bytes).await;
            shared.metrics.appended(started.elapsed());
            drop(turn);
            Appended { attempt, outcome }
        });
        self.in_flight = Some(InFlight { task, ahead: false });
    }

    /// Waits for the append in flight; for ever when there is none.
    pub(super) async fn in_flight(&mut self) -> Appended {
        match &mut self.in_flight {
            Some(InFlight { task, .. }) => match task.await {
                Ok(appended) => appended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            None => pending().await,
        }
    }

    /// Draws the conclusions of an append.
    pub(super) async fn appended(&mut self, appended: Appended) {
        self.in_flight = None;
        let Appended { attempt, outcome } = appended;
        match outcome {
            // A look at the end has seen it, and what came after it, before its acknowledgement came.
            Ok(sequence) if sequence <= self.end.sequence => {}
            Ok(sequence) => {
                self.learn(Chain { sequence, last: attempt.last, ..self.end });
                if self.shared.status.away().is_some() {
                    self.look().await;
                }
            }
            Err(AppendError::Refused { .. }) => {
                self.shared.metrics.append_refused();
                self.look().await;
            }
            Err(error) => {
                self.doubt = Some(attempt);
                let reason = error.to_string();
                let why = if matches!(error, AppendError::InProcess) {
                    Stopped::InProcess(reason)
                } else {
                    self.look().await;
                    Stopped::Away(reason)
                };
                // It is not at the end, and may come yet: until that is settled the log counts as away, for it can
                // be full and readable (ARCHITECTURE L4, L5).
                if self.doubt.is_some() && self.look_at.is_none() {
                    self.away(why);
                }
            }
        }
    }

    /// Looks at the campaign's end and draws the conclusions; returns its last message. `None`: the log is away, or
    /// is not the one that acknowledged.
    pub(super) async fn look(&mut self) -> Option<Message> {
        self.look_at = None;
        let (parts, subject) = (Arc::clone(&self.shared.parts), Subject::decisions(&self.shared.campaign));
        match append::end(&*parts.log, &subject).await {
            Err(unavailable) => {
                self.away(Stopped::Away(unavailable.to_string()));
                None
            }
            Ok(None) => {
                self.forgot("the campaign has vanished from the log");
                None
            }
            Ok(Some(stored)) => match Message::decode(&stored.payload) {
                Ok(message) if message.log != self.shared.parts.log.identity() => {
                    let log = self.shared.parts.log.identity();
                    self.forgot(&foreign(stored.position.sequence, &message, log));
                    None
                }
                Ok(message) => {
                    let end = Chain::at(stored.position.sequence, &message);
                    // Before it is said that the log forgot: nobody is to restore one that has all.
                    if self.is_less(end)
                        && let Err(doubt) = append::ends_at(&*parts.log, &subject, end.sequence).await
                    {
                        self.away(Stopped::Away(doubt.to_string()));
                        return None;
                    }
                    self.adopt(end).then_some(message)
                }
                Err(undecodable) => {
                    self.forgot(&undecodable.to_string());
                    None
                }
            },
        }
    }

    /// Takes over what the log says (ARCHITECTURE L3); false when it says less than it had acknowledged (L7).
    pub(super) fn adopt(&mut self, end: Chain) -> bool {
        if self.is_less(end) {
            self.forgot("the campaign's end in the log lies before what was acknowledged");
            return false;
        }
        if end.epoch > self.end.epoch {
            // A new epoch: what was decided under the old one and is not logged is told to nobody.
            self.entries.clear();
            self.requests.clear();
            self.bytes = 0;
            self.doubt = None;
            // What is in flight expects an old position; its task goes on, its result says nothing any more.
            self.in_flight = None;
            self.end = end;
            self.shared.status.set_decision(end.last);
            self.give_up(&rebuilt());
        }
        let moved = end != self.end;
        self.learn(end);
        if self.doubt.as_ref().is_some_and(|attempt| attempt.expected != self.end.sequence) {
            self.doubt = None;
        }
        if self.doubt.is_none() && self.shared.status.away().is_some() {
            tracing::info!(campaign = %self.shared.campaign, "the log is back");
            self.shared.status.set_stopped(None);
            self.patience_ms = FIRST_LOOK_MS;
        }
        if !moved && self.needs_others() {
            self.look_later();
        }
        true
    }

    fn is_less(&self, end: Chain) -> bool {
        let known = self.end;
        let less = end.sequence < known.sequence || end.epoch < known.epoch;
        less || end.last < known.last.max(self.told) || (end.sequence == known.sequence && end != known)
    }

    /// Tells everybody who waits that nothing is known.
    pub(super) fn give_up(&mut self, no_answer: &NoAnswer) {
        for waiting in self.waiting.drain(..) {
            (waiting.release)(Err(no_answer.clone()));
        }
        self.settle();
    }

    fn learn(&mut self, end: Chain) {
        if end != self.end {
            self.patience_ms = FIRST_LOOK_MS;
            self.look_at = None;
        }
        self.end = end;
        self.shared.status.set_end(end);
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.decision <= end.last) {
            self.bytes = self.bytes.saturating_sub(entry.weight());
        }
        while self.requests.first_key_value().is_some_and(|(decision, _)| *decision <= end.last) {
            self.requests.pop_first();
        }
        self.settle();
    }

    /// Releases the answers whose decisions are logged.
    fn settle(&mut self) {
        let position = place(&*self.shared.parts.log, &self.shared.campaign, self.end.sequence);
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.decision <= self.end.last) {
            (waiting.release)(Ok(position));
        }
        self.shared.status.set_oldest(self.entries.front().map(|entry| entry.at));
    }

    /// The next message: the entries that continue the end, as many as fit.
    fn draft(&self) -> Option<Attempt> {
        let (mut next, mut bytes) = (self.end.last + 1, 0);
        let mut entries = Vec::new();
        for entry in &self.entries {
            bytes += entry.weight();
            if entry.decision != next || (bytes > MESSAGE_BYTES && !entries.is_empty()) {
                break;
            }
            next += 1;
            entries.push(entry);
        }
        let last = entries.last()?.decision;
        let draft = Draft {
            campaign: &self.shared.campaign,
            log: self.shared.parts.log.identity(),
            epoch: self.end.epoch,
            first: self.end.last + 1,
            last,
            prev: self.end.sequence,
            nonce: &random_hex::<8>(),
            entries,
            requests: self.requests.range(..=last).map(|(decision, id)| (*decision, id.as_str())).collect(),
        };
        Some(Attempt { expected: self.end.sequence, last, bytes: draft.encode() })
    }

    fn look_later(&mut self) {
        self.look_at = Some(Instant::now() + jittered(self.patience_ms.max(2)));
        self.patience_ms = (self.patience_ms * 2).min(LONGEST_LOOK_MS);
    }

    /// The log is away: nothing new is decided, whoever waits is told so, and the log is probed until it answers.
    fn away(&mut self, why: Stopped) {
        if self.shared.status.away().is_none() {
            let reason = why.clone().reason();
            tracing::warn!(campaign = %self.shared.campaign, "{reason}; nothing is decided until the log is back");
            self.patience_ms = LONGEST_LOOK_MS;
        }
        self.stop(why);
    }

    /// The log is not the one that acknowledged (ARCHITECTURE L7): nothing is decided until it is again.
    fn forgot(&mut self, reason: &str) {
        let reason = format!("the log forgot: {reason}");
        if self.shared.status.away().as_ref() != Some(&reason) {
            tracing::error!(
                campaign = %self.shared.campaign,
                "{reason}; nothing is issued here. Restore the log, or run the release that wrote it"
            );
        }
        self.stop(Stopped::Forgot(reason));
    }

    fn stop(&mut self, why: Stopped) {
        let reason = why.clone().reason();
        self.shared.status.set_stopped(Some(why));
        self.give_up(&NoAnswer::Unavailable(reason));
        self.look_at = Some(Instant::now() + jittered(self.patience_ms.max(2)));
        self.patience_ms = (self.patience_ms * 2).min(LONGEST_PROBE_MS);
    }
}

/// What is said of decisions whose epoch is over.
pub(super) fn rebuilt() -> NoAnswer {
    NoAnswer::Unavailable("the gate was rebuilt meanwhile".to_owned())
}
