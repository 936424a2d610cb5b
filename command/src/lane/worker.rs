//! The one task of a lane: it takes whatever queued up, has it decided, and answers when the log holds it. All that
//! it knows of the log is in its own hands, so nothing here needs a lock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use firstcome_shared::chain::Chain;
use firstcome_shared::domain::{Ask, CampaignId, Command, Refused, Verdict};
use firstcome_shared::event::{Actor, Entry};
use firstcome_shared::event_log::{EventLog, MESSAGE_BYTES, Subject, position};
use firstcome_shared::position::Position;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::appender::{Appender, rebuilt};
use super::recovery::History;
use super::sold_out::SoldOut;
use super::{Answer, Asking, BATCH_BYTES, BATCH_PEOPLE, Logged, NoAnswer, Order, Parts, Shared, call};
use crate::gate::{Call, GateError, Reply};

/// A gate that takes longer is away. Tests hold calls back and have to let them through in time, also on a busy machine.
pub(super) const GATE_DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 10 } else { 3 });
/// Left-over entries of others are looked for this often.
const SWEEP: Duration = Duration::from_secs(1);
/// An entry younger than this is still in the hands of who decided it.
const LEFT_OVER_MS: i64 = 500;
/// How often a batch is put to a gate that keeps forgetting.
const ATTEMPTS: u32 = 5;

/// The worker of one lane.
pub(super) struct Worker {
    pub(super) shared: Shared,
    pub(super) appender: Appender,
    pub(super) history: History,
    sold_out: Arc<SoldOut>,
    asks: mpsc::Receiver<Asking>,
    orders: mpsc::Receiver<Order>,
}

impl Worker {
    pub(super) fn new(
        shared: Shared,
        end: Chain,
        sold_out: Arc<SoldOut>,
        asks: mpsc::Receiver<Asking>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let appender = Appender::new(shared.clone(), end);
        Self { shared, appender, history: History::default(), sold_out, asks, orders }
    }

