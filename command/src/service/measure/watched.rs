//! One active campaign and its gauges: what its last look showed, and what follows from that and the clock alone while
//! no look succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firstcome_shared::clock::Millis;
use firstcome_shared::domain::{Book, CampaignId, Definition, Flags, State, state};
use firstcome_shared::drift::Walk;
use firstcome_shared::telemetry::{
    CAMPAIGN_DUE, CAMPAIGN_FORGOT, CAMPAIGN_OPEN, CAMPAIGN_PAUSED, CAMPAIGN_STATE, DRIFT, GATE_EPOCH,
    GATE_REBUILD_RUNNING_SECONDS, ISSUE_QUEUE_DEPTH, ISSUED, OUTBOX_DEPTH, OUTBOX_OLDEST_AGE_SECONDS,
    OVERSOLD, SEQUENCE_GAPS, STOCK, Scope,
};
use firstcome_shared::wire::{StateReason, Store};
use metrics::Gauge;

use super::campaigns::{At, Look};
use super::number;
use crate::gate::View;
use crate::lane::Lane;
use crate::metrics::Metrics;

/// Series stay for so long after the campaign ceased to be active, so that its last numbers are seen.
const LINGER_MS: i64 = 60_000;
/// After a look that failed, the next one waits.
const BACK_OFF: Duration = Duration::from_secs(5);
/// A campaign that opens within this is looked at: its gate is loaded when the first asks.
const SOON_MS: i64 = 60_000;

/// What is known of a campaign.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) definition: Definition,
    pub(super) flags: Flags,
    /// Coupons issued a window, in the definition's order.
    pub(super) issued: Vec<u64>,
    /// Whether this is what gate or log say, and not only what its creation said.
    pub(super) sure: bool,
}

impl Known {
    /// As it was created.
    pub(super) fn created(definition: Definition) -> Self {
        let issued = vec![0; definition.windows.len()];
        Self { definition, flags: Flags::default(), issued, sure: false }
    }

    fn state(&self, now: Millis) -> State {
        state(&self.definition, self.flags, &self.issued, now)
    }

    /// Coupons should be handed out.
    pub(super) fn due(&self, now: Millis) -> bool {
        matches!(self.state(now), State::Open { .. })
    }

    pub(super) fn active(&self, now: Millis) -> bool {
        !self.flags.cancelled && self.definition.active(now)
    }

    /// It will never be active again.
    pub(super) fn over(&self, now: Millis) -> bool {
        matches!(self.state(now), State::Closed(StateReason::Ended | StateReason::Cancelled))
    }

    fn oversold(&self) -> u64 {
        let windows = self.definition.windows.iter().zip(&self.issued);
        windows.map(|(window, issued)| issued.saturating_sub(window.stock)).sum()
    }
}

impl From<View> for Known {
    fn from(View { definition, flags, issued, .. }: View) -> Self {
        Self { definition, flags, issued, sure: true }
    }
}

impl From<Book> for Known {
    fn from(Book { definition, flags, issued, .. }: Book) -> Self {
        Self { definition, flags, issued, sure: true }
    }
}

/// A campaign that is watched.
pub(super) struct Watched {
    pub(super) known: Known,
    /// What is counted of it.
    metrics: Arc<Metrics>,
    pub(super) lane: Option<Arc<Lane>>,
    /// The gate answered the last look, and could have decided.
    ready: bool,
    /// It did not answer it.
    failed: bool,
    next_look: Instant,
    shown: bool,
    /// Since when it has not been active.
    idle_since: Option<Millis>,
    /// Since when it has been compared.
    compared_since: Millis,
    gate: Compared,
    ledger: Compared,
    gauges: Gauges,
}

/// One store beside the log.
#[derive(Default)]
struct Compared {
    /// Away while it takes a step.
    walk: Option<Walk>,
    drift: u64,
    gaps: u64,
    /// The last decision that was, and when it was logged.
    upto: (u64, Millis),
    /// When nothing was seen to be left to compare.
    level_at: Millis,
}

struct Gauges {
    scope: Arc<Scope>,
    /// What is shown as soon as it is known for sure.
    sure: Arc<Scope>,
    paused: Gauge,
    stock: Gauge,
    issued: Gauge,
    oversold: Gauge,
    /// What is also shown when something is wrong with the campaign.
    told: Arc<Scope>,
    due: Gauge,
    open: Gauge,
    state: Gauge,
    gaps: Gauge,
    forgot: Gauge,
    /// What only a lane knows.
    served: Arc<Scope>,
    queued: Gauge,
    outbox: Gauge,
    oldest: Gauge,
    epoch: Gauge,
    rebuilding: Gauge,
    gate_drift: Gauge,
    ledger_drift: Gauge,
}

