//! Everything the console knows and where its user is. Nothing here draws, fetches or asks what time it is.

mod alerts;
mod audit;
mod campaigns;
mod links;
mod list;
mod rows;
mod servers;
mod table;

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{
    Asker, AuditEntry, CampaignPipeline, Coupon, HistoryCampaign, Pipeline, ProjectionView, WaitingRoom,
};

pub(crate) use alerts::{Alerts, Severity, rules};
pub(crate) use audit::AuditLog;
pub(crate) use campaigns::{Campaigns, Entry, Largest, SortKey, Standing, Turn};
pub(crate) use links::{Links, Picture};
pub(crate) use list::Cursor;
pub(crate) use rows::{Letter, status_word};
pub(crate) use servers::{Failing, Server, Servers};
pub(crate) use table::{List, Table};

use crate::ThemeName;
use crate::message::{Change, Feed, Order, Side};
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
    /// Messages that a store could not apply.
    DeadLetters,
    /// One of them, whole.
    Letter,
    /// What operators did.
    Audit,
    /// One act, whole.
    Act,
    /// What is wrong.
    Alerts,
    /// The keys.
    Help,
}

/// The screens that can be reached from everywhere, in the order of their tabs.
pub(crate) const TABS: [Screen; 6] =
    [Screen::Campaigns, Screen::Pipeline, Screen::DeadLetters, Screen::Audit, Screen::Alerts, Screen::Help];

/// What the keyboard is for at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Keys are actions.
    #[default]
    Normal,
    /// Keys go into the filter; what it was before, for `esc`.
    Filter { before: String },
    /// Keys go into a command; which of the completions is chosen.
    Command { typed: String, chosen: usize },
    /// Keys are the number that an order for this campaign needs.
    Number { campaign: String, wanted: Wanted, typed: String },
    /// Keys must spell this word before the order is sent, because it is for good.
    Spell { order: Order, word: String, typed: String },
    /// `y` sends this order, everything else does not.
    Confirm { order: Order },
    /// `y` stops the service in this process, everything else does not.
    Stop,
}

/// What number is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Coupons to add.
    Stock,
    /// People a second to admit from the waiting room.
    Admission,
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
    /// Who asked most often, for an operator.
    pub(crate) askers: Vec<Asker>,
}

impl Focus {
    /// The campaign of that id, of which nothing is known.
    pub(crate) fn on(id: &str) -> Self {
        Self { id: id.to_owned(), history: None, askers: Vec::new() }
    }
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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct State {
    /// The servers.
    pub(crate) servers: Servers,
    /// Actions are allowed.
    pub(crate) operator: bool,
    /// The service runs in the console's own process and ends with it.
    pub(crate) owner: bool,
    /// The colours.
    pub(crate) theme: ThemeName,
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
    /// Its latest coupons.
    pub(crate) coupons: Table<Coupon>,
    /// The pipeline as all servers together see it; its campaigns in order of their ids.
    pub(crate) pipeline: Option<Pipeline>,
    /// The read model's progress.
    pub(crate) read_model: Option<ProjectionView>,
    /// The pipeline's numbers over time.
    pub(crate) flow: Flow,
    /// Every campaign's own part of the pipeline.
    pub(crate) lanes: Table<CampaignPipeline>,
    /// What the stores could not apply.
    pub(crate) letters: Table<Letter>,
    /// What operators did.
    pub(crate) audit: AuditLog,
    /// The dead letter that is read, as it was last seen.
    pub(crate) letter: Option<Letter>,
    /// The act that is read.
    pub(crate) act: Option<AuditEntry>,
    /// How far what is read is scrolled.
    pub(crate) page: Cursor,
    /// What is wrong.
    pub(crate) alerts: Alerts,
    /// How far Help is scrolled.
    pub(crate) help: Cursor,
    /// How each feed is doing.
    pub(crate) links: Links,
    /// The latest news.
    pub(crate) status: Option<Status>,
    /// What whoever started the console has to say.
    pub(crate) banner: Option<String>,
    /// Whoever does not look is told.
    pub(crate) notify: bool,
    /// The terminal has the keyboard, as far as it tells.
    pub(crate) focused: bool,
    /// When a key was last pressed, or the mouse did something.
    pub(crate) touched_at: Option<Millis>,
}

/// Nobody who has not touched anything for so long, in milliseconds, is taken to look.
const ATTENTION: i64 = 60_000;

impl State {
    /// A console that knows nothing yet.
    pub(crate) fn new(servers: &[String], operator: bool, campaign: Option<&str>) -> Self {
        let mut state = Self {
            servers: Servers::new(servers),
            operator,
            owner: false,
            theme: ThemeName::Dark,
            size: (80, 24),
            screen: Screen::Campaigns,
            below: Vec::new(),
            mode: Mode::Normal,
            campaigns: Campaigns::default(),
            focus: None,
            coupons: Table::default(),
            pipeline: None,
            read_model: None,
            flow: Flow::default(),
            lanes: Table::default(),
            letters: Table::default(),
            audit: AuditLog::default(),
            letter: None,
            act: None,
            page: Cursor::default(),
            alerts: Alerts::default(),
            help: Cursor::default(),
            links: Links::default(),
            status: None,
            banner: None,
            notify: true,
            focused: true,
            touched_at: None,
        };
        if let Some(id) = campaign {
            state.focus = Some(Focus::on(id));
            state.screen = Screen::Campaign;
            state.below.push(Screen::Campaigns);
        }
        state
    }