    /// Works until the lane's handle is dropped and everybody has been answered.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_PEOPLE);
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        // What is decided when the lane closes is logged, unless the log is away: then the outbox keeps it.
        while open || (self.appender.busy() && self.shared.status.away().is_none()) {
            let look_again = self.appender.look_again();
            // The queue stands behind everything that makes room for it, or it would starve those who wait.
            tokio::select! {
                biased;
                appended = self.appender.in_flight() => self.appender.appended(appended).await,
                () = sleep_until(look_again.unwrap_or_else(Instant::now)), if look_again.is_some() => {
                    self.appender.look().await;
                }
                Some(order) = self.orders.recv() => self.order(order).await,
                taken = self.asks.recv_many(&mut batch, BATCH_PEOPLE), if open && self.appender.may_decide() => {
                    open = taken > 0;
                    self.decide(&mut batch).await;
                }
                _ = sweep.tick() => self.sweep().await,
            }
            self.append().await;
        }
    }

    /// Has a batch decided, in slices that fit a message.
    async fn decide(&mut self, batch: &mut Vec<Asking>) {
        let turn = self.shared.parts.turns.take().await;
        // Who came while this lane waited comes along.
        while batch.len() < BATCH_PEOPLE
            && let Ok(asking) = self.asks.try_recv()
        {
            batch.push(asking);
        }
        self.appender.takes(turn);
        // Who hung up meanwhile has lost nothing by not being asked for.
        let mut people = batch.drain(..).filter(|asking| !asking.answer.is_closed()).peekable();
        while people.peek().is_some() {
            let (mut asks, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some(asking) = people.next_if(|_| bytes < BATCH_BYTES) {
                bytes += weight(&asking.ask);
                asks.push(asking.ask);
                answers.push(asking.answer);
            }
            self.decide_slice(&asks, answers).await;
        }
    }

    async fn decide_slice(&mut self, asks: &[Ask], answers: Vec<oneshot::Sender<Answer>>) {
        let started = Instant::now();
        let (campaign, parts) = (self.shared.campaign.clone(), Arc::clone(&self.shared.parts));
        let reply = self.guarded(&parts, |call| parts.gate.decide(&campaign, call, asks)).await;
        self.shared.metrics.decided(asks.len(), started.elapsed());
        match reply {
            Ok(reply) => {
                self.remember_sold_out(&reply);
                let verdicts = reply.body;
                self.appender.decided(reply.entries, reply.decision, |logged| {
                    for (answer, verdict) in answers.into_iter().zip(verdicts) {
                        // Who hung up finds the same coupon when they ask again.
                        let _ =
                            answer.send(logged.clone().map(|position| Logged { body: verdict, position }));
                    }
                });
            }
            Err(no_answer) => {
                for answer in answers {
                    let _ = answer.send(Err(no_answer.clone()));
                }
            }
        }
    }

    async fn order(&mut self, order: Order) {
        match order {
            // Whoever wanted it has given up: the worker may have been busy for long.
            Order::Recover { ref done, .. } | Order::Rebuild { ref done } if done.is_closed() => {}
            Order::Command { ref answer, .. } if answer.is_closed() => {}
            Order::Command { command, actor, request, answer } => {
                let actor = Actor { name: &actor, request: request.as_deref() };
                self.command(&command, actor, answer).await;
            }
            Order::Recover { refused, done } => {
                let outcome =
                    if refused == self.appender.end().epoch { self.recover().await } else { Ok(()) };
                let _ = done.send(outcome);
            }
            Order::Rebuild { done } => {
                let _ = done.send(self.rebuild(None).await);
            }
        }
    }

    async fn command(
        &mut self,
        command: &Command,
        actor: Actor<'_>,
        answer: oneshot::Sender<Result<Logged<Result<(), Refused>>, NoAnswer>>,
    ) {
        let (campaign, parts) = (self.shared.campaign.clone(), Arc::clone(&self.shared.parts));
        match self.guarded(&parts, |call| parts.gate.command(&campaign, call, command, actor.name)).await {
            Ok(Reply { decision, entries, body, .. }) => {
                self.appender.decided_in(actor.request, &entries);
                self.appender.decided(entries, decision, |logged: Result<Position, NoAnswer>| {
                    let _ = answer.send(logged.map(|position| Logged { body, position }));
                });
            }
            Err(no_answer) => {
                let _ = answer.send(Err(no_answer));
            }
        }
    }

    /// Puts a deciding call to the gate, mending what makes it refuse. Nothing is decided while the log is away (P5).
    async fn guarded<'a, T, F>(
        &mut self,
        parts: &'a Parts,
        step: impl Fn(Call<'a>) -> F,
    ) -> Result<Reply<T>, NoAnswer>
    where
        F: Future<Output = Result<Reply<T>, GateError>>,
    {
        for _ in 0..ATTEMPTS {
            if let Some(reason) = self.shared.status.away() {
                return Err(NoAnswer::Unavailable(reason));
            }
            let end = self.appender.end();
            let mut asked = pin!(in_time(GATE_DEADLINE, step(call(end, parts))));
            // A gate that hangs holds nobody back who is decided already, or whose decision is logged meanwhile.
            let reply = loop {
                self.appender.start_decided();
                tokio::select! {
                    biased;
                    reply = &mut asked => break reply,
                    appended = self.appender.in_flight() => self.appender.appended(appended).await,
                }
            };
            match reply {
                // What that append found may have ended the epoch of this reply, and all that it says (ARCHITECTURE G1).
                Ok(_) if end.epoch != self.appender.end().epoch => return Err(rebuilt()),
                Ok(reply) => {
                    self.appender.heard(reply.logged);
                    return Ok(reply);
                }
                Err(GateError::Forgot) => {
                    // A rebuild may take a minute: that is nobody's turn.
                    self.appender.takes(None);
                    self.recover().await?;
                }
                Err(error) => return Err(NoAnswer::Unavailable(error.to_string())),
            }
        }
        Err(NoAnswer::Unavailable("the gate keeps forgetting this campaign".to_owned()))
    }

    /// Starts the next append, if there is something to append or to wait for. What stands before an answer may have
    /// been decided by another instance: then it comes from the gate (ARCHITECTURE A2).
    async fn append(&mut self) {
        if self.appender.needs_others() {
            let end = self.appender.end();
            match self.outbox(MESSAGE_BYTES).await {
                Ok(entries) => self.appender.add_others(end.epoch, entries),
                // Whoever waits was decided under this epoch: a gate that forgot it cannot help them any more.
                Err(GateError::Forgot) => {
                    if let Err(no_answer) = self.recover().await {
                        self.appender.give_up(&no_answer);
                    }
                }
                Err(error) => self.appender.give_up(&NoAnswer::Unavailable(error.to_string())),
            }
        }
        self.appender.start();
    }

    /// Appends what a dead instance left in the outbox, and notices a gate or a log that forgot while nobody asks.
    async fn sweep(&mut self) {
        if self.appender.busy() || self.shared.status.away().is_some() {
            return;
        }
        let epoch = self.appender.end().epoch;
        match self.outbox(MESSAGE_BYTES).await {
            Ok(entries) => {
                let now = self.shared.parts.clock.now();
                let left_over = entries.first().is_some_and(|entry| now.since(entry.at) > LEFT_OVER_MS);
                if left_over || self.appender.behind() {
                    // Most likely another instance has logged them long ago: the end tells.
                    self.appender.look().await;
                }
                if left_over {
                    self.appender.add_others(epoch, entries);
                }
            }
            Err(GateError::Forgot) => {
                // The next sweep tries again.
                let _ = self.recover().await;
            }
            Err(_) => {}
        }
    }

    /// What the gate has decided after the end that is known here.
    pub(super) async fn outbox(&mut self, max_bytes: usize) -> Result<Vec<Entry>, GateError> {
        let end = self.appender.end();
        let call = call(end, &self.shared.parts);
        let outbox = self.shared.parts.gate.outbox(&self.shared.campaign, call, end.last, max_bytes);
        let reply = in_time(GATE_DEADLINE, outbox).await?;
        self.appender.heard(reply.logged);
        Ok(reply.body)
    }

    fn remember_sold_out(&self, reply: &Reply<Vec<Verdict>>) {
        let sold_out = reply.body.iter().any(|verdict| matches!(verdict, Verdict::SoldOut { .. }));
        if sold_out && reply.decision == reply.logged && !self.sold_out.begun() {
            let (end, parts) = (self.appender.end(), Arc::clone(&self.shared.parts));
            let sold_out = Arc::clone(&self.sold_out);
            let begin = async move { sold_out.begin(call(end, &parts)).await };
            self.shared.parts.lifecycle.spawn("sold-out cache", begin);
        }
    }
}

/// The outcome of a gate call, which is not waited for for ever.
pub(super) async fn in_time<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, GateError>>,
) -> Result<T, GateError> {
    timeout(deadline, call)
        .await
        .unwrap_or_else(|_| Err(GateError::Unavailable("it did not answer in time".to_owned())))
}

/// About how many bytes of log an ask may take; never fewer.
fn weight(ask: &Ask) -> usize {
    110 + 2 * ask.user.as_str().len() + ask.key.as_ref().map_or(0, |key| 2 * key.as_str().len())
}

/// The position of `sequence` on the campaign's subject.
pub(super) fn place(log: &dyn EventLog, campaign: &CampaignId, sequence: u64) -> Position {
    position(log, &Subject::decisions(campaign), sequence)
}
