//! A gate that is watched: calls are counted and may be held, before they are carried out or after, or not answered
//! at all. One an instance, all over the same real gate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use firstcome_shared::domain::{Ask, CampaignId, Command, Refused, Verdict};
use firstcome_shared::event::Entry;

use super::{Door, Steps};
use crate::gate::{Call, Gate, GateError, GateRow, Glance, Load, Reply, View};

/// The gate as one instance sees it.
#[derive(Debug)]
pub(crate) struct WatchedGate {
    inner: Arc<dyn Gate>,
    steps: Arc<Steps>,
    decided: AtomicU64,
    asked: AtomicU64,
    glances: AtomicU64,
    outbox_reads: AtomicU64,
    /// The thread of the last reply of the outbox.
    outbox_thread: Mutex<String>,
    commanded: AtomicU64,
    incarnation_reads: AtomicU64,
    away: AtomicBool,
    remote: AtomicBool,
    full: AtomicBool,
    glances_away: AtomicBool,
    load_time: Mutex<Duration>,
    /// Decide calls wait here before they are carried out.
    pub(crate) decides: Door,
    /// Replies of decide calls wait here.
    pub(crate) verdicts: Door,
    /// Operators' commands wait here before they are carried out.
    pub(crate) commands: Door,
    /// Replies of the outbox wait here.
    pub(crate) outboxes: Door,
    /// Loads wait here before they are carried out.
    pub(crate) loads: Door,
    /// Glances wait here before they are carried out.
    pub(crate) confirmations: Door,
    /// Replies that name the incarnation wait here.
    pub(crate) incarnations: Door,
}

impl WatchedGate {
    pub(crate) fn new(inner: Arc<dyn Gate>, steps: Arc<Steps>) -> Self {
        Self {
            inner,
            steps,
            decided: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            glances: AtomicU64::new(0),
            outbox_reads: AtomicU64::new(0),
            outbox_thread: Mutex::default(),
            commanded: AtomicU64::new(0),
            incarnation_reads: AtomicU64::new(0),
            away: AtomicBool::new(false),
            remote: AtomicBool::new(false),
            full: AtomicBool::new(false),
            glances_away: AtomicBool::new(false),
            load_time: Mutex::default(),
            decides: Door::default(),
            verdicts: Door::default(),
            commands: Door::default(),
            outboxes: Door::default(),
            loads: Door::default(),
            confirmations: Door::default(),
            incarnations: Door::default(),
        }
    }

    /// Answers nobody any more, or again.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Takes no writes any more, or again; what is read is answered.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Does not confirm sold-out caches any more, or again.
    pub(crate) fn set_glances_away(&self, away: bool) {
        self.glances_away.store(away, Ordering::SeqCst);
    }

    /// A load takes so long.
    pub(crate) fn set_load_time(&self, load_time: Duration) {
        *self.load_time.lock().unwrap() = load_time;
    }

    /// Decide calls so far.
    pub(crate) fn decide_calls(&self) -> u64 {
        self.decided.load(Ordering::SeqCst)
    }

    /// People put to the gate so far.
    pub(crate) fn people(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Commands carried out so far.
    pub(crate) fn command_calls(&self) -> u64 {
        self.commanded.load(Ordering::SeqCst)
    }

    /// Glances so far.
    pub(crate) fn glance_calls(&self) -> u64 {
        self.glances.load(Ordering::SeqCst)
    }

    /// Replies of the outbox so far.
    pub(crate) fn outbox_calls(&self) -> u64 {
        self.outbox_reads.load(Ordering::SeqCst)
    }

    /// Where the lane's worker reads the outbox.
    pub(crate) fn outbox_thread(&self) -> String {
        self.outbox_thread.lock().unwrap().clone()
    }

    /// Counts as a gate in another process from now on.
    pub(crate) fn become_remote(&self) {
        self.remote.store(true, Ordering::SeqCst);
    }

    /// Replies that name the incarnation so far.
    pub(crate) fn incarnation_calls(&self) -> u64 {
        self.incarnation_reads.load(Ordering::SeqCst)
    }

    fn has_room(&self) -> Result<(), GateError> {
        if self.full.load(Ordering::SeqCst) { Err(GateError::Unavailable("full".to_owned())) } else { Ok(()) }
    }

    fn reachable(&self, call: &'static str) -> Result<(), GateError> {
        self.steps.tick(call);
        if self.away.load(Ordering::SeqCst) { Err(GateError::Unavailable("away".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Gate for WatchedGate {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote() || self.remote.load(Ordering::SeqCst)
    }

    async fn incarnation(&self, campaign: &CampaignId) -> Result<String, GateError> {
        self.reachable("incarnation")?;
        let incarnation = self.inner.incarnation(campaign).await;
        self.incarnations.pass().await;
        self.incarnation_reads.fetch_add(1, Ordering::SeqCst);
        incarnation
    }

    async fn decide(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        asks: &[Ask],
    ) -> Result<Reply<Vec<Verdict>>, GateError> {
        self.decides.pass().await;
        self.reachable("decide")?;
        self.has_room()?;
        self.decided.fetch_add(1, Ordering::SeqCst);
        self.asked.fetch_add(u64::try_from(asks.len()).unwrap(), Ordering::SeqCst);
        let reply = self.inner.decide(campaign, call, asks).await;
        self.verdicts.pass().await;
        reply
    }

    async fn command(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        command: &Command,
        actor: &str,
    ) -> Result<Reply<Result<(), Refused>>, GateError> {
        self.commands.pass().await;
        self.reachable("command")?;
        let reply = self.inner.command(campaign, call, command, actor).await;
        self.commanded.fetch_add(1, Ordering::SeqCst);
        reply
    }

    async fn outbox(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        after: u64,
        max_bytes: usize,
    ) -> Result<Reply<Vec<Entry>>, GateError> {
        self.reachable("outbox")?;
        let reply = self.inner.outbox(campaign, call, after, max_bytes).await;
        self.outboxes.pass().await;
        *self.outbox_thread.lock().unwrap() = std::thread::current().name().unwrap_or_default().to_owned();
        self.outbox_reads.fetch_add(1, Ordering::SeqCst);
        reply
    }

    async fn view(&self, campaign: &CampaignId, call: Call<'_>) -> Result<Reply<View>, GateError> {
        self.reachable("view")?;
        self.inner.view(campaign, call).await
    }

    async fn glance(&self, campaign: &CampaignId) -> Result<Option<Glance>, GateError> {
        self.confirmations.pass().await;
        self.reachable("glance")?;
        self.glances.fetch_add(1, Ordering::SeqCst);
        if self.glances_away.load(Ordering::SeqCst) {
            return Err(GateError::Unavailable("no glance".to_owned()));
        }
        self.inner.glance(campaign).await
    }

    async fn writable(&self, campaign: &CampaignId) -> Result<(), GateError> {
        self.reachable("writable")?;
        self.has_room()?;
        self.inner.writable(campaign).await
    }

    async fn rows(
        &self,
        campaign: &CampaignId,
        call: Call<'_>,
        from: u64,
        to: u64,
    ) -> Result<Reply<Vec<GateRow>>, GateError> {
        self.reachable("rows")?;
        self.inner.rows(campaign, call, from, to).await
    }

    async fn load(&self, campaign: &CampaignId, load: Load) -> Result<(), GateError> {
        self.loads.pass().await;
        let load_time = *self.load_time.lock().unwrap();
        tokio::time::sleep(load_time).await;
        self.reachable("load")?;
        self.inner.load(campaign, load).await
    }
}
