//! The one loop that reads the log into a store: claim, read from the checkpoint, apply, advance; back off while
//! something is away; park a campaign whose message cannot be applied; replay it when an operator asks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Allowance, ApplyError, Checkpoint, Claim, Delivery, Parked, Progress, Projection};
use crate::clock::{Clock, jittered, random_hex};
use crate::domain::CampaignId;
use crate::event::Message;
use crate::event_log::{Budget, EventLog, Stored};

mod replay;
mod stopped;
#[cfg(test)]
mod tests;

pub use stopped::ReaderStopped;

/// How often a message is tried before its campaign is parked.
const ATTEMPTS: u32 = 5;
const LEASE_MS: i64 = 10_000;
/// How long giving it up may take.
const RELEASE: Duration = Duration::from_secs(2);
/// Renew the lease and look for replays at least this often.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How often one who has not the lease looks whether it is free.
const FOLLOW_MS: u64 = 500;
const FIRST_BACK_OFF_MS: u64 = 20;
const LONGEST_BACK_OFF_MS: u64 = 5_000;
const LONGEST_REST: Duration = Duration::from_secs(1);
const BATCH: Budget = Budget { messages: 4_096, bytes: 8 << 20 };
/// How much of a message's bytes a dead letter shows.
const SHOWN: usize = 4_096;

/// Reads one partition of a log into one projection.
pub struct Reader {
    /// What is read.
    pub log: Arc<dyn EventLog>,
    /// Where it goes.
    pub projection: Arc<dyn Projection>,
    /// Tells the lease's time.
    pub clock: Arc<dyn Clock>,
    /// Where it is told how far it came.
    pub progress: Arc<Progress>,
    /// Which partition.
    pub partition: u32,
}

/// The last message of each parked campaign that this reader passed over.
type Passed = HashMap<CampaignId, u64>;

/// One stay at the head of a partition: the claim and what is remembered under it.
struct Round<'a> {
    reader: &'a Reader,
    claim: Claim,
    at: u64,
    parked: HashSet<CampaignId>,
    passed: &'a mut Passed,
    /// Some campaign is on its way back to level.
    replaying: bool,
}

impl Reader {
    /// Reads until `stop`, and then gives the lease up: nobody waits until it has run out. Failures are waited out,
    /// however long they take.
    pub async fn run(self, stop: CancellationToken) {
        let (holder, leads) = (random_hex::<8>(), AtomicBool::new(false));
        stop.run_until_cancelled(self.forever(&holder, &leads)).await;
        self.release(&holder, &leads).await;
    }

    /// If that fails, the lease runs out.
    async fn release(&self, holder: &str, leads: &AtomicBool) {
        if leads.swap(false, Ordering::Relaxed) {
            let released = timeout(RELEASE, self.projection.release(self.partition, holder)).await;
            tracing::debug!(projection = self.projection.name(), ?released, "gave the lease up");
        }
    }

    async fn forever(&self, holder: &str, leads: &AtomicBool) {
        let (mut back_off, mut passed) = (FIRST_BACK_OFF_MS, Passed::new());
        loop {
            let before = self.progress.sequence(self.partition);
            let Err(stopped) = self.round(holder, leads, &mut passed).await else {
                back_off = FIRST_BACK_OFF_MS;
                sleep(jittered(FOLLOW_MS)).await;
                continue;
            };
            let reason = stopped.to_string();
            if self.progress.stalled_at(self.partition).as_ref() != Some(&reason) {
                let (name, partition) = (self.projection.name(), self.partition);
                match &stopped {
                    ReaderStopped::Forgot(why) => tracing::error!(
                        projection = name,
                        partition,
                        "{why}; nothing is applied. Restore the log this store was read from, or delete the store to \
                         read it anew"
                    ),
                    ReaderStopped::Retry(ApplyError::Stale) => {
                        tracing::info!(projection = name, partition, "{reason}; begins again");
                    }
                    why => tracing::warn!(projection = name, partition, "{why}; trying again"),
                }
            }
            self.progress.note_stalled(self.partition, reason, stopped.obstacle());
            // Another instance may fare better. If it does not, it knows now what stands in the way, and that nothing may
            // be issued when that is the log.
            self.release(holder, leads).await;
            if self.progress.sequence(self.partition) != before {
                back_off = FIRST_BACK_OFF_MS;
            }
            sleep(jittered(back_off)).await;
            back_off = (back_off * 2).min(LONGEST_BACK_OFF_MS);
        }
    }

