//! Which campaigns are watched: those that this instance serves, and those that the log names and that are not over.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Book, CampaignId};
use firstcome_shared::event::{Event, Message};
use firstcome_shared::event_log::{Budget, LogUnavailable, Subject};
use firstcome_shared::position::Position;
use firstcome_shared::telemetry::{CAMPAIGNS_UNSHOWN, DRIFT_CHECKED_TIMESTAMP_SECONDS, UNCOMPARED_DECISIONS};
use firstcome_shared::wire::Store;
use futures::{StreamExt, stream};
use metrics::gauge;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::compare::name;
use super::watched::{Known, Watched};
use super::{PATIENCE, number};
use crate::gate::Gate;
use crate::lane::Lane;
use crate::service::Service;
use crate::service::pipeline::late;

/// Most campaigns that have series at a time.
pub(super) const MOST: usize = if cfg!(test) { 3 } else { 500 };
/// The log is searched for campaigns this often.
const SEARCH_EVERY: Duration = Duration::from_secs(15);
const PAGE: u32 = 256;
/// A campaign whose part of the log is not longer is folded to know where it stands.
const SHORT: Budget = Budget { messages: 64, bytes: 256 << 10 };
/// Campaigns that are looked at together.
const AT_ONCE: usize = 64;

/// The campaigns that are watched.
#[derive(Default)]
pub(super) struct Campaigns {
    watched: Mutex<BTreeMap<CampaignId, Watched>>,
    /// Those that are over; and whether the gate said so, or only their creation.
    over: std::sync::Mutex<HashMap<CampaignId, bool>>,
    searched: std::sync::Mutex<Option<Instant>>,
    probed: std::sync::Mutex<Option<CampaignId>>,
    /// When gate and ledger were last compared.
    compared: std::sync::Mutex<[Option<Millis>; 2]>,
}

impl Campaigns {
    /// Looks at all of them once and sets their gauges. Returns where the log ends, or why that is not known.
    pub(super) async fn look(&self, service: &Service) -> Result<Vec<Position>, String> {
        if service.intact().is_ok() && self.due_for_search() {
            // A log that does not answer shows elsewhere; it is searched again.
            let _ = timeout(PATIENCE, self.search(service)).await;
        }
        self.add_lanes(service).await;
        let now = service.clock().now();
        let wanted: Vec<(CampaignId, At)> = {
            let watched = self.watched.lock().await;
            watched.iter().filter_map(|(id, it)| Some((id.clone(), it.wants_look(now)?))).collect()
        };
        let looks = wanted.into_iter().map(|(campaign, at)| async move {
            let look = timeout(PATIENCE, look(service, &campaign, at)).await;
            let late = || Look { lane: service.lanes.known(&campaign), failed: true, ..Look::default() };
            let look = look.unwrap_or_else(|_| late());
            (campaign, look)
        });
        let looks: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let log_ends = timeout(PATIENCE, service.log_ends());
        let ((), log_ends) = tokio::join!(self.probe_gate(service), log_ends);
        let log_ends = log_ends.unwrap_or_else(|_| Err(late()));
        let log_serves = log_ends.is_ok() && service.log_refused().is_none();

        let mut watched = self.watched.lock().await;
        for (campaign, look) in looks {
            if let Some(it) = watched.get_mut(&campaign) {
                it.looked(look);
            }
        }
        let now = service.clock().now();
        let gate_answers = service.gate_away().is_none();
        let (mut shown, mut unshown) = (0, 0_usize);
        let mut ended = Vec::new();
        // Which are open goes before which will be, whatever their names.
        let mut all: Vec<_> = watched.iter_mut().collect();
        all.sort_by_key(|(_, it)| it.rank(now));
        for (campaign, it) in all {
            let show = it.is_shown(now);
            if show && shown < MOST {
                shown += 1;
                it.show(true, now);
                it.set(now, gate_answers, log_serves, service.lanes.forgot(campaign));
            } else {
                unshown += usize::from(show);
                it.show(false, now);
                if !show && it.known.over(now) {
                    ended.push(campaign.clone());
                }
            }
        }
        gauge!(CAMPAIGNS_UNSHOWN).set(number(unshown));
        for campaign in ended {
            watched.remove(&campaign);
            self.over().insert(campaign, true);
        }
        drop(watched);
        for store in [Store::Gate, Store::Ledger] {
            let (decisions, upto) = self.behind(store, now).await;
            gauge!(UNCOMPARED_DECISIONS, "store" => name(store)).set(number(decisions));
            gauge!(DRIFT_CHECKED_TIMESTAMP_SECONDS, "store" => name(store)).set(number(upto.0) / 1_000.0);
        }
        log_ends
    }

