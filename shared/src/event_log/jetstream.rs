//! The event log on NATS JetStream, for many instances: the servers keep it, copy it and flush it.
//!
//! It is one stream, all partitions in it. The log is one thing: it has one identity, is made in one step, and is copied
//! and restored as a whole; a stream a partition could come back from a backup one by one. Sequences are the stream's, so
//! they rise in each partition, with gaps. What partitions divide is reading: each has a reader of its own.
//!
//! An append waits until a quorum of the copies has it. On disk it is then only with `sync_interval: always` on every
//! server, which no client can see or set: [`flush`] asks a server's monitoring port.
//!
//! What a leader says is taken as it is: a message that it shows was stored by a quorum. It may have lost its office and
//! not know it, for some seconds, and miss the newest; whatever is concluded from that ends in an append behind a message
//! that is not the end, and is refused. Only "there is nothing", or nothing more, is an answer by itself, so it counts
//! only from a leader that was in touch with a quorum just before (ARCHITECTURE L6). Where its standing comes in
//! another answer than its word, that may have been an old leader's, so it is asked for its word again.

mod api;
mod flush;
mod stream;
mod subjects;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use async_nats::jetstream::consumer::pull::Config as Consumer;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::message::StreamMessage;
use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;

use self::api::{Api, DEADLINE, Info, Published};
pub use self::flush::{Flush, Monitored, monitored};
pub use self::stream::{OpenError, Settings};
use self::subjects::Subjects;
use self::tail::Tails;
use super::{AppendError, Backlog, Budget, EventLog, LogUnavailable, Stored, Subject};
use crate::clock::Millis;
use crate::domain::CampaignId;
use crate::position::Position;

/// A log in a JetStream stream.
#[derive(Debug)]
pub struct JetStreamLog {
    identity: String,
    api: Api,
    subjects: Subjects,
    tails: Tails,
    /// The last sequence acknowledged to this process, by partition.
    acknowledged: Vec<watch::Sender<u64>>,
}

