//! Refusing strangers of a sold-out campaign without troubling the gate's decision (ARCHITECTURE A3): the holders are
//! remembered as hashes, and one read of the gate that began after the request came confirms that nothing has changed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{CampaignId, UserId, Verdict};
use foldhash::quality::FixedState;

use super::NoAnswer;
use crate::gate::{Call, Gate, GateError, Glance, ROWS};

/// The cache of one campaign; empty until it is sold out.
#[derive(Debug)]
pub(super) struct SoldOut {
    campaign: CampaignId,
    gate: Arc<dyn Gate>,
    cache: RwLock<Option<Arc<Cache>>>,
    building: AtomicBool,
}

/// Who holds a coupon of a sold-out window.
#[derive(Debug)]
struct Cache {
    /// What must not have changed; its time is when the cache began.
    glance: Glance,
    /// The window's end: the cache ends with it.
    closes_at: Millis,
    /// How many there were.
    stock: u64,
    holders: HashSet<u64, FixedState>,
}

impl SoldOut {
    pub(super) fn new(campaign: CampaignId, gate: Arc<dyn Gate>) -> Self {
        Self { campaign, gate, cache: RwLock::new(None), building: AtomicBool::new(false) }
    }

    /// The refusal, if `user` is certainly a stranger to a campaign that is certainly still sold out.
    pub(super) async fn refuse(&self, user: &UserId) -> Result<Option<Verdict>, NoAnswer> {
        let Some(cache) = self.cached() else { return Ok(None) };
        if cache.holders.contains(&hash(user)) {
            return Ok(None);
        }
        let glance = match self.gate.glance(&self.campaign).await {
            Ok(glance) => glance,
            // A gate that forgot is mended by whoever asks it to decide.
            Err(GateError::Forgot) => None,
            Err(error) => return Err(NoAnswer::Unavailable(error.to_string())),
        };
        let same = glance.is_some_and(|glance| same(&glance, &cache.glance) && glance.now < cache.closes_at);
        if same {
            return Ok(Some(Verdict::SoldOut { stock: cache.stock }));
        }
        self.forget();
        Ok(None)
    }

    /// Whether there is a cache, or will be soon.
    pub(super) fn begun(&self) -> bool {
        self.building.load(Ordering::Acquire) || self.cached().is_some()
    }

    /// Begins the cache, if the open window is sold out, all of it is logged, and it stays so while the holders are
    /// read: what the cache refuses rests on logged coupons. One at a time: a million holders are read but once.
    pub(super) async fn begin(&self, call: Call<'_>) {
        if self.building.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Ok(Some(cache)) = self.build(call).await {
            *self.cache.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(cache));
        }
        self.building.store(false, Ordering::Release);
    }

    pub(super) fn forget(&self) {
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn build(&self, call: Call<'_>) -> Result<Option<Cache>, GateError> {
        let Some(before) = self.gate.glance(&self.campaign).await? else { return Ok(None) };
        let view = self.gate.view(&self.campaign, call).await?;
        if view.decision != view.logged {
            return Ok(None);
        }
        let view = view.body;
        let Some(open) = view.definition.open_window(view.now) else { return Ok(None) };
        let window = view.definition.windows[open];
        if view.issued[open] < window.stock || view.flags.paused || view.flags.cancelled {
            return Ok(None);
        }
        let mut holders = HashSet::default();
        for from in (1..=view.issued.iter().sum()).step_by(usize::try_from(ROWS).unwrap_or(usize::MAX)) {
            let rows = self.gate.rows(&self.campaign, call, from, from + ROWS - 1).await?.body;
            holders.extend(rows.iter().map(|row| hash(&row.user)));
            tokio::task::yield_now().await;
        }
        let unchanged = self.gate.glance(&self.campaign).await?.is_some_and(|after| same(&after, &before));
        Ok(unchanged.then_some(Cache {
            glance: before,
            closes_at: window.closes_at,
            stock: window.stock,
            holders,
        }))
    }

    fn cached(&self) -> Option<Arc<Cache>> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn same(one: &Glance, other: &Glance) -> bool {
    let memory = one.incarnation == other.incarnation && one.log == other.log && one.epoch == other.epoch;
    memory && one.version == other.version
}

/// Two people may share a hash: then the stranger asks the gate, no more.
fn hash(user: &UserId) -> u64 {
    use std::hash::BuildHasher;
    FixedState::default().hash_one(user.as_str())
}