    /// The next campaign that is shown after this one, or the first.
    pub(super) async fn next(&self, after: Option<&CampaignId>) -> Option<CampaignId> {
        let watched = self.watched.lock().await;
        let compared = || watched.iter().filter(|(_, it)| it.may_be_compared()).map(|(campaign, _)| campaign);
        compared().find(|campaign| after.is_none_or(|after| *campaign > after)).or(compared().next()).cloned()
    }

    /// That store was compared, if only a piece of it.
    pub(super) fn with_compared(&self, store: Store, now: Millis) {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        compared[usize::from(store == Store::Ledger)] = Some(now);
    }

    /// Decisions that the store was not compared with yet, and up to when it was: the comparison may be behind what is
    /// new, or stand still.
    pub(super) async fn behind(&self, store: Store, now: Millis) -> (u64, Millis) {
        let last = {
            let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
            // Since the start nothing was.
            *compared[usize::from(store == Store::Ledger)].get_or_insert(now)
        };
        let mut watched = self.watched.lock().await;
        let behind =
            watched.values_mut().filter(|it| it.may_be_compared()).map(|it| it.uncompared(store, now));
        behind
            .filter(|(decisions, _)| *decisions > 0)
            .fold((0, last), |(sum, upto), (decisions, since)| (sum + decisions, upto.min(since)))
    }

    /// Has `change` done to a watched campaign.
    pub(super) async fn with(&self, campaign: &CampaignId, change: impl FnOnce(&mut Watched)) {
        if let Some(watched) = self.watched.lock().await.get_mut(campaign) {
            change(watched);
        }
    }

    fn due_for_search(&self) -> bool {
        let mut searched = self.searched.lock().unwrap_or_else(PoisonError::into_inner);
        if searched.is_some_and(|at| at.elapsed() < SEARCH_EVERY) {
            return false;
        }
        *searched = Some(Instant::now());
        true
    }

    /// Finds campaigns in the log; what one is, its first message says.
    async fn search(&self, service: &Service) -> Result<(), LogUnavailable> {
        let mut after: Option<CampaignId> = None;
        loop {
            let page = service.log().campaigns(after.as_ref().map(CampaignId::as_str), PAGE).await?;
            for campaign in &page {
                if self.over().contains_key(campaign) || self.watched.lock().await.contains_key(campaign) {
                    continue;
                }
                if let Some(known) = created(service, campaign).await? {
                    self.found(service, campaign, known).await;
                }
            }
            match page.last() {
                Some(last) => after = Some(last.clone()),
                None => return Ok(()),
            }
        }
    }