impl Gauges {
    fn new(campaign: &CampaignId) -> Self {
        let [scope, sure, told, served] = std::array::from_fn(|_| Scope::campaign(campaign));
        let of_lane = |name| served.reading(name, &[]);
        let of_store = |name, store| scope.reading(name, &[("store", store)]);
        Self {
            paused: sure.reading(CAMPAIGN_PAUSED, &[]),
            stock: sure.reading(STOCK, &[]),
            issued: sure.reading(ISSUED, &[]),
            oversold: sure.reading(OVERSOLD, &[("store", "gate")]),
            sure,
            due: told.reading(CAMPAIGN_DUE, &[]),
            open: told.reading(CAMPAIGN_OPEN, &[]),
            state: told.reading(CAMPAIGN_STATE, &[]),
            told,
            gaps: of_store(SEQUENCE_GAPS, "log"),
            forgot: scope.reading(CAMPAIGN_FORGOT, &[]),
            queued: of_lane(ISSUE_QUEUE_DEPTH),
            outbox: of_lane(OUTBOX_DEPTH),
            oldest: of_lane(OUTBOX_OLDEST_AGE_SECONDS),
            epoch: of_lane(GATE_EPOCH),
            rebuilding: of_lane(GATE_REBUILD_RUNNING_SECONDS),
            served,
            gate_drift: of_store(DRIFT, "gate"),
            ledger_drift: of_store(DRIFT, "ledger"),
            scope,
        }
    }
}

impl Watched {
    pub(super) fn new(campaign: &CampaignId, known: Known, metrics: Arc<Metrics>) -> Self {
        Self {
            known,
            metrics,
            lane: None,
            ready: false,
            failed: false,
            next_look: Instant::now(),
            shown: false,
            // One that has not been active yet does not linger.
            idle_since: Some(Millis::default()),
            compared_since: Millis::default(),
            gate: Compared::default(),
            ledger: Compared::default(),
            gauges: Gauges::new(campaign),
        }
    }

    /// Where to look at it now, if anywhere: not at the gate for campaigns that nobody has asked for and that open much
    /// later.
    pub(super) fn wants_look(&self, now: Millis) -> Option<At> {
        let definition = &self.known.definition;
        let soon = || definition.open_window(now).or(definition.open_window(now.plus(SOON_MS))).is_some();
        match () {
            () if Instant::now() < self.next_look => None,
            () if self.lane.is_some() || soon() => Some(At::Gate { sure: self.known.sure }),
            () => (!self.known.sure && self.known.active(now)).then_some(At::Log),
        }
    }

    /// A look came out like this.
    pub(super) fn looked(&mut self, look: Look) {
        self.lane = look.lane.or(self.lane.take());
        (self.ready, self.failed) = (look.ready, look.failed);
        let found = look.known.is_some();
        if let Some(known) = look.known {
            self.known = known;
        }
        if look.failed || !found {
            self.next_look = Instant::now() + BACK_OFF;
        }
    }

    /// The walk through gate or ledger, for a step.
    pub(super) fn take_walk(&mut self, store: Store) -> Walk {
        self.compared(store).walk.take().unwrap_or_default()
    }

    /// The walk after its step.
    pub(super) fn give_walk(&mut self, store: Store, walk: Walk) {
        let (drift, gaps, upto) = (walk.drift(), walk.gaps(), walk.compared());
        let compared = self.compared(store);
        (compared.drift, compared.gaps, compared.upto) = (drift, gaps, upto);
        compared.walk = Some(walk);
    }

    /// Decisions in the log that the store was not compared with, and since when the first of them may have been there.
    pub(super) fn uncompared(&mut self, store: Store, now: Millis) -> (u64, Millis) {
        let end = self.lane.as_ref().map_or(0, |lane| lane.status().end().last);
        let since = self.compared_since;
        let compared = self.compared(store);
        let (decision, at) = compared.upto;
        let left = end.saturating_sub(decision);
        if left == 0 {
            compared.level_at = now;
        }
        (left, at.max(since).max(compared.level_at))
    }

    /// A promise is broken: that stays to be seen until it is mended.
    fn is_broken(&self) -> bool {
        let differs = |store: &Compared| store.drift > 0 || store.gaps > 0;
        differs(&self.gate) || differs(&self.ledger) || (self.known.sure && self.known.oversold() > 0)
    }

