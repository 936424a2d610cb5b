//! Compares a store with the log, a piece at a time and for ever (P9, ARCHITECTURE J4): what `firstcome verify` proves
//! once, this watches, at a low rate and at a bounded cost a step. A [`Walk`] goes through one campaign's log: what is
//! new there first, else once more from the beginning, and looks again and again at what differed.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::clock::Millis;
use crate::domain::CampaignId;
use crate::event::Message;
use crate::event_log::{Budget, EventLog, Lane, Stored};
use crate::fingerprint::{Range, Row, Sum};
use crate::position::Position;
use crate::wire::{CouponStatus, Fingerprint, Store};

/// How much of the log one step reads: some ten thousand coupons at most, in however many messages.
const PIECE: Budget = Budget { messages: 1_024, bytes: 1 << 20 };
/// Rows that a store is asked for at once: the gate decides nothing meanwhile.
const CHUNK: u64 = 2_000;
/// A difference counts only when a look this much later still shows it.
const LATER: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });
/// Most pieces that are remembered as different; there may be more.
const REMEMBERED: usize = 64;
/// What stands for the rows that the log does not have at all.
const BEYOND: u64 = u64::MAX;

/// A store that can be compared with the log.
#[async_trait]
pub trait Compared: Send + Sync {
    /// `gate`, `ledger`, `read_model`.
    fn name(&self) -> &'static str;

    /// Whether it should hold everything of the campaign up to there: not where the campaign is parked.
    async fn has_reached(&self, campaign: &CampaignId, position: Position) -> Result<bool, String>;

    /// Sums up its rows.
    async fn sum(&self, campaign: &CampaignId, range: &Range) -> Result<Fingerprint, String>;

    /// Whether its rows know the position that they came from, so that those can be told which the log lacks.
    fn knows_positions(&self) -> bool {
        true
    }
}

/// A way through a campaign's log: up to where, and which coupon comes next.
#[derive(Clone, Copy, Debug)]
struct Track {
    after: u64,
    next: u64,
    gaps: u64,
    /// The last decision.
    decision: u64,
    /// When its message was stored.
    at: Millis,
}

impl Default for Track {
    fn default() -> Self {
        Self { after: 0, next: 1, gaps: 0, decision: 0, at: Millis(0) }
    }
}

/// A piece of the log beside the store's rows.
struct Piece {
    end: Track,
    coupons: u64,
    differing: u64,
}

enum Look {
    Piece(Piece),
    /// The store has not come so far.
    Behind,
    /// The log ends here.
    End,
}

/// The comparison of one campaign in one store with the log.
#[derive(Debug, Default)]
pub struct Walk {
    /// Through what is new.
    tail: Track,
    /// Through all, once more.
    again: Track,
    /// Pieces that differed, by where they begin, and by how many coupons.
    different: BTreeMap<u64, (Track, u64)>,
    mended: u64,
    steps: u64,
    /// Nothing was new at the last look.
    level: bool,
    /// What was new had not come to the store.
    waits: bool,
}

impl Walk {
    /// The last decision in the log up to which everything was compared, and when it was logged.
    pub fn compared(&self) -> (u64, Millis) {
        (self.tail.decision, self.tail.at)
    }

    /// Takes steps until nothing is new here, or for about so long; at least one. Returns how many coupons were compared.
    ///
    /// # Errors
    /// As [`Self::step`], when not even the first one could be taken.
    pub async fn steps(
        &mut self,
        time: Duration,
        log: &dyn EventLog,
        campaign: &CampaignId,
        store: &dyn Compared,
    ) -> Result<u64, String> {
        let (begun, mut coupons, mut first) = (Instant::now(), 0, true);
        (self.level, self.waits) = (false, false);
        loop {
            match self.step(log, campaign, store).await {
                Ok(more) => coupons += more,
                Err(error) if first => return Err(error),
                Err(_) => return Ok(coupons),
            }
            if self.level || self.waits || begun.elapsed() >= time {
                return Ok(coupons);
            }
            first = false;
        }
    }

    /// Whether nothing was new at the end of the last steps.
    pub fn is_level(&self) -> bool {
        self.level
    }

    /// Coupons that differ, at least.
    pub fn drift(&self) -> u64 {
        self.different.values().map(|(_, coupons)| coupons).sum()
    }

    /// Sequence numbers that are missing or out of order in the log.
    pub fn gaps(&self) -> u64 {
        self.tail.gaps.max(self.again.gaps)
    }

    /// Compares one piece; returns how many coupons it had. An error: log or store did not answer, or the store has not
    /// come far enough to be compared.
    pub async fn step(
        &mut self,
        log: &dyn EventLog,
        campaign: &CampaignId,
        store: &dyn Compared,
    ) -> Result<u64, String> {
        self.steps += 1;
        if self.steps.is_multiple_of(2)
            && let Some(track) = self.next_different()
        {
            return self.look_again(log, campaign, store, track).await;
        }
        match self.compare(log, campaign, store, self.tail).await? {
            Look::Piece(piece) => {
                self.tail = piece.end;
                return Ok(piece.coupons);
            }
            Look::Behind => self.waits = true,
            Look::End => self.level = true,
        }
        match self.compare(log, campaign, store, self.again).await? {
            Look::Piece(piece) => {
                self.again = piece.end;
                Ok(piece.coupons)
            }
            Look::Behind => Err(format!("the {} has not come so far", store.name())),
            Look::End => {
                self.look_beyond(log, campaign, store, self.again).await?;
                self.again = Track::default();
                Ok(0)
            }
        }
    }

    /// Each of those that differed in turn.
    fn next_different(&mut self) -> Option<Track> {
        let behind = self.different.range((Excluded(self.mended), Unbounded)).next();
        let (place, (track, _)) = behind.or_else(|| self.different.first_key_value())?;
        self.mended = *place;
        Some(*track)
    }