    /// Reads until something stands in the way. `Ok`: somebody else has the lease.
    async fn round(
        &self,
        holder: &str,
        leads: &AtomicBool,
        passed: &mut Passed,
    ) -> Result<(), ReaderStopped> {
        let lease = |now| self.projection.claim(self.partition, holder, now, LEASE_MS);
        // Before the claim, too: a store that was read from another log is left untouched.
        let at = self.place().await?;
        // Before it is asked for: it may be given though nobody waits for the answer any more.
        leads.store(true, Ordering::Relaxed);
        let token = lease(self.clock.now()).await?;
        leads.store(token.is_some(), Ordering::Relaxed);
        let Some(token) = token else {
            // How far the one who has the lease has come: who waits for a position here must not wait in vain.
            self.progress.reached(self.partition, at);
            // What stood in the way is gone only if really nothing is left to read.
            let stood = self.progress.stalled_at(self.partition).is_some();
            let level = stood && self.log.last_sequence(self.partition, at + 1).await? == at;
            self.progress.note_followed(self.partition, at, level);
            let parked = self.projection.parked(self.partition).await?;
            self.progress.note_parked(self.partition, &parked);
            return Ok(());
        };
        let at = self.place().await?;
        self.progress.reached(self.partition, at);
        // What stands behind a checkpoint that went back has yet to be read.
        passed.retain(|_, last| *last <= at);
        let claim = Claim { partition: self.partition, token, log: self.log.identity().to_owned() };
        let mut round = Round { reader: self, claim, at, parked: HashSet::new(), passed, replaying: false };
        round.housekeeping(true).await?;
        // Replays and what is new take turns.
        let (mut renewed, mut read) = (Instant::now(), false);
        loop {
            if renewed.elapsed() >= HOUSEKEEPING || (round.replaying && read) {
                // On a quiet log nothing else finds that the store came back without its last moments, or the log did.
                if lease(self.clock.now()).await? != Some(token) || self.place().await? != round.at {
                    return Err(ApplyError::Stale.into());
                }
                renewed = Instant::now();
                round.housekeeping(std::mem::take(&mut read)).await?;
            }
            let Allowance { wait, most } = self.projection.allowance(BATCH);
            if !wait.is_zero() {
                sleep(wait.min(HOUSEKEEPING)).await;
                continue;
            }
            let batch = self.log.read_partition(self.partition, round.at, most).await?;
            read = true;
            if batch.is_empty() {
                self.progress.note_advancing(self.partition);
                if !round.replaying {
                    // The deadline is for the lease; new messages wake it at once.
                    let _ = timeout(HOUSEKEEPING, self.log.changed(self.partition, round.at)).await;
                }
            } else {
                let began = Instant::now();
                round.take(&batch).await?;
                if !full(&batch, most) {
                    // Level, so the next batch may gather: a store pays for a commit, hardly for what is in it, and in
                    // a rush issuing needs the cores. A quiet log is read as soon as it has something.
                    sleep((began.elapsed() * 2).min(LONGEST_REST)).await;
                }
                // Not before: a message that does not continue its campaign is met here, round after round.
                self.progress.note_advancing(self.partition);
            }
        }
    }

    /// Where the store has come to, if the log is the one that was read before.
    async fn place(&self) -> Result<u64, ReaderStopped> {
        let (name, ours) = (self.projection.name(), self.log.identity());
        let checkpoint = self.projection.checkpoint(self.partition).await?;
        if let Some(Checkpoint { log, .. }) = &checkpoint
            && log != ours
        {
            return Err(ReaderStopped::Forgot(format!(
                "{name} was read from log {log}, but this is log {ours}"
            )));
        }
        let at = checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
        let end = self.log.last_sequence(self.partition, at).await?;
        if at > end {
            return Err(ReaderStopped::Forgot(format!(
                "the log forgot: {name} has read up to {at}, but the log ends at {end}"
            )));
        }
        Ok(at)
    }
}