    /// Somebody looks, as far as can be told.
    pub(crate) fn is_watched(&self, now: Millis) -> bool {
        self.focused && self.touched_at.is_some_and(|at| now.since(at) < ATTENTION)
    }

    /// How old a half's part of the picture is: its campaigns, or how far the read model is.
    pub(crate) fn picture(&self, side: Side, now: Millis) -> Picture {
        match side {
            Side::Command => self.links.of(&Feed::Campaigns, now),
            Side::Query => self.servers.lag_picture(now),
        }
    }

    /// The list on show, where there is one.
    pub(crate) fn list(&self) -> Option<&dyn List> {
        Some(match self.screen {
            Screen::Campaigns => &self.campaigns,
            Screen::Campaign => &self.coupons,
            Screen::Pipeline => &self.lanes,
            Screen::DeadLetters => &self.letters,
            Screen::Audit => &self.audit.table,
            Screen::Alerts => &self.alerts.table,
            Screen::Letter | Screen::Act | Screen::Help => return None,
        })
    }

    /// The same, to be changed.
    pub(crate) fn list_mut(&mut self) -> Option<&mut dyn List> {
        Some(match self.screen {
            Screen::Campaigns => &mut self.campaigns,
            Screen::Campaign => &mut self.coupons,
            Screen::Pipeline => &mut self.lanes,
            Screen::DeadLetters => &mut self.letters,
            Screen::Audit => &mut self.audit.table,
            Screen::Alerts => &mut self.alerts.table,
            Screen::Letter | Screen::Act | Screen::Help => return None,
        })
    }

    /// The campaign that an action would concern: the one on show, or the selected one.
    pub(crate) fn target(&self) -> Option<&Entry> {
        match (self.screen, &self.focus) {
            (Screen::Campaign, Some(focus)) => self.campaigns.get(&focus.id),
            (Screen::Campaigns, _) => self.campaigns.selected(),
            (Screen::Pipeline, _) => self.campaigns.get(&self.lanes.selected()?.campaign_id),
            _ => None,
        }
    }

    /// The dead letter that an action would concern: the one that is read, or the selected one.
    pub(crate) fn target_letter(&self) -> Option<&Letter> {
        match self.screen {
            Screen::Letter => self.letter.as_ref(),
            Screen::DeadLetters => self.letters.selected(),
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

    /// The order that admits so many people a second from now on.
    pub(crate) fn admission_order(&self, id: &str, admit_per_second: u64) -> Option<Order> {
        let room = self.campaigns.get(id)?.view.waiting_room?;
        let admit_per_second = u32::try_from(admit_per_second).ok()?;
        let change = Change::Admission(WaitingRoom { admit_per_second, ..room });
        Some(Order { campaign: id.to_owned(), change })
    }
}
