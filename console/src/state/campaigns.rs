//! All campaigns as last seen, which of them are on show and in what order. The order is made when something changes,
//! not when the screen is drawn.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, CampaignState, StateReason};

use super::Cursor;
use super::table::List;
use crate::text;
use crate::trend::Trend;

/// One campaign as last seen, and how it moved.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The live view.
    pub(crate) view: Campaign,
    /// When it was seen, by the console's clock.
    pub(crate) seen_at: Millis,
    /// Coupons issued, and coupons left.
    pub(crate) trend: Trend,
    /// Where it stood when that was last known.
    known: Option<Standing>,
}

impl Entry {
    /// The gate's time now, as far as the console can tell: countdowns go by the gate's clock, not by ours.
    pub(crate) fn gate_now(&self, now: Millis) -> Millis {
        self.view.now.0.plus(now.since(self.seen_at))
    }

    /// Coupons left and stock of the open or next window; of the whole campaign when no window is left.
    pub(crate) fn left_of(&self) -> (u64, u64) {
        match self.view.window {
            Some(window) => (window.remaining, window.stock),
            None => (self.view.remaining, self.view.stock),
        }
    }

    /// Coupons that can be had, now or once it opens or goes on; none when it is over, whatever is left, and when
    /// nobody knows.
    pub(crate) fn to_be_had(&self) -> Option<u64> {
        let standing = self.standing();
        (!standing.is_over() && standing != Standing::Unavailable).then(|| self.left_of().0)
    }

    /// What comes next, as a word and the milliseconds until then: `opens`, `closes`.
    pub(crate) fn next(&self, now: Millis) -> Option<(&'static str, i64)> {
        let (window, now) = (self.view.window?, self.gate_now(now));
        if self.standing() == Standing::Cancelled {
            return None;
        }
        let to_opening = text::between(now, window.opens_at.0);
        if to_opening > 0 || self.view.state == CampaignState::Scheduled {
            return Some(("opens", to_opening));
        }
        Some(("closes", text::between(now, window.closes_at.0)))
    }

    /// Where it stands.
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(&self.view)
    }
}

/// Where a campaign stands: state and reason in one. Ordered by how much an operator cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Unavailable,
    Open,
    Paused,
    SoldOut,
    Scheduled,
    Closed,
    Ended,
    Cancelled,
}

impl Standing {
    fn of(campaign: &Campaign) -> Self {
        match (campaign.state, campaign.reason) {
            (CampaignState::Open, _) => Self::Open,
            (CampaignState::Paused, _) => Self::Paused,
            (CampaignState::Scheduled, _) => Self::Scheduled,
            (CampaignState::Closed, Some(StateReason::SoldOut)) => Self::SoldOut,
            (CampaignState::Closed, Some(StateReason::Ended)) => Self::Ended,
            (CampaignState::Closed, Some(StateReason::Cancelled)) => Self::Cancelled,
            (CampaignState::Closed, None) => Self::Closed,
            (CampaignState::Unavailable, _) => Self::Unavailable,
        }
    }

    /// Nothing will be issued any more, whatever is left.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Ended | Self::Cancelled)
    }

    /// A symbol of one cell.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Unavailable => "!",
            Self::Open => "●",
            Self::Paused => "‖",
            Self::SoldOut => "■",
            Self::Scheduled => "○",
            Self::Closed | Self::Ended => "□",
            Self::Cancelled => "×",
        }
    }

    /// A word, or two.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold out",
            Self::Scheduled => "scheduled",
            Self::Closed => "closed",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SortKey {
    #[default]
    State,
    Id,
    Left,
    Issued,
    Rate,
    Waiting,
    Until,
}

impl SortKey {
    const ALL: [Self; 7] =
        [Self::State, Self::Id, Self::Left, Self::Issued, Self::Rate, Self::Waiting, Self::Until];

    /// What it is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Id => "id",
            Self::Left => "left",
            Self::Issued => "issued",
            Self::Rate => "issues/s",
            Self::Waiting => "waiting",
            Self::Until => "time",
        }
    }

    /// The larger first: it is the busy ones that one looks for.
    fn largest_first(self) -> bool {
        matches!(self, Self::Issued | Self::Rate | Self::Waiting)
    }
}

