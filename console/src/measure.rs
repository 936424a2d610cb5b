//! For the benchmark alone: a console with many campaigns, drawn again and again into a terminal of memory. No part of
//! the interface.

use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{Campaign, CampaignState, CouponTerms, LimitPer, Time, WindowView};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::ThemeName;
use crate::message::{Data, Feed, Message};
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

    /// A second later the servers tell of all campaigns.
    pub fn fetched(&mut self) {
        self.now = self.now.plus(1_000);
        let campaigns = (0..self.campaigns).map(|number| campaign(number, self.now)).collect();
        update(&mut self.state, Message::Fetched(Feed::Campaigns, Ok(Data::Campaigns(campaigns))), self.now);
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
