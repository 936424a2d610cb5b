//! The document of one campaign: what it is, how many coupons it gave, and how far and along which chain its part of
//! the log has been followed.

use firstcome_shared::chain::Chain;
use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, Definition, Flags, state};
use firstcome_shared::event::{Entry, Event, IssuedCoupon};
use firstcome_shared::event_log::Lane;
use firstcome_shared::position::Position;
use firstcome_shared::projection::Delivery;
use firstcome_shared::wire::{HistoryCampaign, Time, Totals};
use serde::{Deserialize, Serialize};

use super::{Unfit, second};

/// What a window has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowCount {
    /// The window's lasting number.
    pub id: u32,
    /// Coupons issued in it.
    pub issued: u64,
    /// When its latest coupon was issued: the moment it sold out, once it has.
    pub last_issued_at: Millis,
}

/// One campaign with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignView {
    /// Its name in URLs.
    pub id: CampaignId,
    /// What it is; absent when its creation was discarded or not read yet.
    pub definition: Option<Definition>,
    /// When it was created; absent too in a document that is older than this field.
    #[serde(default)]
    pub created_at: Option<Millis>,
    /// What operators switched.
    pub flags: Flags,
    /// Coupons by what became of them.
    pub totals: Totals,
    /// Windows that have given coupons.
    pub windows: Vec<WindowCount>,
    /// Highest sequence number.
    pub highest: u64,
    /// When the first coupon was issued.
    pub first_issued_at: Option<Millis>,
    /// When the latest coupon was issued.
    pub last_issued_at: Option<Millis>,
    /// Coupons issued in the second of the latest one. Gate time never goes back, so earlier seconds are over.
    pub latest_second: u64,
    /// The most coupons issued in one second.
    pub peak_per_second: u64,
    /// The end of the campaign's decisions, as far as they were followed.
    pub decisions: Chain,
    /// The end of the campaign's uses, as far as they were followed.
    pub uses: Chain,
    /// The last message that is counted.
    pub position: Position,
}

impl CampaignView {
    pub(super) fn new(id: CampaignId, partition: u32) -> Self {
        Self {
            id,
            definition: None,
            created_at: None,
            flags: Flags::default(),
            totals: Totals::default(),
            windows: Vec::new(),
            highest: 0,
            first_issued_at: None,
            last_issued_at: None,
            latest_second: 0,
            peak_per_second: 0,
            decisions: Chain::default(),
            uses: Chain::default(),
            position: Position::new(partition, 0),
        }
    }

    /// Counts a message, once. After an error the view is of no use.
    pub(super) fn fold(&mut self, delivery: &Delivery) -> Result<(), Unfit> {
        let Delivery { subject, position, message } = delivery;
        if position.sequence <= self.position.sequence {
            return Ok(());
        }
        let chain = match subject.lane {
            Lane::Decisions => &mut self.decisions,
            Lane::Uses => &mut self.uses,
        };
        *chain = chain.follow(position.sequence, message)?;
        for entry in &message.entries {
            self.apply(subject.lane, entry)?;
        }
        self.position = *position;
        Ok(())
    }

    pub(super) fn skip(&mut self, lane: Lane, chain: Chain, position: Position) {
        match lane {
            Lane::Decisions => self.decisions = chain,
            Lane::Uses => self.uses = chain,
        }
        self.position = position;
    }

    fn apply(&mut self, lane: Lane, entry: &Entry) -> Result<(), Unfit> {
        let acted = matches!(entry.event, Event::OperatorActed { .. });
        if acted != (lane == Lane::Uses) {
            return refused(format!("{} does not belong on this subject", entry.event.kind()));
        }
        match &entry.event {
            Event::CampaignCreated { definition, .. } => {
                if self.definition.is_some() {
                    return refused("the campaign was created before".to_owned());
                }
                self.define(definition)?;
                self.created_at = Some(entry.at);
            }
            Event::CampaignUpdated { definition, .. } => self.define(definition)?,
            Event::StockChanged { window, stock, .. } => {
                let windows = self.definition.iter_mut().flat_map(|definition| &mut definition.windows);
                match windows.into_iter().find(|each| each.id == *window) {
                    Some(changed) => changed.stock = *stock,
                    None => return refused(format!("window {window} is not known")),
                }
            }
            Event::CampaignPaused { .. } => self.flags.paused = true,
            Event::CampaignResumed { .. } => self.flags.paused = false,
            Event::CampaignCancelled { .. } => self.flags.cancelled = true,
            Event::CouponsIssued { window, coupons, .. } => self.issue(entry.at, *window, coupons)?,
            // They tell nothing that the counts and the chain do not.
            Event::GateFenced { .. } | Event::StockThresholdReached { .. } | Event::OperatorActed { .. } => {}
        }
        Ok(())
    }

