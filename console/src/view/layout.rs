//! Where everything stands, as a pure function of the state: `view` draws by it and `update` knows by it how many
//! lines a list shows and what was clicked.

use ratatui::layout::Rect;

use super::{help, reading};
use crate::state::{Screen, State, TABS};
use crate::text;
use crate::update::tab_of;

/// Below this nothing useful can be shown.
pub(crate) const LEAST: (u16, u16) = (64, 18);

/// The terminal is below what the console needs.
pub(crate) fn is_too_small(size: (u16, u16)) -> bool {
    size.0 < LEAST.0 || size.1 < LEAST.1
}

/// The parts every screen has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Areas {
    pub(crate) header: Rect,
    pub(crate) tabs: Rect,
    pub(crate) alerts: Rect,
    pub(crate) banner: Rect,
    pub(crate) crumbs: Rect,
    pub(crate) body: Rect,
    pub(crate) status: Rect,
    pub(crate) footer: Rect,
}

impl Areas {
    /// One line each for everything but the body. What is wrong has two, or one where there is little room; that and
    /// the banner only when there is something to say.
    pub(crate) fn of(state: &State) -> Self {
        let (width, height) = state.size;
        let lines = |y, height| Rect::new(0, y, width, height);
        let alerts = match state.alerts.count() {
            0 => 0,
            _ if height < 22 => 1,
            _ => 2,
        };
        let banner = u16::from(state.banner.is_some());
        let crumbs = 2 + alerts + banner;
        let top = crumbs + 1;
        Self {
            header: lines(0, 1),
            tabs: lines(1, 1),
            alerts: lines(2, alerts),
            banner: lines(2 + alerts, banner),
            crumbs: lines(crumbs, 1),
            body: Rect::new(1, top, width.saturating_sub(2), height.saturating_sub(top + 2)),
            status: lines(height.saturating_sub(2), 1),
            footer: lines(height.saturating_sub(1), 1),
        }
    }
}

/// The tabs: screen, column, label. The one on show has brackets; all others as much room.
pub(crate) fn tabs(state: &State) -> impl Iterator<Item = (Screen, u16, String)> {
    let shown = tab_of(state.screen);
    let mut x = 0;
    TABS.into_iter().map(move |screen| {
        let name = screen_name(screen);
        let number = match screen {
            Screen::DeadLetters => state.letters.all().len(),
            Screen::Alerts => state.alerts.count(),
            _ => 0,
        };
        let name =
            if number > 0 { format!("{name} {}", text::count(number as u64)) } else { name.to_owned() };
        let label = if screen == shown { format!("[{name}]") } else { format!(" {name} ") };
        let at = x;
        x += text::width(&label);
        (screen, at, label)
    })
}

/// The tab at a column.
pub(crate) fn tab_at(state: &State, column: u16) -> Option<Screen> {
    tabs(state)
        .find(|(_, x, label)| (*x..x + text::width(label)).contains(&column))
        .map(|(screen, ..)| screen)
}

/// What a screen is called.
pub(crate) fn screen_name(screen: Screen) -> &'static str {
    match screen {
        Screen::Campaigns => "Campaigns",
        Screen::Campaign => "Campaign",
        Screen::Pipeline => "Pipeline",
        Screen::DeadLetters => "Dead letters",
        Screen::Letter => "Dead letter",
        Screen::Audit => "Audit",
        Screen::Act => "Act",
        Screen::Alerts => "Alerts",
        Screen::Help => "Help",
    }
}

/// The rows below `skipped` ones.
fn below(area: Rect, skipped: u16) -> Rect {
    let skipped = skipped.min(area.height);
    Rect { y: area.y + skipped, height: area.height - skipped, ..area }
}

/// The lines of the Campaigns table, below its summary and heading. As wide as the terminal: the selected line is.
pub(crate) fn campaign_list(state: &State) -> Rect {
    let body = Areas::of(state).body;
    below(Rect { x: 0, width: state.size.0, ..body }, 3)
}

/// Rows of the boxes on the Pipeline screen, the blank line after them included.
pub(crate) const BOXES: u16 = 11;

