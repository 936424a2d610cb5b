//! How a parked campaign comes back to level when an operator asks for it: step by step, in order, from the log
//! (ARCHITECTURE J3).

use tokio::time::Instant;

use super::{BATCH, HOUSEKEEPING, ReaderStopped, Round, Undecoded, stopped};
use crate::chain::Chain;
use crate::domain::CampaignId;
use crate::event::Message;
use crate::event_log::{Budget, LogUnavailable, Stored};
use crate::position::Position;
use crate::projection::{Allowance, ApplyError, Delivery, Parked, Remedy, Replayed};

impl Round<'_> {
    /// Learns which campaigns are parked and, if it is their `turn`, takes those that an operator asked for one step on.
    pub(super) async fn housekeeping(&mut self, turn: bool) -> Result<(), ReaderStopped> {
        let projection = &self.reader.projection;
        let mut parked = projection.parked(self.claim.partition).await?;
        self.replaying = parked.iter().any(|letter| letter.remedy.is_some());
        if turn && self.replaying {
            let began = Instant::now();
            for letter in parked.iter().filter(|letter| letter.remedy.is_some()) {
                self.replay(letter).await?;
                if began.elapsed() >= HOUSEKEEPING {
                    break;
                }
            }
            parked = projection.parked(self.claim.partition).await?;
            self.replaying = parked.iter().any(|letter| letter.remedy.is_some());
        }
        self.reader.progress.note_parked(self.claim.partition, &parked);
        self.parked = parked.into_iter().map(|letter| letter.campaign).collect();
        self.passed.retain(|campaign, _| self.parked.contains(campaign));
        Ok(())
    }

    /// Takes a parked campaign one step on towards the checkpoint, in order, from the log. The rest is left to later
    /// rounds: others must not wait for it, nor the lease run out.
    async fn replay(&self, letter: &Parked) -> Result<(), ReaderStopped> {
        let (log, projection) = (&self.reader.log, &self.reader.projection);
        let campaign = &letter.campaign;
        let mut after = letter.position.sequence.saturating_sub(1);
        if letter.remedy == Some(Remedy::Discard) {
            after = self.skip(campaign, letter.position.sequence).await?;
        }
        let Allowance { wait, most } = projection.allowance(BATCH);
        if !wait.is_zero() {
            // The wish and the place are kept.
            return Ok(());
        }
        let mut batch = log.read_campaign(campaign, after, most).await?;
        batch.retain(|stored| stored.position.sequence <= self.at);
        // As many as can be read; the first that cannot is reported by the next step.
        let deliveries: Vec<Delivery> = batch.iter().map_while(|stored| self.decode(stored).ok()).collect();
        if let (None, Some(stored)) = (deliveries.first(), batch.first()) {
            return match self.decode(stored) {
                Err(Undecoded::Poison(reason)) => self.repark(letter, stored, reason).await,
                decoded => decoded.map(drop).map_err(Into::into),
            };
        }
        let last = deliveries.last().map_or(after, |delivery| delivery.position.sequence);
        let level = batch.len() == deliveries.len() && self.is_level(campaign, last).await?;
        let rest = (!level).then(|| Position::new(letter.position.partition, last + 1));
        let step = Replayed { campaign, at: self.at, skipped: None, deliveries: &deliveries, rest };
        match projection.replayed(&self.claim, &step).await {
            Ok(()) if level => {
                let name = projection.name();
                tracing::info!(projection = name, %campaign, "the parked campaign is level again");
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(ApplyError::Refused(reason)) => match batch.first() {
                None => Err(stopped(ApplyError::Refused(reason))),
                Some(stored) if deliveries.len() == 1 => self.repark(letter, stored, reason).await,
                Some(_) => self.replay_singly(letter, &step, &batch).await,
            },
            Err(error) => Err(stopped(error)),
        }
    }

    /// Whether nothing of the campaign stands between its message `last` and the checkpoint. What was passed over stands
    /// there, whatever the log says now.
    async fn is_level(&self, campaign: &CampaignId, last: u64) -> Result<bool, ReaderStopped> {
        let only = Budget { messages: 1, bytes: 1 };
        let next = self.reader.log.read_campaign(campaign, last, only).await?.into_iter().next();
        if next.is_some_and(|stored| stored.position.sequence <= self.at) {
            return Ok(false);
        }
        match self.passed.get(campaign) {
            Some(passed) if *passed > last => Err(ReaderStopped::Log(LogUnavailable::new(format!(
                "message {passed} of {campaign} was read, and is not shown any more"
            )))),
            _ => Ok(true),
        }
    }

    /// Leaves the first message from `sequence` on out for good; returns where it stands. A replay that was cut off
    /// leaves the place where it went on, which need not be a message of this campaign.
    async fn skip(&self, campaign: &CampaignId, sequence: u64) -> Result<u64, ReaderStopped> {
        let only = Budget { messages: 1, bytes: 1 };
        let before = sequence.saturating_sub(1);
        let next = self.reader.log.read_campaign(campaign, before, only).await?.into_iter().next();
        let Some(stored) = next.filter(|stored| stored.position.sequence <= self.at) else {
            return Ok(before);
        };
        let sequence = stored.position.sequence;
        let chain = Message::decode(&stored.payload)
            .map_or_else(|_| Chain::unread(sequence), |message| Chain::at(sequence, &message));
        let rest = Some(Position::new(stored.position.partition, sequence + 1));
        let skipped = Some((stored.subject.lane, chain));
        let step = Replayed { campaign, at: self.at, skipped, deliveries: &[], rest };
        self.reader.projection.replayed(&self.claim, &step).await.map_err(stopped)?;
        Ok(sequence)
    }

    /// A batch of a replay was refused: one by one, so that the campaign is parked again at the very message.
    async fn replay_singly(
        &self,
        letter: &Parked,
        step: &Replayed<'_>,
        batch: &[Stored],
    ) -> Result<(), ReaderStopped> {
        let began = Instant::now();
        for (delivery, stored) in step.deliveries.iter().zip(batch) {
            if began.elapsed() >= HOUSEKEEPING {
                break;
            }
            let rest = Some(Position::new(stored.position.partition, stored.position.sequence + 1));
            let deliveries = std::slice::from_ref(delivery);
            let single = Replayed { deliveries, rest, ..*step };
            match self.reader.projection.replayed(&self.claim, &single).await {
                Ok(()) => {}
                Err(ApplyError::Refused(reason)) => return self.repark(letter, stored, reason).await,
                Err(error) => return Err(stopped(error)),
            }
        }
        Ok(())
    }

    async fn repark(&self, letter: &Parked, stored: &Stored, reason: String) -> Result<(), ReaderStopped> {
        let again = Parked { attempts: letter.attempts + 1, ..self.dead_letter(stored, reason) };
        self.reader.projection.repark(&self.claim, &again).await.map_err(stopped)
    }
}
