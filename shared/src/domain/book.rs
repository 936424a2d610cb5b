//! A campaign's book: everything the gate must know to decide, and nothing else. It is a pure value. The memory gate
//! keeps one; a rebuild folds one from the log; both must come out equal, which the property tests hold.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::campaign::{Definition, Flags};
use super::ids::{RequestKey, UserId};
use crate::clock::Millis;
use crate::event::{Entry, Event, IssuedCoupon};

/// A coupon as the gate remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its place in line.
    pub seq: u64,
    /// When it was decided.
    pub issued_at: Millis,
    /// Id of its window.
    pub window: u32,
    /// The request that got it, where keys are kept.
    pub key: Option<RequestKey>,
}

/// The coupons of one person, oldest first; never empty. Almost always one, so one needs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    first: Held,
    more: Vec<Held>,
}

impl Holdings {
    /// All coupons, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Held> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The newest coupon.
    pub fn latest(&self) -> &Held {
        self.more.last().unwrap_or(&self.first)
    }

    fn len(&self) -> usize {
        1 + self.more.len()
    }
}

/// The log says something that cannot follow from what it said before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log contradicts itself at decision {decision}: {problem}")]
pub struct Corrupt {
    /// The decision that does not fit.
    pub decision: u64,
    /// Why.
    pub problem: String,
}

/// Everything the gate knows of one campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// The campaign, as last changed.
    pub definition: Definition,
    /// What operators switched.
    pub flags: Flags,
    /// Coupons issued a window, in the definition's order.
    pub issued: Vec<u64>,
    /// Highest stock threshold, in percent, that was announced a window.
    pub announced: Vec<u8>,
    /// Who holds what.
    pub holders: HashMap<UserId, Holdings, FixedState>,
    /// Number of the last decision.
    pub decision: u64,
    /// Rises with stock and flags: what a sold-out cache is confirmed by (ARCHITECTURE A3).
    pub version: u64,
    /// The time of the last decision: gate time never goes back (ARCHITECTURE G8).
    pub last_time: Millis,
}

impl Book {
    /// The book of a campaign that was just created.
    pub fn new(definition: Definition) -> Self {
        let windows = definition.windows.len();
        Self {
            definition,
            flags: Flags::default(),
            issued: vec![0; windows],
            announced: vec![0; windows],
            holders: HashMap::default(),
            decision: 0,
            version: 1,
            last_time: Millis::default(),
        }
    }

    /// Coupons issued so far: also the highest sequence number.
    pub fn total_issued(&self) -> u64 {
        self.issued.iter().sum()
    }

    /// Gate time: the server's, but never before the last one used.
    pub fn gate_time(&self, now: Millis) -> Millis {
        now.max(self.last_time)
    }

    /// Folds one logged entry. What `decide` and `command` return, applied to a copy of the book from before, gives
    /// the book from after.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Corrupt> {
        let corrupt = |problem: &str| Corrupt { decision: entry.decision, problem: problem.to_owned() };
        match &entry.event {
            // The first message makes the book; a fence changes nothing but the epoch, which the chain follows. Their
            // times are an instance's, not the gate's.
            Event::CampaignCreated { .. } | Event::GateFenced { .. } => return Ok(()),
            _ if entry.decision != self.decision + 1 => return Err(corrupt("not the next decision")),
            Event::CouponsIssued { window, coupons, .. } => {
                for coupon in coupons {
                    if coupon.seq != self.total_issued() + 1 {
                        return Err(corrupt("not the next sequence number"));
                    }
                    self.record(*window, entry.at, coupon).ok_or_else(|| corrupt("unknown window"))?;
                }
            }
            Event::StockThresholdReached { window, percent } => {
                let index = self.window_index(*window).ok_or_else(|| corrupt("unknown window"))?;
                self.announced[index] = *percent;
            }
            Event::StockChanged { window, stock, .. } => {
                let index = self.window_index(*window).ok_or_else(|| corrupt("unknown window"))?;
                self.definition.windows[index].stock = *stock;
                self.restock(index);
            }
            Event::CampaignUpdated { definition, .. } => {
                if definition.windows.len() != self.issued.len() {
                    return Err(corrupt("the number of windows changed"));
                }
                self.definition = definition.clone();
                self.version += 1;
            }
            Event::CampaignPaused { .. } => self.switch(Flags { paused: true, ..self.flags }),
            Event::CampaignResumed { .. } => self.switch(Flags { paused: false, ..self.flags }),
            Event::CampaignCancelled { .. } => self.switch(Flags { cancelled: true, ..self.flags }),
            Event::OperatorActed { .. } => return Err(corrupt("not an event of the gate")),
        }
        self.decision = entry.decision;
        self.last_time = self.last_time.max(entry.at);
        Ok(())
    }

    /// Notes one issued coupon; `None` when there is no such window.
    pub(super) fn record(&mut self, window: u32, at: Millis, coupon: &IssuedCoupon) -> Option<()> {
        let index = self.window_index(window)?;
        let held = Held { seq: coupon.seq, issued_at: at, window, key: coupon.key.clone() };
        self.issued[index] += 1;
        match self.holders.get_mut(coupon.user_id.as_str()) {
            Some(holdings) => holdings.more.push(held),
            None => {
                self.holders.insert(coupon.user_id.clone(), Holdings { first: held, more: Vec::new() });
            }
        }
        Some(())
    }

    /// How many coupons this person has got in the campaign.
    pub(super) fn held_by(&self, user: &UserId) -> usize {
        self.holders.get(user.as_str()).map_or(0, Holdings::len)
    }

    /// After a change of stock: thresholds that are no longer reached may be announced again.
    fn restock(&mut self, index: usize) {
        self.announced[index] =
            threshold(self.issued[index], self.definition.windows[index].stock).min(self.announced[index]);
        self.version += 1;
    }

    fn switch(&mut self, flags: Flags) {
        self.flags = flags;
        self.version += 1;
    }

    fn window_index(&self, id: u32) -> Option<usize> {
        // Ids are given 1, 2, 3, … and never change, so the guess nearly always hits.
        let guess = usize::try_from(id).ok()?.checked_sub(1)?;
        match self.definition.windows.get(guess) {
            Some(window) if window.id == id => Some(guess),
            _ => self.definition.windows.iter().position(|window| window.id == id),
        }
    }
}

/// The highest of 50, 80 and 100 percent that `issued` of `stock` reaches; 0 when none.
pub(super) fn threshold(issued: u64, stock: u64) -> u8 {
    let reached = |percent: u64| u128::from(issued) * 100 >= u128::from(stock) * u128::from(percent);
    match () {
        () if reached(100) => 100,
        () if reached(80) => 80,
        () if reached(50) => 50,
        () => 0,
    }
}