/// The lines of the Pipeline screen that tell of each server: none where there is only one.
pub(crate) fn server_list(state: &State) -> Rect {
    let rest = below(Areas::of(state).body, BOXES);
    let servers = u16::try_from(state.servers.all().len()).unwrap_or(u16::MAX);
    if servers < 2 {
        return Rect { height: 0, ..rest };
    }
    // Two are always there; beyond that half of the room is the campaigns'.
    let most = (rest.height.saturating_sub(2) / 2).max(2);
    Rect { height: servers.min(most), ..below(rest, 1) }
}

/// The lines of the Pipeline screen's table, below boxes, servers and heading.
pub(crate) fn lane_list(state: &State) -> Rect {
    let body = Areas::of(state).body;
    let servers = server_list(state).height;
    let above = if servers > 0 { servers + 2 } else { 0 };
    below(Rect { x: 0, width: state.size.0, ..body }, BOXES + above + 1)
}

/// Lines that one alert takes.
pub(crate) const ALERT: u16 = 3;

/// The lines of the list on show, and how many of them one entry takes.
pub(crate) fn list(state: &State) -> (Rect, u16) {
    let wide = || Rect { x: 0, width: state.size.0, ..Areas::of(state).body };
    match state.screen {
        Screen::Campaigns => (campaign_list(state), 1),
        Screen::Campaign => (below(CampaignAreas::of(state).coupons, 1), 1),
        Screen::Pipeline => (lane_list(state), 1),
        Screen::DeadLetters | Screen::Audit => (below(wide(), 1), 1),
        Screen::Alerts => (wide(), ALERT),
        Screen::Letter | Screen::Act | Screen::Help => (Areas::of(state).body, 1),
    }
}

/// How many entries the list on show has room for, or how many lines the text on show.
pub(crate) fn list_rows(state: &State) -> usize {
    let (area, height) = list(state);
    usize::from(area.height / height)
}

/// Lines of the text on show.
pub(crate) fn text_lines(state: &State) -> usize {
    match state.screen {
        Screen::Help => help::lines(),
        _ => reading::lines(state).len(),
    }
}

/// The parts of the Campaign screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CampaignAreas {
    pub(crate) title: Rect,
    pub(crate) gauge: Rect,
    pub(crate) stock: Rect,
    pub(crate) rate: Rect,
    pub(crate) totals: Rect,
    pub(crate) askers: Rect,
    pub(crate) windows: Rect,
    pub(crate) coupons: Rect,
}

impl CampaignAreas {
    /// Title and gauge above, two charts, then totals, and for an operator those who ask most, beside windows and
    /// coupons.
    pub(crate) fn of(state: &State) -> Self {
        let body = Areas::of(state).body;
        let roomy = body.height >= 30;
        let rows = |y: u16, height: u16| {
            let area = below(body, y);
            Rect { height: height.min(area.height), ..area }
        };
        let gauge_rows = if roomy { 2 } else { 1 };
        let charts_at = 3 + gauge_rows + u16::from(roomy);
        let chart_rows = (body.height.saturating_sub(charts_at) * 2 / 5).max(4);
        let charts = rows(charts_at, chart_rows);
        let lists = below(body, charts_at + chart_rows + 1);
        let (stock, rate) = split(charts, charts.width * 11 / 20);
        let (totals, side) = split(lists, 30.min(lists.width / 2));
        // The totals have ten lines where there are so many, and half of them in any case.
        let askers =
            if state.operator { totals.height.saturating_sub(10).max(3).min(totals.height / 2) } else { 0 };
        let windows = match window_count(state) {
            0 | 1 => 0,
            several => (several + 2).min(side.height / 2),
        };
        Self {
            title: rows(0, 2),
            gauge: rows(2, gauge_rows),
            stock,
            rate,
            totals: Rect { height: totals.height - askers, ..totals },
            askers: below(totals, totals.height - askers),
            windows: Rect { height: windows, ..side },
            coupons: below(side, windows),
        }
    }
}

fn window_count(state: &State) -> u16 {
    let campaign = state.focus.as_ref().and_then(|focus| state.campaigns.get(&focus.id));
    let windows = campaign.and_then(|entry| entry.view.windows.as_ref());
    u16::try_from(windows.map_or(0, Vec::len)).unwrap_or(u16::MAX - 2)
}

/// Left and right part with three cells between.
fn split(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    let right = area.width.saturating_sub(left + 3);
    (Rect { width: left, ..area }, Rect { x: area.right() - right, width: right, ..area })
}
