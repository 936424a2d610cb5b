//! Where everything stands, as a pure function of the state: `view` draws by it and `update` knows by it how many
//! lines a list shows and what was clicked.

use ratatui::layout::Rect;

use super::help;
use crate::state::State;

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
    pub(crate) banner: Rect,
    pub(crate) crumbs: Rect,
    pub(crate) body: Rect,
    pub(crate) status: Rect,
    pub(crate) footer: Rect,
}

impl Areas {
    /// One line each for everything but the body; the banner's only when there is something to say.
    pub(crate) fn of(state: &State) -> Self {
        let (width, height) = state.size;
        let line = |y| Rect::new(0, y, width, 1);
        let banner = u16::from(state.banner.is_some());
        let top = 2 + banner;
        Self {
            header: line(0),
            banner: Rect::new(0, 1, width, banner),
            crumbs: line(1 + banner),
            body: Rect::new(1, top, width.saturating_sub(2), height.saturating_sub(top + 2)),
            status: line(height.saturating_sub(2)),
            footer: line(height.saturating_sub(1)),
        }
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

/// The lines of the Pipeline screen's table, below boxes and heading.
pub(crate) fn lane_list(state: &State) -> Rect {
    let body = Areas::of(state).body;
    below(Rect { x: 0, width: state.size.0, ..body }, BOXES + 1)
}

/// The parts of the Campaign screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CampaignAreas {
    pub(crate) title: Rect,
    pub(crate) gauge: Rect,
    pub(crate) stock: Rect,
    pub(crate) rate: Rect,
    pub(crate) totals: Rect,
    pub(crate) windows: Rect,
    pub(crate) coupons: Rect,
}

impl CampaignAreas {
    /// Title and gauge above, two charts, then totals beside windows and coupons.
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
        let windows = match window_count(state) {
            0 | 1 => 0,
            several => (several + 2).min(side.height / 2),
        };
        Self {
            title: rows(0, 2),
            gauge: rows(2, gauge_rows),
            stock,
            rate,
            totals,
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

/// How many lines each list shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableRows {
    pub(crate) campaigns: usize,
    pub(crate) coupons: usize,
    pub(crate) lanes: usize,
    pub(crate) help: usize,
    pub(crate) help_lines: usize,
}

/// How many lines each list shows at the terminal's present size.
pub(crate) fn table_rows(state: &State) -> TableRows {
    TableRows {
        campaigns: usize::from(campaign_list(state).height),
        coupons: usize::from(CampaignAreas::of(state).coupons.height.saturating_sub(1)),
        lanes: usize::from(lane_list(state).height),
        help: usize::from(Areas::of(state).body.height),
        help_lines: help::lines(),
    }
}
