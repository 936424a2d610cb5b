//! The loop over a real log and a store of the tests' own, which does what stores and other instances do at bad moments.

#[cfg(feature = "cluster")]
mod restored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::*;
use crate::chain::Broken;
use crate::clock::{Millis, SystemClock};
use crate::event::{Entry, Event, VERSION};
use crate::event_log::sqlite::SqliteLog;
use crate::event_log::{AppendError, Backlog, LogUnavailable, Subject};
use crate::position::Position;
use crate::projection::{Remedy, Replayed, StoreUnavailable};

const DEADLINE: Duration = Duration::from_secs(20);

/// The log as a reader sees it.
#[derive(Debug)]
struct Log {
    inner: SqliteLog,
    /// Most messages that a campaign's read gives.
    at_once: Mutex<u32>,
    _folder: tempfile::TempDir,
}

impl Log {
    async fn open() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteLog::open(&folder.path().join("log.db"), Arc::new(SystemClock)).await.unwrap();
        Arc::new(Self { inner, at_once: Mutex::new(u32::MAX), _folder: folder })
    }

    fn give_at_once(&self, messages: u32) {
        *self.at_once.lock().unwrap() = messages;
    }

    /// Appends a message that says nothing, as one of the log `identity`.
    async fn tell_as(&self, identity: &str, campaign: &str) -> u64 {
        tell(&self.inner, identity, campaign).await
    }

    async fn tell(&self, campaign: &str) -> u64 {
        self.tell_as(self.inner.identity(), campaign).await
    }
}

async fn tell(log: &dyn EventLog, identity: &str, campaign: &str) -> u64 {
    let subject = Subject::uses(&id(campaign));
    let prev = log.end(&subject).await.unwrap().map_or(0, |end| end.position.sequence);
    let event = Event::OperatorActed {
        actor: "ops".to_owned(),
        action: "replay".to_owned(),
        target: "ledger 0-1".to_owned(),
    };
    let message = Message {
        version: VERSION,
        campaign: subject.campaign.clone(),
        log: identity.to_owned(),
        epoch: 0,
        first: 0,
        last: 0,
        prev,
        nonce: "nonce".to_owned(),
        entries: vec![Entry { decision: 0, at: Millis(0), event }],
        requests: BTreeMap::new(),
    };
    log.append(&subject, prev, message.encode()).await.unwrap()
}

#[async_trait]
impl EventLog for Log {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn identity(&self) -> &str {
        self.inner.identity()
    }

    fn partitions(&self) -> u32 {
        1
    }

    async fn append(&self, subject: &Subject, expected: u64, payload: Bytes) -> Result<u64, AppendError> {
        self.inner.append(subject, expected, payload).await
    }

    async fn end(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.inner.end(subject).await
    }

    async fn first(&self, subject: &Subject) -> Result<Option<Stored>, LogUnavailable> {
        self.inner.first(subject).await
    }

    async fn read(&self, subject: &Subject, after: u64, most: Budget) -> Result<Vec<Stored>, LogUnavailable> {
        self.inner.read(subject, after, most).await
    }

    async fn read_campaign(
        &self,
        campaign: &CampaignId,
        after: u64,
        most: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        let messages = most.messages.min(*self.at_once.lock().unwrap());
        self.inner.read_campaign(campaign, after, Budget { messages, ..most }).await
    }

    async fn read_partition(
        &self,
        partition: u32,
        after: u64,
        most: Budget,
    ) -> Result<Vec<Stored>, LogUnavailable> {
        self.inner.read_partition(partition, after, most).await
    }

    async fn backlog(&self, partition: u32, after: u64) -> Result<Backlog, LogUnavailable> {
        self.inner.backlog(partition, after).await
    }

    async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<CampaignId>, LogUnavailable> {
        self.inner.campaigns(after, limit).await
    }

    async fn changed(&self, partition: u32, after: u64) {
        self.inner.changed(partition, after).await;
    }
}

/// A store in memory.
#[derive(Default)]
struct Store {
    state: Mutex<State>,
    /// Told to the log with the next step of a replay.
    then_tell: Mutex<Option<(Arc<Log>, &'static str)>>,
}

#[derive(Default)]
struct State {
    lease: Option<(String, Millis)>,
    token: u64,
    /// How often it was had.
    claims: usize,
    checkpoint: Option<Checkpoint>,
    parked: BTreeMap<CampaignId, Parked>,
    /// Sequences in the order in which they were applied.
    applied: Vec<u64>,
    /// Messages that cannot be applied.
    refused: BTreeSet<u64>,
    /// Messages that do not continue their campaign.
    broken: BTreeSet<u64>,
    /// When somebody claimed in vain.
    followed: Vec<Instant>,
}

impl State {
    /// Somebody else has the lease, for good.
    fn take_over(&mut self) {
        self.lease = Some(("another".to_owned(), Millis(i64::MAX)));
        self.token += 1;
    }

