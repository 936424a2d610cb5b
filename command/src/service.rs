//! The write side as a whole: create a campaign, ask, command, look, compare. Everything an HTTP handler needs, and
//! nothing about HTTP.

mod create;
mod fingerprint;
mod measure;
mod pipeline;
mod settings;
mod view;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use firstcome_shared::clock::{Clock, random_hex};
use firstcome_shared::dead_letters::{self, NotRemedied, log_act};
use firstcome_shared::domain::{CampaignId, CodeSecret, Command, Refused};
use firstcome_shared::event::{Actor, Message};
use firstcome_shared::event_log::{EventLog, LogUnavailable, Subject};
use firstcome_shared::lifecycle::Lifecycle;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Progress, Projection, Reader, Remedy};
use firstcome_shared::wire;

use tokio::sync::Semaphore;

use crate::gate::Gate;
use crate::lane::{Lane, Logged, NoAnswer, Parts, Turns};
use crate::lanes::{Lanes, made_with};
use crate::ledger::Ledger;
use crate::metrics::{Campaigns, Untaken};
pub use create::NotCreated;

/// People that may wait in one campaign's queue, unless set otherwise.
pub const QUEUE: usize = 16_384;

/// What the write side is made of.
#[derive(Debug)]
pub struct Adapters {
    /// Decides.
    pub gate: Arc<dyn Gate>,
    /// The truth.
    pub log: Arc<dyn EventLog>,
    /// For payment.
    pub ledger: Arc<dyn Ledger>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes coupon codes.
    pub secret: CodeSecret,
}

/// One instance of the write side.
#[derive(Debug)]
pub struct Service {
    instance: String,
    lanes: Lanes,
    ledger: Arc<dyn Ledger>,
    progress: Arc<Progress>,
    fingerprints: Semaphore,
    ledger_fingerprints: Semaphore,
    /// What the gate said when it was last probed and did not answer.
    gate_away: Mutex<Option<String>>,
}

impl Service {
    /// An instance over these adapters; `queue` people may wait in one campaign.
    pub fn new(adapters: Adapters, lifecycle: Lifecycle, queue: usize) -> Self {
        let Adapters { gate, log, ledger, clock, secret } = adapters;
        let progress = Arc::new(Progress::new(ledger.name(), log.partitions()));
        let lanes = Lanes::new(Arc::new(Parts {
            gate,
            log,
            secret,
            clock,
            lifecycle,
            queue,
            turns: Turns::default(),
            metrics: Campaigns::default(),
        }));
        Self {
            instance: random_hex::<4>(),
            lanes,
            ledger,
            progress,
            fingerprints: Semaphore::new(1),
            ledger_fingerprints: Semaphore::new(1),
            gate_away: Mutex::default(),
        }
    }

    fn gate_away(&self) -> Option<String> {
        self.gate_away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_gate_away(&self, reason: Option<String>) {
        *self.gate_away.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// The readers that keep the ledger level with the log, one a partition; somebody must run them.
    pub fn ledger_readers(&self) -> Vec<Reader> {
        let parts = self.lanes.parts();
        let reader = |partition| Reader {
            log: Arc::clone(&parts.log),
            projection: Arc::clone(&self.ledger) as Arc<dyn Projection>,
            clock: Arc::clone(&parts.clock),
            progress: Arc::clone(&self.progress),
            partition,
        };
        (0..parts.log.partitions()).map(reader).collect()
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// The log.
    pub fn log(&self) -> &dyn EventLog {
        &*self.lanes.parts().log
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.lanes.parts().clock
    }

    /// The lane that serves a campaign. None is served while the log is not the one that the ledger was read from
    /// (ARCHITECTURE L7).
    pub async fn lane(&self, campaign: &CampaignId) -> Result<Arc<Lane>, NoAnswer> {
        self.intact()?;
        self.lanes.get(campaign).await
    }

    /// A request for a coupon begins.
    pub(crate) fn asked<'a>(&'a self, campaign: &'a CampaignId) -> Untaken<'a> {
        Untaken::new(&self.lanes.parts().metrics, campaign)
    }

    fn intact(&self) -> Result<(), NoAnswer> {
        self.progress.forgot().map_or(Ok(()), |reason| Err(NoAnswer::Unavailable(reason)))
    }

    /// Has an operator's command decided, and returns the campaign as it is then.
    pub async fn command(
        &self,
        campaign: &CampaignId,
        command: Command,
        actor: Actor<'_>,
    ) -> Result<Result<wire::Campaign, Refused>, NoAnswer> {
        let lane = self.lane(campaign).await?;
        let Logged { body, .. } = lane.command(command, actor).await?;
        match body {
            Ok(()) => Ok(Ok(self.campaign(campaign).await?)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Fences the gate and loads the campaign anew from the log, also when whoever wants it hangs up.
    pub async fn rebuild(
        &self,
        campaign: &CampaignId,
        actor: impl Into<Actor<'_>>,
    ) -> Result<wire::Campaign, NoAnswer> {
        let (lane, parts, of) = (self.lane(campaign).await?, self.lanes.shared(), campaign.clone());
        let Actor { name, request } = actor.into();
        let (name, request) = (name.to_owned(), request.map(str::to_owned));
        let rebuilt = self.lanes.parts().lifecycle.finish(async move {
            let actor = Actor { name: &name, request: request.as_deref() };
            // Logged first: nobody acts unseen, also when the rebuild fails (P10).
            let logged = log_act(&*parts.log, &*parts.clock, &of, actor, "rebuild", "gate").await;
            logged.map_err(|error| NoAnswer::Unavailable(error.to_string()))?;
            lane.rebuild().await
        });
        rebuilt.await?;
        self.campaign(campaign).await
    }

    /// Logs what an operator wants done about a dead letter of the ledger, and has it done: both, also when whoever wants
    /// it hangs up between the two (P10).
    pub async fn remedy(
        &self,
        position: Position,
        remedy: Remedy,
        actor: impl Into<Actor<'_>>,
    ) -> Result<(), NotRemedied> {
        let (parts, ledger) = (self.lanes.shared(), Arc::clone(&self.ledger));
        let Actor { name, request } = actor.into();
        let (name, request) = (name.to_owned(), request.map(str::to_owned));
        let remedied = self.lanes.parts().lifecycle.finish(async move {
            let actor = Actor { name: &name, request: request.as_deref() };
            dead_letters::remedy(&*parts.log, &*ledger, &*parts.clock, position, remedy, actor).await
        });
        remedied.await
    }

    /// A campaign whose codes were made with another secret than this instance's: it must not serve it.
    pub async fn made_with_another_secret(&self) -> Result<Option<CampaignId>, LogUnavailable> {
        made_with_another_secret(self.log(), self.lanes.parts().secret.key_id()).await
    }

    /// Lets every lane finish what it has decided and end.
    pub fn close(&self) {
        self.lanes.close();
    }
}

/// A campaign in the log whose codes were made with another secret than the one of that key id.
pub async fn made_with_another_secret(
    log: &dyn EventLog,
    key_id: &str,
) -> Result<Option<CampaignId>, LogUnavailable> {
    const PAGE: u32 = 256;
    let mut after: Option<CampaignId> = None;
    loop {
        let page = log.campaigns(after.as_ref().map(CampaignId::as_str), PAGE).await?;
        for campaign in &page {
            let Some(first) = log.first(&Subject::decisions(campaign)).await? else { continue };
            let Ok(message) = Message::decode(&first.payload) else { continue };
            if made_with(&message).is_some_and(|other| other != key_id) {
                return Ok(Some(campaign.clone()));
            }
        }
        match page.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(None),
        }
    }
}
