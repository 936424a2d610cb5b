//! The active campaigns of the read model: what it counted, held against what was promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::Walk;
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::telemetry::{DRIFT, OVERSOLD, SEQUENCE_GAPS, Scope};
use metrics::Gauge;

use super::float;
use crate::Query;
use crate::projection::CampaignView;

/// Campaigns that one look reads.
const PAGE: u32 = 64;
/// Most campaigns that have series at a time.
const MOST: usize = 500;
/// Series stay for so long after the campaign ceased to be active, so that its last numbers are seen.
const LINGER_MS: i64 = 60_000;

/// The campaigns that are watched.
#[derive(Default)]
pub(super) struct Campaigns {
    watched: Mutex<BTreeMap<CampaignId, Watched>>,
    looked: Mutex<Option<CampaignId>>,
    /// When the read model was last compared.
    compared: Mutex<Option<Millis>>,
}

struct Watched {
    active_at: Millis,
    since: Millis,
    /// Away while it takes a step.
    walk: Option<Walk>,
    /// The last decision that the read model has, and the last one that was compared, with when it was logged.
    end: u64,
    upto: (u64, Millis),
    broken: bool,
    differs: bool,
    oversold: Gauge,
    gaps: Gauge,
    drift: Gauge,
    /// Keeps the series.
    scope: Arc<Scope>,
}

impl Watched {
    fn new(campaign: &CampaignId, now: Millis) -> Self {
        let scope = Scope::campaign(campaign);
        let gauge = |name| scope.reading(name, &[("store", "read_model")]);
        let (oversold, gaps, drift) = (gauge(OVERSOLD), gauge(SEQUENCE_GAPS), gauge(DRIFT));
        let (end, upto) = (0, (0, now));
        let (broken, differs) = (false, false);
        Self {
            active_at: now,
            since: now,
            walk: None,
            end,
            upto,
            broken,
            differs,
            oversold,
            gaps,
            drift,
            scope,
        }
    }

    fn set(&mut self, view: &CampaignView) {
        let issued = view.issued();
        let windows = view.definition.iter().flat_map(|definition| &definition.windows).zip(&issued);
        let beyond: u64 = windows.map(|(window, issued)| issued.saturating_sub(window.stock)).sum();
        self.oversold.set(float(beyond));
        // Windows count what was ever issued in them.
        let gaps = view.highest.abs_diff(issued.iter().sum());
        self.gaps.set(float(gaps));
        (self.end, self.broken) = (view.decisions.last, beyond > 0 || gaps > 0);
        self.scope.show(true);
    }
}

impl Campaigns {
    /// Looks at the next page of the read model's campaigns. An error: it does not answer.
    pub(super) async fn look(&self, query: &Query) -> Result<(), StoreUnavailable> {
        let after = self.looked().clone();
        let page = query.model.campaigns(after.as_ref().map(CampaignId::as_str), PAGE).await?;
        let full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        *self.looked() = page.last().filter(|_| full).map(|view| view.id.clone());
        let now = query.clock.now();
        let mut watched = self.watched();
        for view in &page {
            let definition = view.definition.as_ref().filter(|_| !view.flags.cancelled);
            let active = definition.is_some_and(|definition| definition.active(now));
            if active && !watched.contains_key(&view.id) && watched.len() < MOST {
                watched.insert(view.id.clone(), Watched::new(&view.id, now));
            }
            if let Some(known) = watched.get_mut(&view.id) {
                if active {
                    known.active_at = now;
                }
                known.set(view);
            }
        }
        // A promise that is broken stays to be seen until it is mended.
        watched.retain(|_, it| it.broken || it.differs || now.since(it.active_at) < LINGER_MS);
        Ok(())
    }

    /// The next campaign after this one, or the first.
    pub(super) fn next(&self, after: Option<&CampaignId>) -> Option<CampaignId> {
        let watched = self.watched();
        let behind = watched.keys().find(|campaign| after.is_none_or(|after| *campaign > after));
        behind.or_else(|| watched.keys().next()).cloned()
    }

    /// The walk through a campaign, for a step.
    pub(super) fn take_walk(&self, campaign: &CampaignId) -> Walk {
        self.watched().get_mut(campaign).and_then(|known| known.walk.take()).unwrap_or_default()
    }

    /// The walk after its step.
    pub(super) fn give_walk(&self, campaign: &CampaignId, walk: Walk) {
        if let Some(known) = self.watched().get_mut(campaign) {
            known.drift.set(float(walk.drift()));
            (known.differs, known.upto) = (walk.drift() > 0, walk.compared());
            known.walk = Some(walk);
        }
    }

    /// The read model was compared, if only a piece of it.
    pub(super) fn with_compared(&self, now: Millis) {
        *self.compared.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Decisions that the read model has and was not compared with yet, and up to when it was: the comparison may be
    /// behind what is new, or stand still.
    pub(super) fn behind(&self, now: Millis) -> (u64, Millis) {
        // Since the start nothing was.
        let last = *self.compared.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        let watched = self.watched();
        let behind = watched.values().filter(|it| it.end > it.upto.0);
        behind.fold((0, last), |(sum, upto), it| {
            (sum + (it.end - it.upto.0), upto.min(it.upto.1.max(it.since)))
        })
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<CampaignId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self) -> MutexGuard<'_, Option<CampaignId>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
