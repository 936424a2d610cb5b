//! For the benchmark alone: a console with many campaigns, drawn again and again into a terminal of memory. No part of
//! the interface.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use firstcome_shared::clock::Millis;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{
    Campaign, CampaignPipeline, CampaignState, CouponTerms, Dependency, LimitPer, LogView, Pipeline,
    ProjectionView, Time, WindowView,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::ThemeName;
use crate::message::{Broken, Data, Feed, Health, Message, Metrics, Promise};
use crate::state::State;
use crate::update::update;
use crate::view::{Theme, draw};

/// A console on a terminal of some size.
#[derive(Debug)]
pub struct Picture {
    state: State,
    terminal: Terminal<TestBackend>,
    campaigns: u64,
    now: Millis,
}

impl Picture {
    /// A terminal of that size, with so many campaigns of which every other one is selling.
    pub fn new(columns: u16, rows: u16, campaigns: u64) -> Self {
        let Ok(terminal) = Terminal::new(TestBackend::new(columns, rows));
        let state = State::new(&["http://127.0.0.1:8080".to_owned()], false, None);
        let mut picture = Self { state, terminal, campaigns, now: Millis(1_795_168_800_000) };
        update(&mut picture.state, Message::Resized(columns, rows), picture.now);
        for _ in 0..60 {
            picture.fetched();
        }
        picture
    }

    /// A second later the servers tell of all campaigns and their lanes, and that a promise to every tenth is broken.
    pub fn fetched(&mut self) {
        self.now = self.now.plus(1_000);
        let campaigns = (0..self.campaigns).map(|number| campaign(number, self.now)).collect();
        self.told(Feed::Campaigns, Data::Campaigns(campaigns));
        let pipeline = pipeline(self.campaigns, self.now);
        self.told(
            Feed::Lag(0),
            Data::Lag(ProjectionView { name: "read_model".to_owned(), ..pipeline.ledger.clone() }),
        );
        self.told(Feed::Pipeline(0), Data::Pipeline(Box::new(pipeline)));
        self.told(Feed::Health(0), Data::Health(Health::Ready));
        let broken = |number| Broken {
            promise: Promise::Same,
            campaign: format!("campaign-{number:04}"),
            store: "ledger".to_owned(),
            coupons: 1 + number,
        };
        let broken = (0..self.campaigns).step_by(10).map(broken).collect();
        self.told(Feed::Metrics(0), Data::Metrics(Metrics { broken, ..Metrics::default() }));
    }

    fn told(&mut self, feed: Feed, data: Data) {
        update(&mut self.state, Message::Fetched(feed, Ok(data)), self.now);
    }

    /// Turns to that screen: `pipeline`, `alerts`, whatever may be typed after `:`.
    pub fn turn_to(&mut self, screen: &str) {
        let typed = [':'].into_iter().chain(screen.chars()).map(KeyCode::Char);
        for code in typed.chain([KeyCode::Enter]) {
            update(&mut self.state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), self.now);
        }
    }

    /// All that is to be seen.
    pub fn text(&self) -> String {
        self.terminal.backend().to_string()
    }

    /// A quarter of a second goes by.
    pub fn tick(&mut self) {
        self.now = self.now.plus(250);
        update(&mut self.state, Message::Tick, self.now);
    }

    /// Draws, and compares with what was drawn before, as a real terminal's does.
    pub fn redraw(&mut self) {
        let (state, now, theme) = (&self.state, self.now, Theme::new(ThemeName::Dark));
        let Ok(_) = self.terminal.draw(|frame| draw(state, &theme, now, frame.buffer_mut()));
    }
}

fn pipeline(campaigns: u64, now: Millis) -> Pipeline {
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0) % 10_000;
    let lane = |number: u64| CampaignPipeline {
        campaign_id: format!("campaign-{number:04}"),
        epoch: 1,
        decision: seconds * 10 + number,
        logged: seconds * 10 + number - number % 3,
        queued: number,
        queue_capacity: 16_384,
        oldest_ms: number % 3,
        rebuilds: 0,
        log_away: false,
        forgot: None,
    };
    let up =
        |name: &str| Dependency { name: name.to_owned(), kind: "sqlite".to_owned(), up: true, detail: None };
    Pipeline {
        instance: "a1b2c3d4".to_owned(),
        outbox_depth: campaigns,
        outbox_oldest_ms: 2,
        log: LogView { identity: "9f3c55aa".to_owned(), positions: vec![Position::new(0, seconds * 50)] },
        ledger: ProjectionView {
            name: "ledger".to_owned(),
            positions: vec![Position::new(0, seconds * 49)],
            lag_events: seconds,
            lag_seconds: 0.5,
            parked: 0,
            stalled: None,
        },
        ledger_rate: None,
        campaigns: (0..campaigns).map(lane).collect(),
        dependencies: ["gate", "log", "ledger"].map(up).into(),
    }
}

fn campaign(number: u64, now: Millis) -> Campaign {
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0) % 10_000;
    let stock = 1_000_000;
    let issued = if number.is_multiple_of(2) { seconds * (number + 1) % stock } else { 0 };
    let window = WindowView {
        id: 1,
        opens_at: Time(now.plus(-3_600_000)),
        closes_at: Time(now.plus(3_600_000)),
        stock,
        issued,
        remaining: stock - issued,
    };
    Campaign {
        id: format!("campaign-{number:04}"),
        name: format!("Everything of number {number}"),
        state: if number.is_multiple_of(2) { CampaignState::Open } else { CampaignState::Paused },
        reason: None,
        stock,
        issued,
        remaining: stock - issued,
        window: Some(window),
        windows: None,
        per_user_limit: 1,
        limit_per: LimitPer::Campaign,
        coupon: CouponTerms { percent_off: Some(15), ..CouponTerms::default() },
        waiting_room: None,
        waiting: number,
        active: 0,
        epoch: 1,
        now: Time(now),
    }
}
