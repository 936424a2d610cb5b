//! Ordered reading. A reader's next call goes on where its last one ended, so the consumer that served it stays open
//! between the calls, and so does a request for the next message: that is what wakes who waits, without anything being
//! sent that nobody asked for.
//!
//! A consumer may be on a copy that is behind, or be gone with its server. So it is never asked whether there is more
//! (the leader is), and what it delivers is taken only in its own unbroken numbering; at any doubt it is given up and
//! another one is made where the reader stands.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{BatchConfig, Config};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::{Message, StatusCode, Subscriber, jetstream};
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::api::Api;
use super::{Subjects, millis};
use crate::event_log::{Budget, LogUnavailable, Stored};
use crate::position::Position;

/// Consumers kept open for readers that may come back.
const MOST: usize = 16;
/// A reader that did not come back by then is gone; the server forgets its consumer a little later.
const IDLE: Duration = Duration::from_secs(20);
const FORGET: Duration = Duration::from_secs(30);
/// How long a request for the next message stands.
const WAIT: Duration = Duration::from_secs(10);
/// A message that is known to be there comes within this, or the consumer is not believed.
const NEXT: Duration = Duration::from_millis(500);
/// Most messages of one request, and what one message is taken to weigh before any was seen.
const CHUNK: usize = 256;
const GUESS: usize = 32 << 10;
const REMAINING: &str = "Nats-Pending-Messages";

/// A consumer that one reader follows.
pub(super) struct Tail {
    subjects: Vec<String>,
    /// The reader has everything up to here.
    at: u64,
    /// What has arrived since.
    arrived: VecDeque<Stored>,
    /// Messages and bytes that ever arrived: what one weighs.
    weighed: (usize, usize),
    consumer: Consumer<Config>,
    inbox: async_nats::Subject,
    subscription: Subscriber,
    context: jetstream::Context,
    names: Subjects,
    /// The consumer's own number of the last message that arrived.
    delivered: u64,
    /// How many more the consumer knew of when it sent that.
    pending: u64,
    /// Asked for and not yet arrived, and until when that stands.
    owed: usize,
    stands: Instant,
    used: Instant,
    /// How often the connection had been lost before: what the consumer sent to an earlier one is gone.
    losses: u64,
}

impl Tail {
    async fn open(api: &Api, names: &Subjects, subjects: &[String], at: u64) -> Result<Self, LogUnavailable> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: at.saturating_add(1) },
            ack_policy: AckPolicy::None,
            filter_subjects: subjects.to_vec(),
            // Nothing is lost with it: what it would remember is in `at`.
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FORGET,
            ..Config::default()
        };
        let losses = api.losses();
        let inbox = async_nats::Subject::from(api.client.new_inbox());
        let subscription = api.within(api.client.subscribe(inbox.clone())).await?;
        let consumer = api.within(api.stream.create_consumer(config)).await?;
        let now = Instant::now();
        Ok(Self {
            subjects: subjects.to_vec(),
            at,
            arrived: VecDeque::new(),
            weighed: (1, GUESS),
            pending: consumer.cached_info().num_pending,
            consumer,
            inbox,
            subscription,
            context: api.context().clone(),
            names: names.clone(),
            delivered: 0,
            owed: 0,
            stands: now,
            used: now,
            losses,
        })
    }

    /// Takes what has come meanwhile; whether there is more for the reader, as far as is known here.
    pub(super) fn has_more(&mut self) -> Result<bool, String> {
        while let Some(Some(message)) = self.subscription.next().now_or_never() {
            self.take(message)?;
        }
        Ok(!self.arrived.is_empty() || self.pending > 0)
    }

    /// Waits until something has arrived. May be dropped at any time.
    pub(super) async fn wait(&mut self) -> Result<(), String> {
        while !self.has_more()? {
            self.ask(1).await?;
            match timeout_at(self.stands, self.subscription.next()).await {
                Ok(Some(message)) => self.take(message)?,
                Ok(None) => return Err("the subscription ended".to_owned()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Collects what `budget` allows of what is there. May be dropped at any time: what arrived is kept.
    pub(super) async fn collect(&mut self, budget: Budget, deadline: Instant) -> Result<(), String> {
        loop {
            self.has_more()?;
            let wanted = self.wanted(budget);
            if wanted == 0 || (self.pending == 0 && !self.arrived.is_empty()) {
                return Ok(());
            }
            // Who asks although nothing is pending knows better: the leader has shown it.
            let known = usize::try_from(self.pending).unwrap_or(usize::MAX).max(1);
            self.ask(wanted.min(known)).await?;
            match timeout_at(deadline.min(Instant::now() + NEXT), self.subscription.next()).await {
                Ok(Some(message)) => self.take(message)?,
                Ok(None) => return Err("the subscription ended".to_owned()),
                Err(_) if self.arrived.is_empty() => return Err("it does not deliver".to_owned()),
                Err(_) => return Ok(()),
            }
        }
    }

    /// What has arrived, as much of it as the budget allows.
    pub(super) fn hand_out(&mut self, budget: Budget) -> Vec<Stored> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < count(budget) && bytes < budget.bytes.max(1) {
            let Some(message) = self.arrived.pop_front() else { break };
            bytes += message.payload.len();
            self.at = message.position.sequence;
            messages.push(message);
        }
        messages
    }

    /// How many more messages the budget has room for, about.
    fn wanted(&self, budget: Budget) -> usize {
        let bytes: usize = self.arrived.iter().map(|message| message.payload.len()).sum();
        let (messages, weight) = self.weighed;
        let by_bytes = budget.bytes.max(1).saturating_sub(bytes).div_ceil((weight / messages).max(1));
        by_bytes.min(count(budget).saturating_sub(self.arrived.len())).min(CHUNK)
    }

    /// Asks for so many messages, unless some are owed already.
    async fn ask(&mut self, messages: usize) -> Result<(), String> {
        let now = Instant::now();
        if self.owed > 0 && now < self.stands {
            return Ok(());
        }
        // Set first: a request that was sent by a call that was dropped is owed as well.
        (self.owed, self.stands) = (messages, now + WAIT);
        let request = BatchConfig { batch: messages, expires: Some(WAIT), ..BatchConfig::default() };
        self.consumer.request_batch(request, self.inbox.clone()).await.map_err(|error| error.to_string())
    }

    fn take(&mut self, message: Message) -> Result<(), String> {
        match message.status {
            None => {}
            Some(StatusCode::IDLE_HEARTBEAT) => return Ok(()),
            // A request stands no longer.
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => {
                let header = message.headers.as_ref().and_then(|headers| headers.get(REMAINING));
                let remaining = header.and_then(|value| value.as_str().parse().ok()).unwrap_or(self.owed);
                self.owed = self.owed.saturating_sub(remaining);
                return Ok(());
            }
            Some(status) => {
                return Err(message.description.unwrap_or_else(|| format!("status {}", status.as_u16())));
            }
        }
        let message = jetstream::Message { message, context: self.context.clone() };
        let info = message.info().map_err(|error| error.to_string())?;
        let last = self.arrived.back().map_or(self.at, |last| last.position.sequence);
        if info.consumer_sequence != self.delivered + 1 || info.stream_sequence <= last {
            return Err(format!("message {} was not the next one", info.stream_sequence));
        }
        self.delivered = info.consumer_sequence;
        self.pending = info.pending;
        self.owed = self.owed.saturating_sub(1);
        let (partition, subject) = self.names.parse(&message.subject).map_err(|error| error.reason)?;
        let position = Position::new(partition, info.stream_sequence);
        let stored_at = millis(info.published);
        let payload = message.message.payload;
        self.weighed = (self.weighed.0 + 1, self.weighed.1 + payload.len());
        self.arrived.push_back(Stored { subject, position, stored_at, payload });
        Ok(())
    }

    /// Tells the server that nobody needs the consumer any more; if that is lost, the server finds out itself.
    fn close(self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let info = self.consumer.cached_info();
                let stream = self.context.get_stream_no_info(&info.stream_name).await;
                if let Ok(stream) = stream {
                    let _ = stream.delete_consumer(&info.name).await;
                }
            });
        }
    }
}