    fn hold(&self, claim: &Claim) -> Result<(), ApplyError> {
        if self.token == claim.token { Ok(()) } else { Err(ApplyError::Stale) }
    }

    fn advance(&mut self, claim: &Claim, from: u64, to: u64) -> Result<(), ApplyError> {
        self.hold(claim)?;
        self.is_at(from)?;
        self.checkpoint = Some(Checkpoint { log: claim.log.clone(), sequence: to });
        Ok(())
    }

    fn is_at(&self, sequence: u64) -> Result<(), ApplyError> {
        let stored = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.sequence);
        if stored == sequence { Ok(()) } else { Err(ApplyError::Stale) }
    }

    /// What a crash of the server leaves of a store that does not wait for the disk; 0: nothing.
    fn go_back(&mut self, sequence: u64) {
        self.checkpoint.take_if(|_| sequence == 0);
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.sequence = sequence;
        }
        self.applied.retain(|applied| *applied <= sequence);
    }

    fn write(&mut self, deliveries: &[Delivery]) -> Result<(), ApplyError> {
        let sequences = || deliveries.iter().map(|delivery| delivery.position.sequence);
        if let Some(sequence) = sequences().find(|sequence| self.broken.contains(sequence)) {
            let problem = "on purpose".to_owned();
            return Err(Broken { campaign: "summer".to_owned(), sequence, problem }.into());
        }
        if sequences().any(|sequence| self.refused.contains(&sequence)) {
            return Err(ApplyError::Refused("on purpose".to_owned()));
        }
        self.applied.extend(sequences());
        Ok(())
    }
}

impl Store {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[async_trait]
impl Projection for Store {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn claim(
        &self,
        _: u32,
        holder: &str,
        now: Millis,
        ttl_ms: i64,
    ) -> Result<Option<u64>, StoreUnavailable> {
        let mut state = self.state();
        let ours = state.lease.as_ref().is_some_and(|(held, _)| held == holder);
        if !ours && state.lease.as_ref().is_some_and(|(_, until)| *until > now) {
            state.followed.push(Instant::now());
            return Ok(None);
        }
        state.token += u64::from(!ours);
        state.claims += 1;
        state.lease = Some((holder.to_owned(), now.plus(ttl_ms)));
        Ok(Some(state.token))
    }

    async fn release(&self, _: u32, holder: &str) -> Result<(), StoreUnavailable> {
        self.state().lease.take_if(|(held, _)| held == holder);
        Ok(())
    }

    async fn checkpoint(&self, _: u32) -> Result<Option<Checkpoint>, StoreUnavailable> {
        Ok(self.state().checkpoint.clone())
    }

    async fn apply(
        &self,
        claim: &Claim,
        from: u64,
        deliveries: &[Delivery],
        to: u64,
    ) -> Result<(), ApplyError> {
        let mut state = self.state();
        state.hold(claim)?;
        state.write(deliveries)?;
        state.advance(claim, from, to)
    }

    async fn park(&self, claim: &Claim, from: u64, parked: &Parked, to: u64) -> Result<(), ApplyError> {
        let mut state = self.state();
        state.advance(claim, from, to)?;
        state.parked.insert(parked.campaign.clone(), parked.clone());
        Ok(())
    }

    async fn parked(&self, _: u32) -> Result<Vec<Parked>, StoreUnavailable> {
        Ok(self.state().parked.values().cloned().collect())
    }

    async fn request(&self, position: Position, remedy: Remedy) -> Result<bool, StoreUnavailable> {
        let mut state = self.state();
        let letter = state.parked.values_mut().find(|letter| letter.position == position);
        Ok(letter.map(|letter| letter.remedy = Some(remedy)).is_some())
    }

    async fn replayed(&self, claim: &Claim, step: &Replayed<'_>) -> Result<(), ApplyError> {
        let tell = self.then_tell.lock().unwrap().take();
        if let Some((log, campaign)) = tell {
            log.tell(campaign).await;
        }
        let mut state = self.state();
        state.hold(claim)?;
        state.is_at(step.at)?;
        state.write(step.deliveries)?;
        let Some(rest) = step.rest else {
            return state.parked.remove(step.campaign).map(drop).ok_or(ApplyError::Stale);
        };
        let letter = state.parked.get_mut(step.campaign).ok_or(ApplyError::Stale)?;
        (letter.position, letter.remedy) = (rest, Some(Remedy::Replay));
        Ok(())
    }