    fn define(&mut self, definition: &Definition) -> Result<(), Unfit> {
        if definition.id != self.id {
            return refused(format!("it defines campaign {}", definition.id));
        }
        self.definition = Some(definition.clone());
        Ok(())
    }

    fn issue(&mut self, at: Millis, window: u32, coupons: &[IssuedCoupon]) -> Result<(), Unfit> {
        let known = self.definition.iter().flat_map(|definition| &definition.windows);
        if !known.into_iter().any(|each| each.id == window) {
            return refused(format!("window {window} is not known"));
        }
        for coupon in coupons {
            // Rising, not gapless: a discarded message leaves a gap, and the audit names it.
            if coupon.seq <= self.highest {
                return refused(format!("coupon {} comes after coupon {}", coupon.seq, self.highest));
            }
            if !is_code(&coupon.code) {
                return refused(format!("coupon {} has no usable code", coupon.seq));
            }
            self.highest = coupon.seq;
        }
        let count = u64::try_from(coupons.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return Ok(());
        }
        self.totals.issued += count;
        match self.windows.iter_mut().find(|each| each.id == window) {
            Some(counted) => {
                counted.issued += count;
                counted.last_issued_at = at;
            }
            None => self.windows.push(WindowCount { id: window, issued: count, last_issued_at: at }),
        }
        let same_second = self.last_issued_at.is_some_and(|last| second(last) == second(at));
        self.latest_second = if same_second { self.latest_second + count } else { count };
        self.peak_per_second = self.peak_per_second.max(self.latest_second);
        self.first_issued_at = self.first_issued_at.or(Some(at));
        self.last_issued_at = Some(at);
        Ok(())
    }

    /// Coupons issued a window, in the definition's order.
    pub fn issued(&self) -> Vec<u64> {
        let windows = self.definition.iter().flat_map(|definition| &definition.windows);
        windows.map(|window| self.count(window.id).map_or(0, |count| count.issued)).collect()
    }

    fn count(&self, window: u32) -> Option<&WindowCount> {
        self.windows.iter().find(|count| count.id == window)
    }

    /// From opening to last coupon, in milliseconds, of the window that sold out last. Before the campaign was created
    /// nobody could ask: a window that was open by then counts from there.
    fn sell_out(&self) -> Option<i64> {
        let windows = self.definition.iter().flat_map(|definition| &definition.windows);
        windows
            .filter_map(|window| self.count(window.id).map(|count| (window, count)))
            .filter(|(window, count)| count.issued >= window.stock)
            .max_by_key(|(_, count)| count.last_issued_at)
            .map(|(window, count)| {
                let begin = self.created_at.map_or(window.opens_at, |at| at.max(window.opens_at));
                count.last_issued_at.since(begin)
            })
    }

    /// The campaign as the API shows it at `now`; `None` while nobody knows what it is.
    pub fn on_wire(&self, now: Millis) -> Option<HistoryCampaign> {
        let definition = self.definition.as_ref()?;
        let (state, reason) = state(definition, self.flags, &self.issued(), now).on_wire();
        Some(HistoryCampaign {
            id: self.id.to_string(),
            name: definition.name.clone(),
            state,
            reason,
            stock: definition.stock(),
            totals: self.totals,
            first_issued_at: self.first_issued_at.map(Time),
            last_issued_at: self.last_issued_at.map(Time),
            seconds_to_sell_out: self.sell_out().map(seconds),
            peak_per_second: self.peak_per_second,
            position: self.position,
        })
    }
}

fn refused<T>(reason: String) -> Result<T, Unfit> {
    Err(Unfit::Refused(reason))
}

/// What a store can keep and a person can type. An unsealed coupon has none.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[expect(clippy::cast_precision_loss, reason = "a campaign lasts fewer than 2^53 milliseconds")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}
