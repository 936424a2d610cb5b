//! Everything the console knows and where its user is. Nothing here draws, fetches or asks what time it is.

mod campaigns;
mod links;
mod list;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Coupon, HistoryCampaign, Pipeline, ProjectionView};

pub(crate) use campaigns::{Campaigns, Entry, SortKey, Standing};
pub(crate) use links::{Links, Picture};
pub(crate) use list::Cursor;

use crate::message::{Change, Order};
use crate::trend::Trend;

/// A page of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Screen {
    /// All campaigns, a line each.
    Campaigns,
    /// One campaign.
    Campaign,
    /// How decisions flow into the stores.
    Pipeline,
    /// The keys.
    Help,
}

/// What the keyboard is for at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Keys are actions.
    #[default]
    Normal,
    /// Keys go into the filter; what it was before, for `esc`.
    Filter { before: String },
    /// Keys go into a command.
    Command { typed: String },
    /// Keys are the number of coupons to add.
    Stock { campaign: String, typed: String },
    /// Keys must spell the campaign's id before it is cancelled.
    Cancel { campaign: String, typed: String },
    /// `y` sends this order, everything else does not.
    Confirm { order: Order },
    /// `y` stops the service in this process, everything else does not.
    Stop,
}

/// One line about what just happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The line.
    pub(crate) text: String,
    /// How it went.
    pub(crate) tone: Tone,
    /// When it was said.
    pub(crate) at: Millis,
}

impl Status {
    /// Bad news stays longer.
    pub(crate) fn is_shown(&self, now: Millis) -> bool {
        now.since(self.at) < if self.tone == Tone::Bad { 30_000 } else { 8_000 }
    }
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it was meant.
    Good,
    /// Not as it was meant.
    Bad,
}

/// The campaign that is looked at, with what only this screen shows. The live view itself is in [`Campaigns`].
#[derive(Clone, Debug)]
pub(crate) struct Focus {
    /// The campaign.
    pub(crate) id: String,
    /// Its statistics from the read model.
    pub(crate) history: Option<HistoryCampaign>,
    /// Its latest coupons, newest first.
    pub(crate) coupons: Vec<Coupon>,
}

/// The pipeline's numbers over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// Decisions of the gate.
    pub(crate) gate: Trend,
    /// Decisions waiting for the log.
    pub(crate) outbox: Trend,
    /// Messages of the log.
    pub(crate) log: Trend,
    /// Messages the ledger has not applied.
    pub(crate) ledger: Trend,
    /// Messages the read model has not applied.
    pub(crate) read_model: Trend,
}

/// The whole state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The servers' addresses, as shown.
    pub(crate) servers: String,
    /// Actions are allowed.
    pub(crate) operator: bool,
    /// The service runs in the console's own process and ends with it.
    pub(crate) owner: bool,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    /// The page on show.
    pub(crate) screen: Screen,
    /// The pages below it, to which `esc` leads back.
    pub(crate) below: Vec<Screen>,
    /// What the keyboard is for.
    pub(crate) mode: Mode,
    /// All campaigns, in the order they are shown, and which one is selected.
    pub(crate) campaigns: Campaigns,
    /// The campaign that is looked at.
    pub(crate) focus: Option<Focus>,
    /// How far the Campaign screen's list is scrolled.
    pub(crate) coupons: Cursor,
    /// The pipeline as the command side sees it.
    pub(crate) pipeline: Option<Pipeline>,
    /// The read model's progress.
    pub(crate) read_model: Option<ProjectionView>,
    /// The pipeline's numbers over time.
    pub(crate) flow: Flow,
    /// The line selected on the Pipeline screen.
    pub(crate) lanes: Cursor,
    /// How far Help is scrolled.
    pub(crate) help: Cursor,
    /// How each feed is doing.
    pub(crate) links: Links,
    /// The latest news.
    pub(crate) status: Option<Status>,
    /// What whoever started the console has to say.
    pub(crate) banner: Option<String>,
}

impl State {
    /// A console that knows nothing yet.
    pub(crate) fn new(servers: &[String], operator: bool, campaign: Option<&str>) -> Self {
        let bare = |url: &String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut state = Self {
            servers: servers.iter().map(bare).collect::<Vec<_>>().join(", "),
            operator,
            owner: false,
            size: (80, 24),
            screen: Screen::Campaigns,
            below: Vec::new(),
            mode: Mode::Normal,
            campaigns: Campaigns::default(),
            focus: None,
            coupons: Cursor::default(),
            pipeline: None,
            read_model: None,
            flow: Flow::default(),
            lanes: Cursor::default(),
            help: Cursor::default(),
            links: Links::default(),
            status: None,
            banner: None,
        };
        if let Some(id) = campaign {
            state.focus = Some(Focus { id: id.to_owned(), history: None, coupons: Vec::new() });
            state.screen = Screen::Campaign;
            state.below.push(Screen::Campaigns);
        }
        state
    }

    /// The campaign that an action would concern: the one on show, or the selected one.
    pub(crate) fn target(&self) -> Option<&Entry> {
        match (self.screen, &self.focus) {
            (Screen::Campaign, Some(focus)) => self.campaigns.get(&focus.id),
            (Screen::Campaigns, _) => self.campaigns.selected(),
            _ => None,
        }
    }

    /// The order that adds so many coupons to the campaign's open or next window.
    pub(crate) fn stock_order(&self, id: &str, more: u64) -> Option<Order> {
        let campaign = &self.campaigns.get(id)?.view;
        let window = campaign.window?;
        // Every window has stock: one that has all of it is the only one.
        let alone = window.stock == campaign.stock;
        let change =
            Change::Stock { window: (!alone).then_some(window.id), total: window.stock.checked_add(more)? };
        Some(Order { campaign: id.to_owned(), change })
    }
}
