//! The active campaigns of the read model: what it counted, held against what was promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::drift::Walk;
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::telemetry::{DRIFT, OVERSOLD, SEQUENCE_GAPS, Scope};
use futures::{StreamExt, TryStreamExt, stream};
use metrics::Gauge;

use super::float;
use crate::Query;
use crate::projection::CampaignView;

/// Campaigns that one look reads to find those that are active, and again of those that are watched.
const PAGE: u32 = if cfg!(test) { 2 } else { 64 };
/// Reads at a time.
const AT_ONCE: usize = 8;
/// Most campaigns that have series at a time.
const MOST: usize = if cfg!(test) { 3 } else { 500 };
/// Series stay for so long after the campaign ceased to be active, so that its last numbers are seen.
const LINGER_MS: i64 = 60_000;

/// The campaigns that are watched.
#[derive(Default)]
pub(super) struct Campaigns {
    watched: Mutex<BTreeMap<CampaignId, Watched>>,
    looked: Mutex<Option<CampaignId>>,
    refreshed: Mutex<Option<CampaignId>>,
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
    open: bool,
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
        let (open, broken, differs) = (false, false, false);
        Self {
            active_at: now,
            since: now,
            walk: None,
            end,
            upto,
            open,
            broken,
            differs,
            oversold,
            gaps,
            drift,
            scope,
        }
    }

    /// Nobody would miss it if there were too many.
    fn may_go(&self) -> bool {
        !(self.open || self.broken || self.differs)
    }

    fn set(&mut self, view: &CampaignView, now: Millis) {
        if active(view, now) {
            self.active_at = now;
        }
        self.open = is_open(view, now);
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

fn active(view: &CampaignView, now: Millis) -> bool {
    let definition = view.definition.as_ref().filter(|_| !view.flags.cancelled);
    definition.is_some_and(|definition| definition.active(now))
}

fn is_open(view: &CampaignView, now: Millis) -> bool {
    active(view, now) && view.definition.as_ref().is_some_and(|it| it.open_window(now).is_some())
}

impl Campaigns {
    /// Looks at campaigns that are watched, and at the next page of all that there ever were. An error: the read model
    /// does not answer.
    pub(super) async fn look(&self, query: &Query) -> Result<(), StoreUnavailable> {
        let again = self.next_to_refresh();
        let reads: Vec<_> = again.iter().map(|campaign| query.model.campaign(campaign)).collect();
        let again: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        let after = self.looked().clone();
        let page = query.model.campaigns(after.as_ref().map(CampaignId::as_str), PAGE).await?;
        let full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        *self.looked() = page.last().filter(|_| full).map(|view| view.id.clone());
        let now = query.clock.now();
        let mut watched = self.watched();
        for view in page.iter().chain(again.iter().flatten()) {
            if active(view, now) && !watched.contains_key(&view.id) {
                if watched.len() >= MOST && is_open(view, now) {
                    // One that is open goes before one that will be.
                    let other = watched.iter().find(|(_, it)| it.may_go()).map(|(id, _)| id.clone());
                    other.map(|other| watched.remove(&other));
                }
                if watched.len() < MOST {
                    watched.insert(view.id.clone(), Watched::new(&view.id, now));
                }
            }
            if let Some(known) = watched.get_mut(&view.id) {
                known.set(view, now);
            }
        }
        // A promise that is broken stays to be seen until it is mended.
        watched.retain(|_, it| it.broken || it.differs || now.since(it.active_at) < LINGER_MS);
        Ok(())
    }

    /// The watched campaigns after those that were read again last, or the first ones.
    fn next_to_refresh(&self) -> Vec<CampaignId> {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = self.watched();
        let behind = watched.keys().filter(|id| refreshed.as_ref().is_none_or(|after| *id > after));
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let these: Vec<_> = behind.chain(watched.keys()).take(page.min(watched.len())).cloned().collect();
        *refreshed = these.last().cloned();
        these
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
        let mut watched = self.watched();
        watched.values_mut().fold((0, last), |(sum, upto), it| {
            let left = it.end.saturating_sub(it.upto.0);
            if left == 0 {
                // Whatever comes is younger.
                it.since = now;
                return (sum, upto);
            }
            (sum + left, upto.min(it.upto.1.max(it.since)))
        })
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<CampaignId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self) -> MutexGuard<'_, Option<CampaignId>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use firstcome_shared::clock::{Clock, ManualClock};
    use firstcome_shared::domain::Command;
    use firstcome_shared::event_log::EventLog;
    use firstcome_shared::event_log::sqlite::SqliteLog;
    use firstcome_shared::position::Position;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::read_model::ReadModel;
    use crate::read_model::sqlite::SqliteReadModel;
    use crate::testing::{History, OPENS, id};

    #[tokio::test]
    async fn what_is_watched_is_read_again_each_time_and_what_is_open_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(OPENS));
        let log = SqliteLog::open(&folder.path().join("log.db"), Arc::clone(&clock)).await.unwrap();
        let log: Arc<dyn EventLog> = Arc::new(log);
        let model = SqliteReadModel::open_writer(&folder.path().join("read.db")).await.unwrap();
        let model: Arc<dyn ReadModel> = Arc::new(model.with_readers(2).await.unwrap());
        let query = Query::new(Arc::clone(&log), model, clock, CancellationToken::new());
        for reader in query.readers() {
            tokio::spawn(reader.run(query.shutdown.clone()));
        }
        let mut history = History::of(&*log);
        for number in 10..30 {
            let name = format!("over-{number}");
            history.create(&name, 5).command(&name, &Command::Cancel);
        }
        history.create("zeta", 5);
        history.append_to(&*log, 0).await;
        let level = async |history: &History| {
            let wait = query.progress.wait_for(Position::new(0, history.end()));
            timeout(Duration::from_secs(20), wait).await.unwrap();
        };
        level(&history).await;

        let campaigns = Campaigns::default();
        for name in ["early-1", "early-2", "early-3"] {
            campaigns.watched().insert(id(name), Watched::new(&id(name), OPENS));
        }
        for _ in 0..11 {
            campaigns.look(&query).await.unwrap();
        }
        let names: Vec<_> = campaigns.watched().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["early-2", "early-3", "zeta"], "it is open, the others will be");

        let before = history.end();
        history.ask("zeta", &["ann"]);
        history.append_to(&*log, before).await;
        level(&history).await;
        for _ in 0..2 {
            campaigns.look(&query).await.unwrap();
        }
        assert_eq!(campaigns.behind(OPENS), (1, OPENS), "not when all were read once more");

        // Nothing comes for long: what comes then has not waited so long.
        let later = OPENS.plus(700_000);
        campaigns.watched().values_mut().for_each(|it| it.upto = (it.end, OPENS));
        *campaigns.compared.lock().unwrap() = Some(later);
        assert_eq!(campaigns.behind(later), (0, later));
        campaigns.watched().get_mut(&id("zeta")).unwrap().end += 1;
        assert_eq!(campaigns.behind(later.plus(1)), (1, later));
        query.shutdown.cancel();
    }
}