    async fn repark(&self, claim: &Claim, parked: &Parked) -> Result<(), ApplyError> {
        let mut state = self.state();
        state.hold(claim)?;
        state.parked.insert(parked.campaign.clone(), parked.clone());
        Ok(())
    }
}

fn id(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

/// A reader on its way; it ends with the test.
struct Running {
    progress: Arc<Progress>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start<L: EventLog + 'static>(log: &Arc<L>, store: &Arc<Store>) -> Self {
        let (progress, stop) = (Arc::new(Progress::new("ledger", 1)), CancellationToken::new());
        let reader = Reader {
            log: Arc::<L>::clone(log),
            projection: Arc::<Store>::clone(store),
            clock: Arc::new(SystemClock),
            progress: Arc::clone(&progress),
            partition: 0,
        };
        let task = tokio::spawn(reader.run(stop.clone()));
        Self { progress, stop, task }
    }

    async fn reads_up_to(&self, sequence: u64) {
        let reached = self.progress.wait_for(Position::new(0, sequence));
        timeout(DEADLINE, reached).await.expect("read within the deadline");
    }

    async fn parked(&self, log: &Log) -> u64 {
        self.progress.view(log, &SystemClock).await.parked
    }
}

async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < DEADLINE, "not within the deadline: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// A log with so many messages of summer, parked at the first, and the reader that has passed over the others.
async fn parked(messages: u64) -> (Arc<Log>, Arc<Store>, Running) {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    store.state().refused.insert(1);
    for _ in 0..messages {
        log.tell("summer").await;
    }
    let reader = Running::start(&log, &store);
    reader.reads_up_to(messages).await;
    assert_eq!(store.state().parked[&id("summer")].position, Position::new(0, 1));
    store.state().refused.clear();
    (log, store, reader)
}

#[tokio::test]
async fn who_is_stopped_gives_the_lease_up() {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    let end = log.tell("summer").await;
    let reader = Running::start(&log, &store);
    reader.reads_up_to(end).await;
    assert!(store.state().lease.is_some());
    reader.stop.cancel();
    reader.task.await.unwrap();
    assert!(store.state().lease.is_none());
}

#[tokio::test]
async fn who_cannot_read_on_lets_another_try_and_each_knows_why_until_it_is_over() {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    store.state().broken.insert(2);
    for _ in 0..2 {
        log.tell("summer").await;
    }
    let readers = [Running::start(&log, &store), Running::start(&log, &store)];
    for reader in &readers {
        until("it knows that the log forgot", async || reader.progress.forgot().is_some()).await;
    }
    // Whoever has it now gets no further: nothing may be issued all the same.
    store.state().take_over();
    until("both follow", async || store.state().followed.len() > 5).await;
    assert!(readers.iter().all(|reader| reader.progress.forgot().is_some()));
    store.state().broken.clear();
    store.state().lease = None;
    for reader in &readers {
        until("it goes on", async || reader.progress.stalled().is_none()).await;
        reader.reads_up_to(2).await;
        assert_eq!(reader.progress.forgot(), None);
    }
    assert_eq!(store.state().applied, [1, 2]);
}

#[tokio::test]
async fn who_has_lost_the_lease_shows_what_is_parked_now() {
    let (log, store, reader) = parked(1).await;
    until("it is shown", async || reader.parked(&log).await == 1).await;
    store.state().take_over();
    store.state().parked.clear();
    until("it is not shown any more", async || reader.parked(&log).await == 0).await;
}

#[tokio::test]
async fn who_follows_looks_seldom_however_fast_the_other_reads() {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    for _ in 0..9 {
        log.tell("summer").await;
    }
    store.state().take_over();
    let reader = Running::start(&log, &store);
    for sequence in 1..=5 {
        until("it looks", async || store.state().followed.len() == usize::try_from(sequence).unwrap()).await;
        store.state().checkpoint = Some(Checkpoint { log: log.identity().to_owned(), sequence });
    }
    reader.reads_up_to(4).await;
    let followed = store.state().followed.clone();
    assert!(followed[4] - followed[0] > Duration::from_millis(900), "{:?}", followed[4] - followed[0]);
}

#[tokio::test]
async fn a_message_of_another_log_is_not_applied_whatever_else_is_in_its_batch() {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    let unreadable = Subject::uses(&id("winter"));
    log.inner.append(&unreadable, 0, Bytes::from_static(b"{")).await.unwrap();
    log.tell_as("another", "summer").await;
    let reader = Running::start(&log, &store);
    until("it is noticed", async || reader.progress.forgot().is_some()).await;
    assert_eq!(reader.progress.forgot().unwrap(), "message 0-2 was written for another log, another");
    assert_eq!(store.state().applied, [0; 0]);
    assert!(store.state().parked.keys().eq([&id("winter")]));
}

#[tokio::test]
async fn a_message_of_another_log_ends_a_replay() {
    let (log, store, reader) = parked(1).await;
    let end = log.tell_as("another", "summer").await;
    reader.reads_up_to(end).await;
    assert_eq!(reader.progress.forgot(), None, "it waits in the log");
    assert!(store.request(Position::new(0, 1), Remedy::Replay).await.unwrap());
    until("it is noticed", async || reader.progress.forgot().is_some()).await;
    assert_eq!(store.state().applied, [1]);
}

#[tokio::test]
async fn a_log_that_does_not_show_what_waits_ends_no_replay() {
    let (log, store, reader) = parked(3).await;
    log.give_at_once(0);
    assert!(store.request(Position::new(0, 1), Remedy::Replay).await.unwrap());
    until("it is doubted", async || reader.progress.stalled().is_some() || store.state().parked.is_empty())
        .await;
    assert_eq!(
        reader.progress.stalled().as_deref(),
        Some("the event log is unavailable: message 3 of summer was read, and is not shown any more")
    );
    let claims = store.state().claims;
    until("it is doubted round after round", async || {
        let state = store.state();
        state.claims > claims + 2 || state.parked.is_empty()
    })
    .await;
    assert_eq!(store.state().parked.len(), 1);
    assert_eq!(store.state().applied, [0; 0]);
    log.give_at_once(u32::MAX);
    until("level", async || store.state().parked.is_empty()).await;
    assert_eq!(store.state().applied, [1, 2, 3]);
    until("well again", async || reader.progress.stalled().is_none()).await;
}

#[tokio::test]
async fn a_replay_keeps_nobody_else_waiting() {
    let (log, store, reader) = parked(9).await;
    log.give_at_once(1);
    *store.then_tell.lock().unwrap() = Some((Arc::clone(&log), "winter"));
    assert!(store.request(Position::new(0, 1), Remedy::Replay).await.unwrap());
    reader.reads_up_to(10).await;
    until("level", async || store.state().parked.is_empty()).await;
    let applied = store.state().applied.clone();
    let summer: Vec<u64> = applied.iter().copied().filter(|sequence| *sequence != 10).collect();
    assert_eq!(summer, (1..=9).collect::<Vec<_>>(), "in order");
    // It was told with the first step, and read before the next one or the one after it.
    let winter = applied.iter().position(|sequence| *sequence == 10).unwrap();
    assert!(winter <= 2, "{applied:?}");
}

#[tokio::test]
async fn a_store_that_went_back_is_read_on_though_the_log_is_quiet() {
    let (log, store) = (Log::open().await, Arc::new(Store::default()));
    for _ in 0..3 {
        log.tell("summer").await;
    }
    let reader = Running::start(&log, &store);
    for kept in [2, 1, 0] {
        reader.reads_up_to(3).await;
        store.state().go_back(kept);
        until("read again", async || store.state().applied == [1, 2, 3]).await;
        until("it is said", async || reader.progress.stalled().is_none()).await;
        assert_eq!(store.state().checkpoint.as_ref().unwrap().sequence, 3, "it had kept {kept}");
    }
}

#[tokio::test]
async fn a_replay_goes_no_further_than_a_store_that_went_back() {
    let (_log, store, reader) = parked(3).await;
    {
        let mut state = store.state();
        state.go_back(2);
        state.parked.get_mut(&id("summer")).unwrap().remedy = Some(Remedy::Replay);
    }
    // Message 3 was passed over, and is not any more.
    until("all is read", async || store.state().applied.len() >= 3).await;
    until("level", async || store.state().parked.is_empty()).await;
    until("the checkpoint is back", async || {
        store.state().checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.sequence == 3)
    })
    .await;
    assert_eq!(store.state().applied, [1, 2, 3]);
    assert_eq!(reader.progress.forgot(), None);
}