impl Round<'_> {
    /// Applies a batch as a whole; where that fails, its messages one by one.
    async fn take(&mut self, batch: &[Stored]) -> Result<(), ReaderStopped> {
        let Some(to) = batch.last().map(|stored| stored.position.sequence) else { return Ok(()) };
        let open = batch.iter().filter(|stored| !self.parked.contains(&stored.subject.campaign));
        let deliveries = match open.map(|stored| self.decode(stored)).collect::<Result<Vec<_>, _>>() {
            Ok(deliveries) => deliveries,
            Err(Undecoded::Poison(_)) => return self.take_singly(batch).await,
            Err(foreign) => return Err(foreign.into()),
        };
        let began = Instant::now();
        match self.reader.projection.apply(&self.claim, self.at, &deliveries, to).await {
            Ok(()) => {
                self.applied(&deliveries, began.elapsed());
                for stored in batch {
                    self.passed(stored);
                }
                self.reached(to);
            }
            Err(ApplyError::Refused(_)) => return self.take_singly(batch).await,
            Err(error) => return Err(stopped(error)),
        }
        Ok(())
    }

    async fn take_singly(&mut self, batch: &[Stored]) -> Result<(), ReaderStopped> {
        for stored in batch {
            let to = stored.position.sequence;
            let projection = &self.reader.projection;
            if self.parked.contains(&stored.subject.campaign) {
                projection.apply(&self.claim, self.at, &[], to).await.map_err(stopped)?;
            } else {
                let mut failed = None;
                for attempt in 1..=ATTEMPTS {
                    match self.attempt(stored, to).await {
                        Ok(()) => {
                            failed = None;
                            break;
                        }
                        Err(ReaderStopped::Retry(ApplyError::Refused(reason))) => failed = Some(reason),
                        Err(error) => return Err(error),
                    }
                    sleep(jittered(FIRST_BACK_OFF_MS * u64::from(attempt))).await;
                }
                if let Some(reason) = failed {
                    let parked = self.dead_letter(stored, reason);
                    projection.park(&self.claim, self.at, &parked, to).await.map_err(stopped)?;
                    self.reader.progress.add_parked(&parked);
                    self.parked.insert(parked.campaign);
                }
            }
            self.passed(stored);
            self.reached(to);
        }
        Ok(())
    }

    async fn attempt(&self, stored: &Stored, to: u64) -> Result<(), ReaderStopped> {
        let delivery = [self.decode(stored)?];
        let began = Instant::now();
        self.reader.projection.apply(&self.claim, self.at, &delivery, to).await.map_err(stopped)?;
        self.applied(&delivery, began.elapsed());
        Ok(())
    }

    fn applied(&self, deliveries: &[Delivery], took: Duration) {
        self.reader.progress.applied(deliveries, self.reader.clock.now(), took);
        for Delivery { position, message, .. } in deliveries {
            let Message { campaign, requests, .. } = message;
            if requests.is_empty() {
                continue;
            }
            let projection = self.reader.projection.name();
            for entry in &message.entries {
                if let (Some(id), Some(actor)) = (message.request(entry.decision), entry.event.actor()) {
                    let event = entry.event.kind();
                    tracing::info!(id, projection, %campaign, %position, event, actor, "applied");
                }
            }
        }
    }

    fn decode(&self, stored: &Stored) -> Result<Delivery, Undecoded> {
        let message =
            Message::decode(&stored.payload).map_err(|error| Undecoded::Poison(error.to_string()))?;
        if message.log != self.claim.log {
            let (position, log) = (stored.position, &message.log);
            return Err(Undecoded::Foreign(format!("message {position} was written for another log, {log}")));
        }
        if message.campaign != stored.subject.campaign {
            let (named, campaign) = (&message.campaign, &stored.subject.campaign);
            return Err(Undecoded::Poison(format!("it names campaign {named} on the subject of {campaign}")));
        }
        Ok(Delivery { subject: stored.subject.clone(), position: stored.position, message })
    }

    fn dead_letter(&self, stored: &Stored, reason: String) -> Parked {
        let campaign = stored.subject.campaign.clone();
        tracing::error!(
            projection = self.reader.projection.name(), %campaign, position = %stored.position, %reason,
            "message cannot be applied: the campaign is parked in this projection; replay or discard the dead letter"
        );
        Parked {
            campaign,
            position: stored.position,
            reason,
            parked_at: self.reader.clock.now(),
            attempts: ATTEMPTS,
            payload: String::from_utf8_lossy(&stored.payload).chars().take(SHOWN).collect(),
            remedy: None,
        }
    }

    fn passed(&mut self, stored: &Stored) {
        if self.parked.contains(&stored.subject.campaign) {
            self.passed.insert(stored.subject.campaign.clone(), stored.position.sequence);
        }
    }

    fn reached(&mut self, sequence: u64) {
        self.at = sequence;
        self.reader.progress.reached(self.claim.partition, sequence);
    }
}

/// A message is not what it should be.
enum Undecoded {
    /// It cannot be applied; others can.
    Poison(String),
    /// It was written for another log (ARCHITECTURE L7).
    Foreign(String),
}

impl From<Undecoded> for ReaderStopped {
    fn from(undecoded: Undecoded) -> Self {
        match undecoded {
            Undecoded::Poison(reason) => Self::Retry(ApplyError::Refused(reason)),
            Undecoded::Foreign(reason) => Self::Forgot(reason),
        }
    }
}

/// Whether there is more where this batch came from.
fn full(batch: &[Stored], most: Budget) -> bool {
    let bytes: usize = batch.iter().map(|stored| stored.payload.len()).sum();
    batch.len() >= usize::try_from(most.messages).unwrap_or(usize::MAX) || bytes >= most.bytes
}

fn stopped(error: ApplyError) -> ReaderStopped {
    match error {
        ApplyError::Broken(broken) => ReaderStopped::Forgot(format!("the log forgot: {broken}")),
        error => ReaderStopped::Retry(error),
    }
}
