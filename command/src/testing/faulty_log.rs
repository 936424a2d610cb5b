//! An event log that does to its caller what networks and disks do: holds appends, stores them and loses the answer,
//! stores nothing, is away. One an instance, all over the same real log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::event::Message;
use firstcome_shared::event_log::{AppendError, Backlog, Budget, EventLog, LogUnavailable, Stored, Subject};

use super::{Door, Steps};

/// What happens to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: it is carried out.
    None,
    /// Stored; no answer.
    LostAcknowledgement,
    /// Not stored; no answer. A full disk does so too.
    LostAppend,
    /// Not stored; an append is said to be in process.
    InProcess,
    /// Stored; an append is said to be in process.
    InProcessAndStored,
    /// The same, and somebody else's append, with the nonce `other`, is stored behind it.
    Overtaken,
}

/// The log as one instance sees it.
#[derive(Debug)]
pub(crate) struct FaultyLog {
    inner: Arc<dyn EventLog>,
    steps: Arc<Steps>,
    plan: Mutex<VecDeque<Fault>>,
    always: Mutex<Fault>,
    away: AtomicBool,
    hidden_after: AtomicU64,
    shown_as_end: AtomicU64,
    /// Appends wait here, sent and not yet carried out: they are, when it opens, whoever still waits for them.
    pub(crate) appends: Arc<Door>,
    /// Reads of many messages wait here before they are carried out.
    pub(crate) reads: Door,
    /// Who asks where a partition ends waits here.
    pub(crate) backlogs: Door,
    /// Position expected and bytes of every append that was sent.
    sent: Mutex<Vec<(u64, Bytes)>>,
}

impl FaultyLog {
    pub(crate) fn new(inner: Arc<dyn EventLog>, steps: Arc<Steps>) -> Self {
        Self {
            inner,
            steps,
            plan: Mutex::default(),
            always: Mutex::new(Fault::None),
            away: AtomicBool::new(false),
            hidden_after: AtomicU64::new(u64::MAX),
            shown_as_end: AtomicU64::new(0),
            appends: Arc::default(),
            reads: Door::default(),
            backlogs: Door::default(),
            sent: Mutex::default(),
        }
    }

    /// What happens to the next appends, one after the other.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap().extend(faults);
    }

    /// What happens to every append that nothing is planned for.
    pub(crate) fn always(&self, fault: Fault) {
        *self.always.lock().unwrap() = fault;
    }

    /// Answers nobody any more, or again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Reads of many messages do not see what stands after this sequence, as from a copy that is behind.
    pub(crate) fn hide_after(&self, sequence: u64) {
        self.hidden_after.store(sequence, Ordering::SeqCst);
    }

    /// Shows the message at this sequence as the end, as a leader does that was deposed and does not know it; 0: the end.
    pub(crate) fn show_as_end(&self, sequence: u64) {
        self.shown_as_end.store(sequence, Ordering::SeqCst);
    }

    /// Every append that was sent.
    pub(crate) fn sent(&self) -> Vec<(u64, Bytes)> {
        self.sent.lock().unwrap().clone()
    }

    fn reachable(&self, call: &'static str) -> Result<(), LogUnavailable> {
        self.steps.tick(call);
        if self.away.load(Ordering::SeqCst) { Err(LogUnavailable::new("away")) } else { Ok(()) }
    }
}

fn lost() -> AppendError {
    LogUnavailable::new("no answer").into()
}

#[async_trait]
impl EventLog for FaultyLog {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn identity(&self) -> &str {
        self.inner.identity()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    async fn append(&self, subject: &Subject, expected: u64, payload: Bytes) -> Result<u64, AppendError> {
        self.reachable("append")?;
        let fault = self.plan.lock().unwrap().pop_front().unwrap_or(*self.always.lock().unwrap());
        self.sent.lock().unwrap().push((expected, payload.clone()));
        if fault == Fault::LostAppend {
            return Err(lost());
        }
        if fault == Fault::InProcess {
            return Err(AppendError::InProcess);
        }
        let (inner, door, subject) = (Arc::clone(&self.inner), Arc::clone(&self.appends), subject.clone());
        // Sent is sent: it is carried out though its caller has given up.
        let sent = tokio::spawn(async move {
            door.pass().await;
            let stored = inner.append(&subject, expected, payload.clone()).await?;
            if fault == Fault::Overtaken {
                let message = Message::decode(&payload).unwrap();
                let other = Message { prev: stored, nonce: "other".to_owned(), ..message };
                inner.append(&subject, stored, other.encode()).await?;
            }
            Ok(stored)
        });
        let outcome = sent.await.unwrap();
        match fault {
            Fault::LostAcknowledgement => Err(lost()),
            Fault::InProcessAndStored | Fault::Overtaken => Err(AppendError::InProcess),
            _ => outcome,
        }
    }

    async fn end(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.reachable("end")?;
        match self.shown_as_end.load(Ordering::SeqCst) {
            0 => self.inner.end(subject).await,
            old => {
                let read = self.inner.read(subject, old - 1, Budget { messages: 1, bytes: 1 }).await?;
                Ok(read.into_iter().next())
            }
        }
    }

    async fn first(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.reachable("first")?;
        self.inner.first(subject).await
    }

    async fn read(
        &self,
        subject: &Subject,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.reads.pass().await;
        self.reachable("read")?;
        let mut read = self.inner.read(subject, after, budget).await?;
        let hidden = self.hidden_after.load(Ordering::SeqCst);
        read.retain(|stored| stored.position.sequence <= hidden);
        Ok(read)
    }

    async fn read_campaign(
        &self,
        campaign: &CampaignId,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.reachable("read_campaign")?;
        self.inner.read_campaign(campaign, after, budget).await
    }

    async fn read_partition(
        &self,
        partition: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.reachable("read_partition")?;
        self.inner.read_partition(partition, after, budget).await
    }

    async fn backlog(&self, partition: u32, after: u64) -> Result<Backlog, LogUnavailable> {
        self.backlogs.pass().await;
        self.reachable("backlog")?;
        self.inner.backlog(partition, after).await
    }

    async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<CampaignId>, LogUnavailable> {
        self.reachable("campaigns")?;
        self.inner.campaigns(after, limit).await
    }

    async fn changed(&self, partition: u32, after: u64) {
        self.inner.changed(partition, after).await;
    }
}