/// What the table is sorted by, and which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    /// The column.
    pub(crate) key: SortKey,
    /// Against the column's own direction.
    pub(crate) reversed: bool,
}

impl Sort {
    /// An arrow: up when values grow downwards.
    pub(crate) fn arrow(self) -> &'static str {
        if self.reversed == self.key.largest_first() { "↑" } else { "↓" }
    }

    fn order(self, a: &Entry, b: &Entry) -> Ordering {
        let until = |entry: &Entry| entry.next(entry.seen_at).map_or(i64::MAX, |next| next.1);
        let left = |entry: &Entry| entry.to_be_had().unwrap_or(u64::MAX);
        let order = match self.key {
            SortKey::State => a.standing().cmp(&b.standing()),
            SortKey::Id => Ordering::Equal,
            SortKey::Left => left(a).cmp(&left(b)),
            SortKey::Issued => b.view.issued.cmp(&a.view.issued),
            SortKey::Rate => b.trend.rate().cmp(&a.trend.rate()),
            SortKey::Waiting => b.view.waiting.cmp(&a.view.waiting),
            SortKey::Until => until(a).cmp(&until(b)),
        };
        let order = order.then_with(|| a.view.id.cmp(&b.view.id));
        if self.reversed { order.reverse() } else { order }
    }
}

/// The largest of everything that a table has to have room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Largest {
    /// Cells of an id.
    pub(crate) id: u16,
    /// Cells of a name.
    pub(crate) name: u16,
    /// Cells of a state's symbol and word.
    pub(crate) state: u16,
    pub(crate) left: u64,
    pub(crate) stock: u64,
    pub(crate) issued: u64,
    /// Coupons issued in a second.
    pub(crate) rate: u64,
    /// People who wait; none: there is no waiting room.
    pub(crate) waiting: Option<u64>,
}

impl Largest {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        entries.fold(Self::default(), |most, entry| {
            let (view, (left, stock)) = (&entry.view, entry.left_of());
            let waits = view.waiting > 0 || view.waiting_room.is_some();
            Self {
                id: most.id.max(u16::try_from(view.id.len()).unwrap_or(64)),
                name: most.name.max(text::width(&view.name)),
                state: most.state.max(text::width(entry.standing().word()) + 2),
                left: most.left.max(left),
                stock: most.stock.max(stock),
                issued: most.issued.max(view.issued),
                rate: most.rate.max(entry.trend.peak()),
                waiting: most.waiting.max(waits.then_some(view.waiting)),
            }
        })
    }
}

/// All campaigns, and what of them is on show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Campaigns {
    entries: BTreeMap<String, Entry>,
    shown: Vec<String>,
    largest: Largest,
    /// The selected line. The selection follows its campaign when the order changes.
    pub(crate) cursor: Cursor,
    /// Only campaigns in whose id, name or state this occurs.
    pub(crate) filter: String,
    /// The order.
    pub(crate) sort: Sort,
}

impl Campaigns {
    /// Takes in all campaigns; those that are missing are gone. Tells which of them opened or sold out since they were
    /// last seen.
    pub(crate) fn replace(&mut self, campaigns: Vec<Campaign>, now: Millis) -> Vec<Turn> {
        let mut before = std::mem::take(&mut self.entries);
        let mut turns = Vec::new();
        for campaign in campaigns {
            let entry = before.remove(&campaign.id);
            self.insert(entry, campaign, now, &mut turns);
        }
        self.largest = Largest::of(self.entries.values());
        self.arrange();
        turns
    }

    /// Takes in one campaign, seen alone.
    pub(crate) fn put(&mut self, campaign: Campaign, now: Millis) -> Vec<Turn> {
        let entry = self.entries.remove(&campaign.id);
        let mut turns = Vec::new();
        self.insert(entry, campaign, now, &mut turns);
        self.largest = Largest::of(self.entries.values());
        self.arrange();
        turns
    }

    fn insert(&mut self, before: Option<Entry>, campaign: Campaign, now: Millis, turns: &mut Vec<Turn>) {
        let stood = before.as_ref().and_then(|entry| entry.known);
        let id = campaign.id.clone();
        let entry = merged(before, campaign, now);
        turns.extend(stood.and_then(|stood| Turn::between(stood, &entry)));
        self.entries.insert(id, entry);
    }