impl JetStreamLog {
    /// Opens the log; makes it when there is none.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let api = Api::connect(&settings.url, &settings.name).await?;
        let identity = stream::open(&api, settings).await?;
        Ok(Self {
            identity,
            api,
            subjects: Subjects::new(&settings.name, settings.partitions),
            tails: Tails::default(),
            acknowledged: (0..settings.partitions.max(1)).map(|_| watch::Sender::new(0)).collect(),
        })
    }

    async fn info(&self, subjects: Option<&str>, offset: u64) -> Result<Info, LogUnavailable> {
        let info = self.api.info(subjects, offset).await?;
        match stream::identity(&info.config) {
            Some(identity) if identity == self.identity => Ok(info),
            other => Err(forgot(format!(
                "the stream was replaced while it was in use: this log is {}, that one is {}",
                self.identity,
                other.unwrap_or("nobody's")
            ))),
        }
    }

    /// Whether really nothing stands on `subjects`: the count and the leader's standing come in one answer.
    async fn is_empty(&self, subjects: &str) -> Result<bool, LogUnavailable> {
        Ok(led(self.info(Some(subjects), 0).await?)?.state.subjects.is_empty())
    }

    /// The message that `get` finds on `subjects`. That there is none has to be confirmed: a leader says so as well when
    /// it cannot read, or leads no longer.
    async fn found<F>(
        &self,
        subjects: &str,
        get: impl Fn() -> F + Send,
    ) -> Result<Option<StreamMessage>, LogUnavailable>
    where
        F: Future<Output = Result<Option<StreamMessage>, LogUnavailable>> + Send,
    {
        for _ in 0..2 {
            if let Some(message) = get().await? {
                return Ok(Some(message));
            }
            if self.is_empty(subjects).await? {
                return Ok(None);
            }
            // It was appended in between, or the leader has changed: once more.
        }
        Err(unreadable())
    }

    /// The last sequence on any of `subjects`; 0 when they are empty.
    async fn last(&self, subjects: &[String]) -> Result<u64, LogUnavailable> {
        let mut last = 0;
        for subject in subjects {
            let message = self.found(subject, || self.api.last(subject)).await?;
            last = message.map_or(0, |message| message.sequence).max(last);
        }
        Ok(last)
    }

    /// The same; asked again, behind a leader's proof that it leads, if it is not beyond `known`: one that was deposed
    /// may miss the newest. In its few seconds such a one may still be the first to answer both times: then too little
    /// is said, until somebody looks again.
    async fn last_beyond(&self, subjects: &[String], known: u64) -> Result<u64, LogUnavailable> {
        let last = self.last(subjects).await?;
        // That they are empty was said by a leader that leads.
        if last > known || last == 0 {
            return Ok(last);
        }
        led(self.info(None, 0).await?)?;
        // Perhaps that was the new leader, and before it an old one.
        Ok(self.last(subjects).await?.max(last))
    }

    /// The last sequence of a partition. That nothing stands after `after` is what a leader says as well that leads no
    /// longer, so it has to be confirmed; and so has that it ends before what it acknowledged.
    async fn end_of(&self, partition: u32, after: u64) -> Result<(u64, Option<Info>), LogUnavailable> {
        // Known before it is asked: what is acknowledged meanwhile it need not show.
        let acknowledged = self.acknowledged(partition).map_or(0, |sequence| *sequence.borrow());
        let known = after.max(acknowledged.saturating_sub(1));
        let (end, info) = if self.subjects.partitions == 1 {
            // The stream's own last sequence, which costs no message's payload.
            let info = self.info(None, 0).await?;
            let end = info.state.last_seq;
            (end, Some(if end > known { info } else { led(info)? }))
        } else {
            (self.last_beyond(&[self.subjects.partition(partition)], known).await?, None)
        };
        if end < acknowledged {
            return Err(forgot(format!("it ends at {end}, and has acknowledged {acknowledged}")));
        }
        Ok((end, info))
    }

    fn acknowledged(&self, partition: u32) -> Option<&watch::Sender<u64>> {
        self.acknowledged.get(usize::try_from(partition).ok()?)
    }

    /// The first message after sequence `after` on any of `subjects`.
    async fn next(&self, subjects: &[String], after: u64) -> Result<Option<Stored>, LogUnavailable> {
        let mut first: Option<StreamMessage> = None;
        for subject in subjects {
            let next = self.api.next(subject, after).await?;
            first = match (first, next) {
                (Some(one), Some(other)) if other.sequence < one.sequence => Some(other),
                (one, other) => one.or(other),
            };
        }
        first.map(|message| self.stored(message)).transpose()
    }

    /// Messages on `subjects` after sequence `after`; `partition`, when these are all subjects of one.
    async fn read_after(
        &self,
        subjects: &[String],
        partition: Option<u32>,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        let deadline = Instant::now() + DEADLINE;
        let (mut tail, mut more) = (self.tails.find(&self.api, subjects, after), false);
        if let Some(open) = &mut tail {
            match open.has_more() {
                Ok(known) => more = known,
                Err(reason) => {
                    tracing::debug!(?subjects, %reason, "a consumer is given up");
                    tail.take().into_iter().for_each(tail::Borrowed::close);
                }
            }
        }
        if !more {
            let end = match partition {
                Some(partition) => self.end_of(partition, after).await?.0,
                None => self.last_beyond(subjects, after).await?,
            };
            if end <= after {
                // Who reads a partition comes back for more; a fold has come to its end.
                if partition.is_none() {
                    tail.into_iter().for_each(tail::Borrowed::close);
                }
                return Ok(Vec::new());
            }
        }
        let mut tail = match tail {
            Some(tail) => tail,
            None => self.tails.open(&self.api, &self.subjects, subjects, after).await?,
        };
        let collected = tail.collect(budget, deadline).await;
        let messages = tail.hand_out(budget);
        if let Err(reason) = collected {
            tracing::debug!(?subjects, %reason, "a consumer is given up");
            tail.close();
        }
        if messages.is_empty() {
            // Its server is gone, or behind. The leader has the message, so reading goes on, if slowly.
            let next = self.next(subjects, after).await?;
            return next.map_or_else(|| Err(unreadable()), |next| Ok(vec![next]));
        }
        Ok(messages)
    }

    /// How many messages stand in a partition after sequence `after`: what a new consumer would have before it.
    async fn count(&self, partition: u32, after: u64) -> Result<u64, LogUnavailable> {
        let config = Consumer {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after.saturating_add(1) },
            ack_policy: AckPolicy::None,
            filter_subject: self.subjects.partition(partition),
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: DEADLINE,
            ..Consumer::default()
        };
        let consumer = self.api.within(self.api.stream.create_consumer(config)).await?;
        let info = consumer.cached_info();
        let pending = info.num_pending;
        // If this fails, the server deletes it soon.
        let _ = self.api.within(self.api.stream.delete_consumer(&info.name)).await;
        Ok(pending)
    }

    fn stored(&self, message: StreamMessage) -> Result<Stored, LogUnavailable> {
        let (partition, subject) = self.subjects.parse(&message.subject)?;
        let position = Position::new(partition, message.sequence);
        Ok(Stored { subject, position, stored_at: millis(message.time), payload: message.payload })
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    fn kind(&self) -> &'static str {
        "jetstream"
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn partitions(&self) -> u32 {
        self.subjects.partitions
    }

    async fn append(&self, subject: &Subject, expected: u64, payload: Bytes) -> Result<u64, AppendError> {
        match self.api.publish(self.subjects.name(subject), expected, payload).await {
            Published::Stored(sequence) => {
                if let Some(end) = self.acknowledged(subject.partition(self.subjects.partitions)) {
                    end.send_if_modified(|end| std::mem::replace(end, sequence.max(*end)) < sequence);
                }
                Ok(sequence)
            }
            Published::Refused(Some(end)) => Err(AppendError::Refused { end }),
            Published::Refused(None) => {
                let end = self.end(subject).await?.map_or(0, |stored| stored.position.sequence);
                Err(AppendError::Refused { end })
            }
            Published::InProcess => Err(AppendError::InProcess),
            Published::Unknown(reason) => Err(LogUnavailable::new(reason).into()),
        }
    }

    async fn end(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        let name = self.subjects.name(subject);
        self.found(&name, || self.api.last(&name)).await?.map(|message| self.stored(message)).transpose()
    }

    async fn first(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        let name = self.subjects.name(subject);
        self.found(&name, || self.api.next(&name, 0)).await?.map(|message| self.stored(message)).transpose()
    }

    async fn read(
        &self,
        subject: &Subject,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.read_after(&[self.subjects.name(subject)], None, after, budget).await
    }

    async fn read_campaign(
        &self,
        campaign: &CampaignId,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.read_after(&self.subjects.campaign(campaign), None, after, budget).await
    }

    async fn read_partition(
        &self,
        partition: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.read_after(&[self.subjects.partition(partition)], Some(partition), after, budget).await
    }

    async fn backlog(&self, partition: u32, after: u64) -> Result<Backlog, LogUnavailable> {
        let (end, info) = self.end_of(partition, after).await?;
        if end <= after {
            return Ok(Backlog { end, messages: 0, oldest: None });
        }
        let first = self.next(&[self.subjects.partition(partition)], after).await?;
        let messages = match (&first, info) {
            (None, _) => 0,
            // Every sequence is a message of the one partition.
            (_, Some(Info { state, .. })) if state.num_deleted == 0 => {
                end - after.max(state.first_seq.saturating_sub(1))
            }
            _ => self.count(partition, after).await?.max(1),
        };
        Ok(Backlog { end, messages, oldest: first.map(|first| first.stored_at) })
    }

    async fn last_sequence(&self, partition: u32, least: u64) -> Result<u64, LogUnavailable> {
        Ok(self.end_of(partition, least.saturating_sub(1)).await?.0)
    }

    async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<CampaignId>, LogUnavailable> {
        let (all, mut seen, mut campaigns) = (self.subjects.all(), 0, BTreeSet::new());
        loop {
            let info = self.info(Some(&all), seen).await?;
            let page = info.state.subjects;
            seen += u64::try_from(page.len()).unwrap_or(u64::MAX);
            let done = page.is_empty() || seen >= info.total;
            for name in page.keys() {
                let campaign = self.subjects.parse(name)?.1.campaign;
                if after.is_none_or(|after| campaign.as_str() > after) {
                    campaigns.insert(campaign);
                }
            }
            if done {
                return Ok(campaigns
                    .into_iter()
                    .take(usize::try_from(limit).unwrap_or(usize::MAX))
                    .collect());
            }
        }
    }

    /// Sees what any process appends: a request for the partition's next message stands with the server meanwhile.
    async fn changed(&self, partition: u32, after: u64) {
        let subjects = [self.subjects.partition(partition)];
        let tail = match self.tails.find(&self.api, &subjects, after) {
            Some(tail) => Some(tail),
            None => self.tails.open(&self.api, &self.subjects, &subjects, after).await.ok(),
        };
        if let Some(mut tail) = tail {
            match tail.wait().await {
                Ok(()) => return,
                Err(reason) => {
                    tracing::debug!(partition, %reason, "a consumer is given up");
                    tail.close();
                }
            }
        }
        // Without a consumer only what this process appends is seen; whoever waits looks himself in a while.
        match self.acknowledged(partition) {
            Some(end) => {
                // The sender lives as long as `self`, so waiting cannot fail.
                let _ = end.subscribe().wait_for(|end| *end > after).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The answer of a leader that still leads: what it does not have is not there.
fn led(info: Info) -> Result<Info, LogUnavailable> {
    if info.has_quorum() {
        Ok(info)
    } else {
        Err(LogUnavailable::new("too few of the servers that keep it can be reached"))
    }
}

/// It is not the log that it was (ARCHITECTURE L7).
fn forgot(reason: String) -> LogUnavailable {
    LogUnavailable { reason, forgot: true }
}

fn unreadable() -> LogUnavailable {
    LogUnavailable::new("a message that is there cannot be read")
}

/// A time of the servers'.
fn millis(time: OffsetDateTime) -> Millis {
    Millis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}
