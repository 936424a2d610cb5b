//! What the lists have as lines, and how these are filtered and sorted.

use std::cmp::Ordering;

use firstcome_shared::wire::{AuditEntry, CampaignPipeline, Coupon, CouponStatus, DeadLetter};

use super::table::{Key, Row, key, largest};
use crate::message::Side;

fn has(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(wanted)
}

impl Row for CampaignPipeline {
    const KEYS: &'static [Key] = &[
        key("campaign"),
        largest("decisions"),
        largest("outbox"),
        largest("oldest"),
        largest("queue"),
        largest("rebuilds"),
    ];

    fn same(&self, other: &Self) -> bool {
        self.campaign_id == other.campaign_id
    }

    fn matches(&self, wanted: &str) -> bool {
        has(&self.campaign_id, wanted)
            || (self.log_away && "away".contains(wanted))
            || (self.forgot.is_some() && "lost".contains(wanted))
    }

    fn compare(&self, other: &Self, key: usize) -> Ordering {
        let outbox = |lane: &Self| lane.decision.saturating_sub(lane.logged);
        match key {
            1 => self.decision.cmp(&other.decision),
            2 => outbox(self).cmp(&outbox(other)),
            3 => self.oldest_ms.cmp(&other.oldest_ms),
            4 => self.queued.cmp(&other.queued),
            5 => self.rebuilds.cmp(&other.rebuilds),
            _ => self.campaign_id.cmp(&other.campaign_id),
        }
    }
}

/// A dead letter and the half whose store could not apply it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Which half.
    pub(crate) side: Side,
    /// The letter.
    pub(crate) letter: DeadLetter,
}

impl Row for Letter {
    const KEYS: &'static [Key] =
        &[largest("time"), key("campaign"), key("store"), largest("tries"), key("reason")];

    fn same(&self, other: &Self) -> bool {
        self.side == other.side && self.letter.position == other.letter.position
    }

    fn matches(&self, wanted: &str) -> bool {
        let letter = &self.letter;
        has(&letter.campaign_id, wanted)
            || has(&letter.reason, wanted)
            || has(&letter.id, wanted)
            || self.side.store().contains(wanted)
    }

    fn compare(&self, other: &Self, key: usize) -> Ordering {
        let (a, b) = (&self.letter, &other.letter);
        match key {
            1 => a.campaign_id.cmp(&b.campaign_id),
            2 => self.side.cmp(&other.side),
            3 => a.attempts.cmp(&b.attempts),
            4 => a.reason.cmp(&b.reason),
            _ => a.parked_at.cmp(&b.parked_at),
        }
    }
}

impl Row for AuditEntry {
    const KEYS: &'static [Key] = &[largest("time"), key("actor"), key("action"), key("campaign")];

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn matches(&self, wanted: &str) -> bool {
        has(&self.actor, wanted)
            || has(&self.action, wanted)
            || has(&self.campaign_id, wanted)
            || has(&self.details.to_string(), wanted)
    }

    fn compare(&self, other: &Self, key: usize) -> Ordering {
        match key {
            1 => self.actor.cmp(&other.actor),
            2 => self.action.cmp(&other.action),
            3 => self.campaign_id.cmp(&other.campaign_id),
            _ => self.at.cmp(&other.at),
        }
    }
}

/// What a coupon's status is called.
pub(crate) fn status_word(status: CouponStatus) -> &'static str {
    match status {
        CouponStatus::Issued => "issued",
        CouponStatus::Redeemed => "redeemed",
        CouponStatus::Revoked => "revoked",
        CouponStatus::Expired => "expired",
    }
}

impl Row for Coupon {
    const KEYS: &'static [Key] = &[largest("number"), key("person"), key("status")];

    fn same(&self, other: &Self) -> bool {
        self.seq == other.seq
    }

    fn matches(&self, wanted: &str) -> bool {
        // Not by its code: that is not on show.
        has(&self.user_id, wanted)
            || status_word(self.status).contains(wanted)
            || self.seq.to_string() == wanted
    }

    fn compare(&self, other: &Self, key: usize) -> Ordering {
        match key {
            1 => self.user_id.cmp(&other.user_id),
            2 => status_word(self.status).cmp(status_word(other.status)),
            _ => self.seq.cmp(&other.seq),
        }
    }
}