    async fn look_again(
        &mut self,
        log: &dyn EventLog,
        campaign: &CampaignId,
        store: &dyn Compared,
        track: Track,
    ) -> Result<u64, String> {
        if self.mended == BEYOND {
            self.look_beyond(log, campaign, store, track).await?;
            return Ok(0);
        }
        match self.compare(log, campaign, store, track).await? {
            Look::Piece(piece) => Ok(piece.coupons),
            Look::Behind | Look::End => Ok(0),
        }
    }

    /// Compares the piece behind `track`, twice if it differs, and remembers what came out.
    async fn compare(
        &mut self,
        log: &dyn EventLog,
        campaign: &CampaignId,
        store: &dyn Compared,
        track: Track,
    ) -> Result<Look, String> {
        let mut look = piece(log, campaign, store, track).await?;
        if matches!(&look, Look::Piece(piece) if piece.differing > 0) {
            sleep(LATER).await;
            look = piece(log, campaign, store, track).await?;
        }
        if let Look::Piece(piece) = &look {
            let range = (track.next, piece.end.next.saturating_sub(1));
            self.remember(campaign, store.name(), track.after, (track, piece.differing), range);
        }
        Ok(look)
    }

    /// Rows of numbers that the log does not have.
    async fn look_beyond(
        &mut self,
        log: &dyn EventLog,
        campaign: &CampaignId,
        store: &dyn Compared,
        track: Track,
    ) -> Result<(), String> {
        if !store.knows_positions() {
            return Ok(());
        }
        let partition = crate::event_log::Subject::decisions(campaign).partition(log.partitions());
        let upto = Some(Position::new(partition, track.after));
        let range = Range { from: track.next, upto, ..Range::default() };
        let mut differing = store.sum(campaign, &range).await?.count;
        if differing > 0 {
            sleep(LATER).await;
            differing = store.sum(campaign, &range).await?.count;
        }
        self.remember(campaign, store.name(), BEYOND, (track, differing), (track.next, u64::MAX));
        Ok(())
    }

    fn remember(
        &mut self,
        campaign: &CampaignId,
        store: &str,
        place: u64,
        (track, differing): (Track, u64),
        (from, to): (u64, u64),
    ) {
        if differing == 0 {
            if self.different.remove(&place).is_some() {
                tracing::info!(%campaign, store, from, to, "the store agrees with the log again");
            }
        } else if (self.different.len() < REMEMBERED || self.different.contains_key(&place))
            && self.different.insert(place, (track, differing)).is_none()
        {
            tracing::error!(
                %campaign, store, from, to, differing,
                "the store differs from the log: `firstcome verify` names the coupons"
            );
        }
    }
}

async fn piece(
    log: &dyn EventLog,
    campaign: &CampaignId,
    store: &dyn Compared,
    track: Track,
) -> Result<Look, String> {
    let read = log.read_campaign(campaign, track.after, PIECE).await;
    let mut batch = read.map_err(|error| error.to_string())?;
    if batch.is_empty() {
        return Ok(Look::End);
    }
    // While people ask, the newest message is nearly always on its way.
    let last = loop {
        let Some(last) = batch.last() else { return Ok(Look::Behind) };
        if store.has_reached(campaign, last.position).await? {
            break last;
        }
        batch.truncate(batch.len() / 2);
    };
    let (end, chunks) = chunks(track, &batch);
    let mut piece = Piece { end, coupons: 0, differing: 0 };
    for (range, sum) in chunks {
        let ours = sum.fingerprint(Store::Log, campaign.as_str(), last.position, &range);
        let theirs = store.sum(campaign, &range).await?;
        piece.coupons += ours.count;
        let facts = |sum: &Fingerprint| (sum.count, sum.highest, sum.checksum.clone());
        if facts(&ours) != facts(&theirs) {
            piece.differing += ours.count.abs_diff(theirs.count).max(1);
        }
        // A chunk takes milliseconds: others go on meanwhile.
        tokio::task::yield_now().await;
    }
    Ok(Look::Piece(piece))
}

/// The coupons of some messages, summed up in ranges of numbers that leave none out; and where they end.
fn chunks(track: Track, batch: &[Stored]) -> (Track, Vec<(Range, Sum)>) {
    let (mut end, mut chunks) = (track, Vec::<(Range, Sum)>::new());
    for stored in batch {
        end.after = stored.position.sequence;
        // What nobody can read holds no coupons that anybody was promised.
        let Ok(message) = Message::decode(&stored.payload) else { continue };
        if stored.subject.lane == Lane::Decisions {
            (end.decision, end.at) = (message.last, stored.stored_at);
        }
        for (coupon, issued_at, _, expires_at) in message.coupons() {
            end.gaps += coupon.seq.abs_diff(end.next);
            // From 0: a number that no gate gives is a difference too.
            let from = if end.next == 1 { 0 } else { end.next };
            if chunks.last().is_none_or(|(range, _)| range.to.saturating_sub(range.from) >= CHUNK) {
                chunks.push((Range { from, to: from, ..Range::default() }, Sum::default()));
            }
            end.next = end.next.max(coupon.seq.saturating_add(1));
            if let Some((range, sum)) = chunks.last_mut() {
                range.to = range.to.max(coupon.seq);
                let row = Row {
                    seq: coupon.seq,
                    user_id: coupon.user_id.to_string(),
                    code: coupon.code.clone(),
                    issued_at,
                    expires_at,
                    status: Some(CouponStatus::Issued),
                };
                sum.add(range, row);
            }
        }
    }
    (end, chunks)
}

#[cfg(test)]
mod tests;