    /// The campaign of that id.
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All campaigns by id, shown or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The largest values of all campaigns, shown or not.
    pub(crate) fn largest(&self) -> Largest {
        self.largest
    }

    /// The campaigns on show from line `top` on, at most `rows`.
    pub(crate) fn lines(&self, top: usize, rows: usize) -> impl Iterator<Item = &Entry> {
        self.shown.iter().skip(top).take(rows).filter_map(|id| self.entries.get(id))
    }

    /// The selected campaign.
    pub(crate) fn selected(&self) -> Option<&Entry> {
        self.entries.get(self.shown.get(self.cursor.selected)?)
    }

    /// Selects a campaign, if it is on show.
    pub(crate) fn select(&mut self, id: &str) {
        if let Some(line) = self.shown.iter().position(|shown| shown == id) {
            self.cursor.selected = line;
        }
    }

    fn arrange(&mut self) {
        let selected = self.shown.get(self.cursor.selected).cloned();
        let wanted = self.filter.to_lowercase();
        let mut shown: Vec<&Entry> =
            self.entries.values().filter(|entry| wanted.is_empty() || matches(entry, &wanted)).collect();
        shown.sort_by(|a, b| self.sort.order(a, b));
        self.shown = shown.into_iter().map(|entry| entry.view.id.clone()).collect();
        match selected {
            Some(id) => self.select(&id),
            None => self.cursor.selected = 0,
        }
    }
}

impl List for Campaigns {
    fn len(&self) -> usize {
        self.shown.len()
    }

    fn total(&self) -> usize {
        self.entries.len()
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor {
        &mut self.cursor
    }

    fn filter(&self) -> &str {
        &self.filter
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    fn keys(&self) -> Vec<&'static str> {
        SortKey::ALL.iter().map(|key| key.word()).collect()
    }

    fn order(&self) -> (usize, &'static str) {
        let key = SortKey::ALL.iter().position(|key| *key == self.sort.key).unwrap_or(0);
        (key, self.sort.arrow())
    }

    fn sort_by(&mut self, key: usize) {
        self.sort = Sort { key: SortKey::ALL.get(key).copied().unwrap_or_default(), reversed: false };
        self.arrange();
    }

    fn reverse(&mut self) {
        self.sort.reversed = !self.sort.reversed;
        self.arrange();
    }
}

/// A campaign opened, or sold out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Which.
    pub(crate) id: String,
    /// It sold out; else it opened.
    pub(crate) sold_out: bool,
}

impl Turn {
    fn between(before: Standing, entry: &Entry) -> Option<Self> {
        let sold_out = match (before, entry.standing()) {
            (Standing::Scheduled | Standing::SoldOut, Standing::Open) => false,
            (Standing::Scheduled | Standing::Open | Standing::Paused, Standing::SoldOut) => true,
            _ => return None,
        };
        Some(Self { id: entry.view.id.clone(), sold_out })
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.id, if self.sold_out { "is sold out" } else { "is open" })
    }
}

fn merged(entry: Option<Entry>, mut campaign: Campaign, now: Millis) -> Entry {
    let (mut trend, before) = match entry {
        Some(entry) if entry.view.now > campaign.now => return entry,
        // Its gate does not answer: the counts are no counts, what was last known stays.
        Some(mut entry) if campaign.state == CampaignState::Unavailable => {
            (entry.view.state, entry.view.reason, entry.view.now) = (campaign.state, None, campaign.now);
            return Entry { seen_at: now, ..entry };
        }
        Some(entry) => (entry.trend, entry.view.windows),
        None => (Trend::default(), None),
    };
    // Only the view of a single campaign has its windows; a list does not make us forget them.
    campaign.windows = campaign.windows.or(before);
    let left = campaign.window.map_or(campaign.remaining, |window| window.remaining);
    trend.record(campaign.now.0, campaign.issued, left);
    let known = Some(Standing::of(&campaign)).filter(|standing| *standing != Standing::Unavailable);
    Entry { view: campaign, seen_at: now, trend, known }
}

fn matches(entry: &Entry, wanted: &str) -> bool {
    entry.view.id.contains(wanted)
        || entry.view.name.to_lowercase().contains(wanted)
        || entry.standing().word().contains(wanted)
}