fn count(budget: Budget) -> usize {
    usize::try_from(budget.messages.max(1)).unwrap_or(usize::MAX)
}

/// The tails that no call uses at the moment, the least recently used first.
#[derive(Default)]
pub(super) struct Tails(Mutex<Vec<Tail>>);

impl Tails {
    /// The tail of a reader of these subjects that has everything up to `at`.
    pub(super) fn find(&self, api: &Api, subjects: &[String], at: u64) -> Option<Borrowed<'_>> {
        let (mut tails, losses) = (self.lock(), api.losses());
        let gone: Vec<Tail> =
            tails.extract_if(.., |tail| tail.used.elapsed() > IDLE || tail.losses != losses).collect();
        let place = tails.iter().position(|tail| tail.at == at && tail.subjects == subjects);
        let found = place.map(|place| tails.remove(place));
        drop(tails);
        gone.into_iter().for_each(Tail::close);
        found.map(|tail| Borrowed { home: self, tail: Some(tail) })
    }

    /// Opens a tail.
    pub(super) async fn open(
        &self,
        api: &Api,
        names: &Subjects,
        subjects: &[String],
        at: u64,
    ) -> Result<Borrowed<'_>, LogUnavailable> {
        let tail = Tail::open(api, names, subjects, at).await?;
        Ok(Borrowed { home: self, tail: Some(tail) })
    }

    fn put_back(&self, tail: Tail) {
        let mut tails = self.lock();
        tails.push(tail);
        let surplus = (tails.len() > MOST).then(|| tails.remove(0));
        drop(tails);
        surplus.into_iter().for_each(Tail::close);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Tail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|tail| (&tail.subjects, tail.at))).finish()
    }
}

/// A tail in use: goes back when the call ends, also when it is dropped half-way.
pub(super) struct Borrowed<'a> {
    home: &'a Tails,
    tail: Option<Tail>,
}

impl Borrowed<'_> {
    /// Gives the tail up.
    pub(super) fn close(mut self) {
        self.tail.take().into_iter().for_each(Tail::close);
    }
}

impl Deref for Borrowed<'_> {
    type Target = Tail;

    fn deref(&self) -> &Tail {
        self.tail.as_ref().expect("only closing and dropping take it out, and both end this value")
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Tail {
        self.tail.as_mut().expect("only closing and dropping take it out, and both end this value")
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(mut tail) = self.tail.take() {
            tail.used = Instant::now();
            self.home.put_back(tail);
        }
    }
}