    fn compared(&mut self, store: Store) -> &mut Compared {
        if store == Store::Gate { &mut self.gate } else { &mut self.ledger }
    }

    /// Who is shown first when not all can be.
    pub(super) fn rank(&self, now: Millis) -> u8 {
        match () {
            () if self.is_broken() => 0,
            () if self.known.definition.open_window(now).is_some() => 1,
            () => 2,
        }
    }

    fn is_rebuilt(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.status().rebuilding().is_some())
    }

    /// Whether its series are to be shown.
    pub(super) fn is_shown(&mut self, now: Millis) -> bool {
        let unfinished = || self.lane.as_ref().is_some_and(|lane| unfinished(lane));
        if self.known.active(now) || self.is_broken() || unfinished() {
            self.idle_since = None;
            return true;
        }
        now.since(*self.idle_since.get_or_insert(now)) < LINGER_MS
    }

    pub(super) fn may_be_compared(&self) -> bool {
        self.shown && self.lane.is_some()
    }

    pub(super) fn show(&mut self, shown: bool, now: Millis) {
        if shown && !self.may_be_compared() {
            self.compared_since = now;
        }
        self.shown = shown;
        self.gauges.scope.show(shown);
        if !shown {
            self.gauges.sure.show(false);
            self.gauges.told.show(false);
            self.gauges.served.show(false);
        }
        self.metrics.show(shown);
    }

    /// Sets the gauges; whether gate and log can be used, as far as the whole instance knows, and whether what the log
    /// holds of this campaign cannot be.
    pub(super) fn set(&self, now: Millis, gate_answers: bool, log_answers: bool, forgot: bool) {
        let (known, gauges) = (&self.known, &self.gauges);
        let flag = |gauge: &Gauge, on: bool| gauge.set(f64::from(u8::from(on)));
        let log_answers =
            log_answers && self.lane.as_ref().is_some_and(|lane| lane.status().away().is_none());
        {
            // Due and open are of one moment, and so are stock and issues.
            let _held = gauges.told.hold();
            flag(&gauges.due, known.due(now));
            flag(&gauges.open, self.ready && log_answers && known.due(now));
            gauges.state.set(number(state_number(known.state(now))));
        }
        {
            let _held = gauges.sure.hold();
            flag(&gauges.paused, known.flags.paused && known.definition.open_window(now).is_some());
            let window = known.definition.open_window(now).or_else(|| known.definition.next_window(now));
            if let Some(window) = window.or_else(|| known.definition.windows.len().checked_sub(1)) {
                gauges.stock.set(number(known.definition.windows[window].stock));
                gauges.issued.set(number(known.issued[window]));
            }
            gauges.oversold.set(number(known.oversold()));
        }
        gauges.sure.show(known.sure);
        // That its creation says that it should be open is worth something only when this campaign alone cannot be
        // looked at: then something is wrong with it.
        gauges.told.show(known.sure || (self.failed && gate_answers && !self.is_rebuilt()));
        flag(&gauges.forgot, forgot);
        gauges.gaps.set(number(self.gate.gaps.max(self.ledger.gaps)));
        gauges.gate_drift.set(number(self.gate.drift));
        gauges.ledger_drift.set(number(self.ledger.drift));
        let Some(lane) = &self.lane else { return };
        let (status, end) = (lane.status(), lane.status().end());
        gauges.queued.set(number(lane.queued()));
        gauges.outbox.set(number(status.decision().saturating_sub(end.last)));
        gauges.oldest.set(seconds(status.oldest(), now));
        gauges.epoch.set(number(end.epoch));
        gauges.rebuilding.set(seconds(status.rebuilding(), now));
        gauges.served.show(true);
    }
}

/// As the metric's help names them.
fn state_number(state: State) -> u32 {
    match state {
        State::Scheduled { .. } => 0,
        State::Open { .. } => 1,
        State::Paused => 2,
        State::Closed(StateReason::SoldOut) => 3,
        State::Closed(StateReason::Ended) => 4,
        State::Closed(StateReason::Cancelled) => 5,
    }
}

/// Somebody waits, or something is not logged.
fn unfinished(lane: &Lane) -> bool {
    lane.queued() > 0 || lane.status().decision() > lane.status().end().last
}

fn seconds(since: Option<Millis>, now: Millis) -> f64 {
    number(since.map_or(0, |since| now.since(since))) / 1_000.0
}