    /// Campaigns that this instance serves. What their creation says may be out of date, so they are looked at until
    /// the gate says that they are over.
    async fn add_lanes(&self, service: &Service) {
        let mut served = service.lanes.all();
        {
            let watched = self.watched.lock().await;
            served.retain(|(id, _)| self.over().get(id) != Some(&true) && !watched.contains_key(id));
        }
        let looks = served.into_iter().map(|(campaign, lane)| async move {
            let known = match timeout(PATIENCE, lane.read(Gate::view)).await {
                Ok(Ok(view)) => Some(view.into()),
                Ok(Err(_)) | Err(_) => {
                    timeout(PATIENCE, created(service, &campaign)).await.unwrap_or(Ok(None)).unwrap_or(None)
                }
            };
            if let Some(known) = known {
                self.found(service, &campaign, known).await;
            }
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    async fn found(&self, service: &Service, campaign: &CampaignId, known: Known) {
        if known.over(service.clock().now()) {
            self.over().insert(campaign.clone(), known.sure);
        } else {
            self.over().remove(campaign);
            let watched = Watched::new(campaign, known, service.lanes.parts().metrics.of(campaign));
            self.watched.lock().await.entry(campaign.clone()).or_insert(watched);
        }
    }

    /// Asks the gate for something cheap, of one watched campaign in turn: in a cluster each may be somewhere else.
    async fn probe_gate(&self, service: &Service) {
        let last = self.probed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = self.next(last.as_ref()).await;
        // Unknown campaigns are answered too.
        let Some(campaign) = next.clone().or_else(|| CampaignId::parse("probe").ok()) else { return };
        let gate = &service.lanes.parts().gate;
        let probe = async {
            gate.glance(&campaign).await?;
            gate.writable(&campaign).await
        };
        service.set_gate_away(match timeout(PATIENCE, probe).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the gate did not answer in time".to_owned()),
        });
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn over(&self) -> std::sync::MutexGuard<'_, HashMap<CampaignId, bool>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The campaign as its first message says.
async fn created(service: &Service, campaign: &CampaignId) -> Result<Option<Known>, LogUnavailable> {
    let first = service.log().first(&Subject::decisions(campaign)).await?;
    let message = first.and_then(|first| Message::decode(&first.payload).ok());
    let event = message.and_then(|message| message.entries.into_iter().next());
    Ok(match event.map(|entry| entry.event) {
        Some(Event::CampaignCreated { definition, .. }) => Some(Known::created(definition)),
        _ => None,
    })
}

/// Where a campaign is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Gate { sure: bool },
    Log,
}

/// What a look at a campaign showed.
#[derive(Default)]
pub(super) struct Look {
    pub(super) lane: Option<Arc<Lane>>,
    pub(super) known: Option<Known>,
    /// The gate answered and could decide.
    pub(super) ready: bool,
    /// The gate did not answer.
    pub(super) failed: bool,
}

async fn look(service: &Service, campaign: &CampaignId, at: At) -> Look {
    let of_log = async || folded(service, campaign).await.unwrap_or(None);
    let sure = match at {
        At::Gate { sure } => sure,
        At::Log => return Look { known: of_log().await, ..Look::default() },
    };
    let Ok(lane) = service.lane(campaign).await else { return Look { failed: true, ..Look::default() } };
    if let Ok(view) = lane.read(Gate::view).await {
        let ready = service.lanes.parts().gate.writable(campaign).await.is_ok();
        Look { lane: Some(lane), known: Some(view.into()), ready, failed: false }
    } else {
        let known = if sure { None } else { of_log().await };
        Look { lane: Some(lane), known, ready: false, failed: true }
    }
}

/// The campaign as the log says, where that is quickly read: before many have asked.
async fn folded(service: &Service, campaign: &CampaignId) -> Result<Option<Known>, LogUnavailable> {
    let subject = Subject::decisions(campaign);
    let messages = service.log().read(&subject, 0, SHORT).await?;
    let end = service.log().end(&subject).await?;
    if messages.last().map(|last| last.position) != end.map(|end| end.position) {
        return Ok(None);
    }
    let mut book: Option<Book> = None;
    for stored in &messages {
        let Ok(message) = Message::decode(&stored.payload) else { return Ok(None) };
        for entry in &message.entries {
            if let Some(book) = &mut book {
                if book.apply(entry).is_err() {
                    return Ok(None);
                }
            } else if let Event::CampaignCreated { definition, .. } = &entry.event {
                book = Some(Book::new(definition.clone()));
            }
        }
    }
    Ok(book.map(Known::from))
}
