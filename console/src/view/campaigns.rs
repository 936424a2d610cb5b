//! The Campaigns screen: a line of sums, then a table of all campaigns. Only the lines on show are drawn.

use firstcome_shared::clock::Millis;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::columns::{Column, Placed, columns};
use super::layout::campaign_list;
use super::pen::Pen;
use super::theme::Theme;
use crate::message::Side;
use crate::state::{Entry, List as _, Picture, Standing, State};
use crate::text;

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    summary(pen, area, state, now);
    let list = campaign_list(state);
    let heading = Rect { y: list.y.saturating_sub(1), height: 1, ..area };
    let campaigns = &state.campaigns;
    if campaigns.len() == 0 {
        return empty(pen, heading, state, now);
    }
    let columns = columns(campaigns, area.width);
    for placed in &columns {
        let sorted = placed.column.sort() == Some(campaigns.sort.key);
        let arrow = if sorted { campaigns.sort.arrow() } else { "" };
        let title = format!("{}{arrow}", placed.column.title());
        let style = if sorted { theme.accent } else { theme.dim };
        if placed.column.is_number() {
            pen.right(area.x + placed.x, heading.y, placed.width, &title, style);
        } else {
            pen.put(area.x + placed.x, heading.y, placed.width, &title, style);
        }
    }
    let top = campaigns.cursor.top;
    for (row, entry) in campaigns.lines(top, usize::from(list.height)).enumerate() {
        let y = list.y + u16::try_from(row).unwrap_or(0);
        for &placed in &columns {
            cell(pen, area.x + placed.x, y, placed, entry, state, now);
        }
        if top + row == campaigns.cursor.selected {
            pen.put(0, y, 1, "▌", theme.accent);
            pen.fill(Rect { y, height: 1, ..list }, theme.selected);
        }
    }
}

/// One line about everything together.
fn summary(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let theme = *pen.theme;
    let (mut open, mut rate, mut issued, mut waiting) = (0_u64, 0, 0, 0);
    for entry in state.campaigns.all() {
        open += u64::from(entry.standing() == Standing::Open);
        rate += entry.trend.rate();
        issued += entry.view.issued;
        waiting += entry.view.waiting;
    }
    let behind = |lag: Option<u64>, live: bool| match lag {
        Some(lag) if live => text::count(lag),
        Some(lag) => format!("{}?", text::count(lag)),
        None => "?".to_owned(),
    };
    let pipeline = state.pipeline.as_ref();
    let fresh = state.servers.pipeline_picture(now).is_live();
    let read_model = state.read_model.as_ref().map(|lag| lag.lag_events);
    let mut figures = vec![("open", text::count(open)), ("issues/s", text::count(rate))];
    if waiting > 0 {
        figures.push(("waiting", text::count(waiting)));
    }
    figures.extend([
        ("in outbox", behind(pipeline.map(|pipeline| pipeline.outbox_depth), fresh)),
        ("ledger lag", behind(pipeline.map(|pipeline| pipeline.ledger.lag_events), fresh)),
        ("history lag", behind(read_model, state.picture(Side::Query, now).is_live())),
        ("issued", text::count(issued)),
    ]);
    let mut x = area.x;
    for (label, number) in figures {
        let room = area.right().saturating_sub(x);
        if text::width(&number) + 1 + text::width(label) > room {
            continue;
        }
        x = pen.run(x, area.y, room, &[(&number, theme.text), (" ", theme.dim), (label, theme.dim)]) + 2;
    }
}

fn empty(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let text = match state.picture(Side::Command, now) {
        _ if state.campaigns.total() > 0 => {
            format!("No campaign matches “{}”; esc drops the filter.", state.campaigns.filter)
        }
        Picture::Live => "No campaign yet: POST /v1/campaigns makes one.".to_owned(),
        picture => format!("No picture yet: {}.", picture.text()),
    };
    pen.put(area.x, area.y + 1, area.width, &text, pen.theme.dim);
}

/// The colour of a campaign's state.
pub(crate) fn standing_style(theme: &Theme, standing: Standing) -> Style {
    match standing {
        Standing::Unavailable => theme.bad,
        Standing::Open => theme.good,
        Standing::Paused => theme.warn,
        Standing::SoldOut => theme.accent,
        Standing::Scheduled => theme.text,
        Standing::Closed | Standing::Ended | Standing::Cancelled => theme.dim,
    }
}

fn cell(pen: &mut Pen, x: u16, y: u16, placed: Placed, entry: &Entry, state: &State, now: Millis) {
    let theme = *pen.theme;
    let width = placed.width;
    let standing = entry.standing();
    let (left, stock) = (entry.to_be_had(), entry.left_of().1);
    let number = |number: u64| {
        if number == 0 { ("0".to_owned(), theme.dim) } else { (text::count(number), theme.text) }
    };
    let (content, style) = match placed.column {
        Column::Id => {
            pen.put(x, y, width, &entry.view.id, theme.title);
            return;
        }
        Column::Name => {
            pen.put(x, y, width, &entry.view.name, theme.dim);
            return;
        }
        Column::State => {
            let style = standing_style(&theme, standing);
            pen.run(x, y, width, &[(standing.symbol(), style), (" ", style), (standing.word(), style)]);
            return;
        }
        Column::Gauge => return pen.gauge(x, y, width, (left.unwrap_or(0), stock), theme.accent),
        Column::Trend => {
            let rates = entry.trend.rates(usize::from(width));
            let most = rates.iter().copied().max().unwrap_or(0);
            return pen.bars(Rect::new(x, y, width, 1), &rates, most, theme.accent);
        }
        Column::Until => {
            let Some((word, milliseconds)) = entry.next(now) else {
                pen.put(x, y, width, "–", theme.dim);
                return;
            };
            let time = text::countdown(milliseconds);
            let soon = if milliseconds < 60_000 { theme.warn } else { theme.text };
            if width > 7 {
                pen.run(x, y, width, &[(word, theme.dim), (" ", theme.dim), (&time, soon)]);
            } else {
                pen.put(x, y, width, &time, soon);
            }
            return;
        }
        Column::Left => left.map_or(("–".to_owned(), theme.dim), number),
        Column::Stock => (text::count(stock), theme.dim),
        Column::Issued => number(entry.view.issued),
        Column::Rate => number(entry.trend.rate()),
        Column::Waiting => number(entry.view.waiting),
        Column::Outbox => outbox(state, &entry.view.id).map_or(("–".to_owned(), theme.dim), number),
    };
    pen.right(x, y, width, &content, style);
}

/// Decisions of the campaign that are not logged.
fn outbox(state: &State, id: &str) -> Option<u64> {
    let lanes = &state.pipeline.as_ref()?.campaigns;
    let at = lanes.binary_search_by(|lane| lane.campaign_id.as_str().cmp(id)).ok()?;
    Some(lanes[at].decision.saturating_sub(lanes[at].logged))
}
