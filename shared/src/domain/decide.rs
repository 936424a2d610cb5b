//! Who gets a coupon: the heart of the product, one pure function over a batch of people in the order they came.

use super::book::{Book, Held, threshold};
use super::ids::{RequestKey, UserId};
use super::state::{State, state};
use crate::clock::Millis;
use crate::event::{Entry, Event, IssuedCoupon};
use crate::wire::{LimitPer, StateReason};

/// One person asking for a coupon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub user: UserId,
    /// Tells a retry from a second wish, where a person may hold several.
    pub key: Option<RequestKey>,
}

/// What the gate decided about one ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new coupon.
    Issued {
        /// The coupon.
        held: Held,
        /// Coupons left in the window after it.
        remaining: u64,
    },
    /// The coupon that this person or this request got before.
    AlreadyIssued(Held),
    /// The open window's stock is gone.
    SoldOut {
        /// How many there were.
        stock: u64,
    },
    /// No window is open yet.
    NotOpen {
        /// When the next one opens.
        opens_at: Millis,
    },
    /// Held by an operator.
    Paused,
    /// Closed for good.
    Closed(StateReason),
    /// This person has all a person may have.
    LimitReached(Vec<Held>),
}

/// A batch, decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// One verdict an ask, in the asks' order.
    pub verdicts: Vec<Verdict>,
    /// What goes to the outbox in the same atomic step; empty when nothing was issued.
    pub entries: Vec<Entry>,
}

impl Book {
    /// Decides `asks` in order at gate time `max(now, last time)` and notes the result.
    ///
    /// A holder gets the same coupon whatever the campaign's state: who got no clear answer may ask again and learns
    /// the truth (P4). Then: window closed or paused → refusal; limit reached; stock gone → sold out; else the next
    /// sequence number.
    pub fn decide(&mut self, asks: &[Ask], now: Millis) -> Decided {
        let now = self.gate_time(now);
        let mut verdicts = Vec::with_capacity(asks.len());
        let mut coupons = Vec::new();
        let mut window_id = 0;
        for ask in asks {
            if let Some(held) = self.repeated(ask, now) {
                verdicts.push(Verdict::AlreadyIssued(held.clone()));
                continue;
            }
            let window = match self.admit(ask, now) {
                Ok(window) => window,
                Err(refusal) => {
                    verdicts.push(refusal);
                    continue;
                }
            };
            window_id = self.definition.windows[window].id;
            let coupon = IssuedCoupon {
                seq: self.total_issued() + 1,
                user_id: ask.user.clone(),
                n: u32::try_from(self.held_by(&ask.user)).unwrap_or(u32::MAX).saturating_add(1),
                key: ask.key.clone().filter(|_| self.definition.keeps_keys()),
                code: String::new(),
            };
            self.record(window_id, now, &coupon);
            let held = Held { seq: coupon.seq, issued_at: now, window: window_id, key: coupon.key.clone() };
            let remaining = self.definition.windows[window].stock - self.issued[window];
            verdicts.push(Verdict::Issued { held, remaining });
            coupons.push(coupon);
        }
        let entries = if coupons.is_empty() { Vec::new() } else { self.issue(window_id, coupons, now) };
        Decided { verdicts, entries }
    }

    /// The coupon that this ask got before, when it is a repetition.
    fn repeated(&self, ask: &Ask, now: Millis) -> Option<&Held> {
        let holdings = self.holders.get(ask.user.as_str())?;
        if let Some(key) = &ask.key
            && self.definition.keeps_keys()
        {
            let same = holdings.iter().find(|held| held.key.as_ref() == Some(key));
            if same.is_some() || self.definition.needs_key() {
                return same;
            }
        } else if self.definition.needs_key() {
            // Refused at the edge; should one slip through, the newest coupon is the only safe answer.
            return Some(holdings.latest());
        }
        match (self.definition.limit_per, self.definition.open_window(now)) {
            (LimitPer::Window, Some(open)) => {
                let open = self.definition.windows[open].id;
                holdings.iter().rev().find(|held| held.window == open)
            }
            _ => Some(holdings.latest()),
        }
    }

    /// The index of the window this ask may have a coupon of.
    fn admit(&self, ask: &Ask, now: Millis) -> Result<usize, Verdict> {
        match state(&self.definition, self.flags, &self.issued, now) {
            State::Scheduled { next } => {
                Err(Verdict::NotOpen { opens_at: self.definition.windows[next].opens_at })
            }
            State::Paused => {
                Err(match (self.definition.open_window(now), self.definition.next_window(now)) {
                    (None, Some(next)) => {
                        Verdict::NotOpen { opens_at: self.definition.windows[next].opens_at }
                    }
                    _ => Verdict::Paused,
                })
            }
            State::Closed(StateReason::SoldOut) => {
                let stock =
                    self.definition.open_window(now).map_or(0, |open| self.definition.windows[open].stock);
                Err(self.limit(ask, now).unwrap_or(Verdict::SoldOut { stock }))
            }
            State::Closed(reason) => Err(Verdict::Closed(reason)),
            State::Open { window } => self.limit(ask, now).map_or(Ok(window), Err),
        }
    }

    /// The refusal of a person who has all a person may have.
    fn limit(&self, ask: &Ask, now: Millis) -> Option<Verdict> {
        let holdings = self.holders.get(ask.user.as_str())?;
        let open = self.definition.open_window(now).map(|open| self.definition.windows[open].id);
        let counted = |held: &&Held| match self.definition.limit_per {
            LimitPer::Campaign => true,
            LimitPer::Window => Some(held.window) == open,
        };
        let held: Vec<Held> = holdings.iter().filter(counted).cloned().collect();
        let limit = usize::try_from(self.definition.per_user_limit).unwrap_or(usize::MAX);
        (held.len() >= limit).then_some(Verdict::LimitReached(held))
    }

    /// Turns the batch's coupons into outbox entries: the issue, and the threshold it crossed.
    fn issue(&mut self, window: u32, coupons: Vec<IssuedCoupon>, now: Millis) -> Vec<Entry> {
        let expires_at = self.definition.coupon.expiry(now);
        self.last_time = now;
        self.decision += 1;
        let mut entries = vec![Entry {
            decision: self.decision,
            at: now,
            event: Event::CouponsIssued { window, expires_at, coupons },
        }];
        if let Some(index) = self.definition.windows.iter().position(|each| each.id == window) {
            let percent = threshold(self.issued[index], self.definition.windows[index].stock);
            if percent > self.announced[index] {
                self.announced[index] = percent;
                self.decision += 1;
                let event = Event::StockThresholdReached { window, percent };
                entries.push(Entry { decision: self.decision, at: now, event });
            }
        }
        entries
    }
}
