//! The Pipeline screen: gate → outbox → log → ledger and read model, each with how much waits in it and where that is
//! going; what the instance depends on; and every campaign's own lane.

use firstcome_shared::clock::Millis;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{CampaignPipeline, Pipeline, ProjectionView};
use ratatui::layout::Rect;
use ratatui::style::Style;

mod servers;

use super::layout::{BOXES, lane_list};
use super::pen::Pen;
use crate::message::Side;
use crate::state::{Cursor, List as _, Picture, State};
use crate::text;
use crate::trend::Trend;

/// Rows of a box.
const BOX: u16 = 5;
/// Cells between boxes.
const GAP: u16 = 3;

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State, now: Millis) {
    let right = (area.width * 3 / 10).max(22);
    let each = area.width.saturating_sub(right + 3 * GAP + 1) / 3;
    let at = |index: u16| Rect::new(area.x + index * (each + GAP), area.y, each, BOX);
    let ledger = Rect::new(area.right().saturating_sub(right), area.y, right, BOX);
    let read_model = Rect { y: area.y + BOX, ..ledger };
    let picture = state.servers.pipeline_picture(now);
    let pipeline = state.pipeline.as_ref();
    let flow = &state.flow;

    station(
        pen,
        at(0),
        "gate",
        health(pipeline, "gate"),
        &gate(pipeline, &flow.gate, each),
        &flow.gate.rates(60),
    );
    station(pen, at(1), "outbox", None, &outbox(pipeline, &flow.outbox, each), &flow.outbox.levels(60));
    station(pen, at(2), "log", health(pipeline, "log"), &log(pipeline, &flow.log), &flow.log.rates(60));
    let lines = projection(pipeline.map(|pipeline| &pipeline.ledger), &flow.ledger, &picture);
    station(pen, ledger, "ledger", health(pipeline, "ledger"), &lines, &flow.ledger.levels(60));
    let lag_picture = state.servers.lag_picture(now);
    let lines = projection(state.read_model.as_ref(), &flow.read_model, &lag_picture);
    let up = health(pipeline, "read_model").or(state.read_model.as_ref().map(|_| lag_picture.is_live()));
    station(pen, read_model, "read model", up, &lines, &flow.read_model.levels(60));

    arrows(pen, at(0), at(1), at(2), ledger);
    let beside = Rect::new(area.x, area.y + BOX, ledger.x.saturating_sub(area.x + GAP + 1), BOX);
    dependencies(pen, beside, state, &picture, now);
    servers::draw(pen, state, now);
    lanes(pen, Rect { y: area.y + BOXES, ..area }, state);
}

/// The two lines of a box and how they are meant.
type Lines = [(String, Meaning); 2];

/// How a line is meant.
#[derive(Clone, Copy)]
enum Meaning {
    Plain,
    Dim,
    Bad,
}

/// A box with two lines and a sparkline. `up`: what the dependency behind it says, if there is one.
fn station(pen: &mut Pen, area: Rect, name: &str, up: Option<bool>, lines: &Lines, values: &[u64]) {
    let theme = *pen.theme;
    let (mark, style) = match up {
        Some(true) => (" ●", theme.dim),
        Some(false) => (" ×", theme.bad),
        None => ("", theme.dim),
    };
    pen.frame(area, &format!("{name}{mark}"), style);
    let (x, width) = (area.x + 2, area.width.saturating_sub(4));
    for (y, (text, meaning)) in (area.y + 1..).zip(lines) {
        let style = match meaning {
            Meaning::Plain => theme.text,
            Meaning::Dim => theme.dim,
            Meaning::Bad => theme.bad,
        };
        pen.put(x, y, width, text, style);
    }
    let most = values.iter().copied().max().unwrap_or(0);
    pen.bars(Rect::new(x, area.y + 3, width, 1), values, most, theme.accent);
}

fn unknown() -> Lines {
    [("?".to_owned(), Meaning::Dim), (String::new(), Meaning::Dim)]
}

/// A number with its unit, or alone where the box is too narrow for both.
fn figure(number: u64, unit: &str, box_width: u16) -> String {
    let long = format!("{} {unit}", text::count(number));
    if text::width(&long) + 4 <= box_width { long } else { text::count(number) }
}

fn gate(pipeline: Option<&Pipeline>, trend: &Trend, width: u16) -> Lines {
    let Some(pipeline) = pipeline else { return unknown() };
    // A decision is about a batch of people: there are fewer of them than coupons.
    let decisions = pipeline.campaigns.iter().map(|lane| lane.decision).sum();
    [
        (figure(decisions, "decisions", width), Meaning::Plain),
        (format!("{}/s", text::count(trend.rate())), Meaning::Dim),
    ]
}

fn outbox(pipeline: Option<&Pipeline>, trend: &Trend, width: u16) -> Lines {
    let Some(pipeline) = pipeline else { return unknown() };
    let oldest = match pipeline.outbox_oldest_ms {
        0 => trend.heading().text().to_owned(),
        age => format!("for {}", text::span(i64::try_from(age).unwrap_or(i64::MAX))),
    };
    [(figure(pipeline.outbox_depth, "waiting", width), Meaning::Plain), (oldest, Meaning::Dim)]
}

fn log(pipeline: Option<&Pipeline>, trend: &Trend) -> Lines {
    let Some(pipeline) = pipeline else { return unknown() };
    [
        match pipeline.log.positions.as_slice() {
            [] => ("away".to_owned(), Meaning::Bad),
            positions => (format!("at {}", places(positions)), Meaning::Plain),
        },
        (format!("{}/s", text::count(trend.rate())), Meaning::Dim),
    ]
}

fn projection(view: Option<&ProjectionView>, trend: &Trend, picture: &Picture) -> Lines {
    let Some(view) = view else {
        return [(picture.text(), Meaning::Dim), (String::new(), Meaning::Dim)];
    };
    let behind = match view.lag_events {
        0 => format!("level, at {}", places(&view.positions)),
        lag => format!("{} behind, {}", text::count(lag), text::seconds(view.lag_seconds)),
    };
    let second = match (&view.stalled, view.parked) {
        _ if !picture.is_live() => (picture.short(), Meaning::Bad),
        (Some(stalled), _) => (format!("× {}", text::plain(stalled)), Meaning::Bad),
        (None, 0) if view.lag_events == 0 => (trend.heading().text().to_owned(), Meaning::Dim),
        (None, 0) => (format!("{}, {}", trend.heading().text(), places(&view.positions)), Meaning::Dim),
        (None, parked) => (format!("× {} parked", text::count(parked)), Meaning::Bad),
    };
    [(behind, Meaning::Plain), second]
}

fn places(positions: &[Position]) -> String {
    positions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn health(pipeline: Option<&Pipeline>, name: &str) -> Option<bool> {
    pipeline?.dependencies.iter().find(|dependency| dependency.name == name).map(|dependency| dependency.up)
}

fn arrows(pen: &mut Pen, gate: Rect, outbox: Rect, log: Rect, ledger: Rect) {
    let style = pen.theme.dim;
    let y = gate.y + 2;
    for (from, to) in [(gate, outbox), (outbox, log), (log, ledger)] {
        let width = to.x.saturating_sub(from.right() + 1);
        pen.put(from.right(), y, width, &"─".repeat(usize::from(width)), style);
        pen.put(to.x - 1, y, 1, "▶", style);
    }
    // The log has two readers: a branch down to the second.
    let x = ledger.x.saturating_sub(3);
    pen.put(x, y, 1, "┬", style);
    for row in y + 1..y + BOX {
        pen.put(x, row, 1, "│", style);
    }
    pen.put(x, y + BOX, 3, "└─▶", style);
}

fn dependencies(pen: &mut Pen, area: Rect, state: &State, picture: &Picture, now: Millis) {
    let theme = *pen.theme;
    let mut y = area.y;
    let Some(pipeline) = &state.pipeline else {
        pen.put(area.x, y, area.width, &picture.text(), theme.dim);
        return;
    };
    for dependency in pipeline.dependencies.iter().take(4) {
        let (mark, word, style) =
            if dependency.up { ("●", "up", theme.good) } else { ("×", "down", theme.bad) };
        pen.put(area.x, y, 10, &dependency.name.replace('_', " "), theme.text);
        pen.put(area.x + 12, y, 8, &dependency.kind, theme.dim);
        let end = pen.run(area.x + 22, y, 8, &[(mark, style), (" ", style), (word, style)]);
        if let Some(detail) = &dependency.detail {
            pen.put(end + 2, y, area.right().saturating_sub(end + 2), detail, theme.dim);
        }
        y += 1;
    }
    // A command side alone does not know the read model: the query side speaks for itself.
    if !pipeline.dependencies.iter().any(|dependency| dependency.name == "read_model") && y < area.bottom() {
        let query = state.picture(Side::Query, now);
        let (mark, style) = if query.is_live() { ("●", theme.good) } else { ("×", theme.bad) };
        pen.put(area.x, y, 12, "query side", theme.text);
        pen.run(
            area.x + 22,
            y,
            area.width.saturating_sub(22),
            &[(mark, style), (" ", style), (&query.short(), style)],
        );
        y += 1;
    }
    if y < area.bottom() {
        let late = if picture.is_live() { String::new() } else { format!(" · {}", picture.text()) };
        let who = match state.servers.all() {
            [server] => {
                let version = server.version.as_deref().map(|version| format!(" {version}"));
                format!("instance {}{}", pipeline.instance, version.unwrap_or_default())
            }
            servers => format!("{} servers", servers.len()),
        };
        let text = format!("{who} · log {}{late}", pipeline.log.identity);
        pen.put(area.x, y, area.width, &text, if late.is_empty() { theme.dim } else { theme.warn });
    }
}

/// Columns of the lanes: title, cells wide.
const LANES: [(&str, u16); 8] = [
    ("EPOCH", 5),
    ("DECISIONS", 9),
    ("LOGGED", 9),
    ("OUTBOX", 6),
    ("OLDEST", 7),
    ("QUEUE", 9),
    ("REBUILDS", 8),
    ("LOG", 6),
];

/// The columns by which lanes can be sorted, in the order of their keys.
const SORTED: [&str; 6] = ["CAMPAIGN", "DECISIONS", "OUTBOX", "OLDEST", "QUEUE", "REBUILDS"];

fn lanes(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let list = lane_list(state);
    let roomy = area.width >= 96;
    let gap = if roomy { 2 } else { 1 };
    // Logged is decisions less outbox: it gives way first.
    let shown = |index: &usize| roomy || LANES[*index].0 != "LOGGED";
    let fixed: u16 = (0..LANES.len()).filter(shown).map(|index| LANES[index].1 + gap).sum();
    let name = area.width.saturating_sub(fixed);
    let row = |pen: &mut Pen, y: u16, first: (&str, Style), cells: [(&str, Style); 8]| {
        pen.put(area.x, y, name, first.0, first.1);
        let mut x = area.x + name;
        for index in (0..LANES.len()).filter(shown) {
            x += gap;
            pen.right(x, y, LANES[index].1, cells[index].0, cells[index].1);
            x += LANES[index].1;
        }
    };
    let sorted = SORTED[state.lanes.order().0.min(SORTED.len() - 1)];
    let style = |title: &str| if title == sorted { theme.accent } else { theme.dim };
    let titles = LANES.map(|(title, _)| (title, style(title)));
    row(pen, list.y.saturating_sub(1), ("CAMPAIGN", style("CAMPAIGN")), titles);
    let Some(pipeline) = &state.pipeline else { return };
    let Cursor { selected, top } = state.lanes.cursor();
    let shown = (top..).zip(state.lanes.lines(top, usize::from(list.height)));
    for (y, (index, lane)) in (list.y..).zip(shown) {
        let texts = lane_texts(lane);
        let mut cells = [("", theme.text); 8];
        for (cell, text) in cells.iter_mut().zip(&texts) {
            *cell = (text.as_str(), if text == "0" { theme.dim } else { theme.text });
        }
        cells[7].1 = if lane.log_away || lane.forgot.is_some() { theme.bad } else { theme.good };
        row(pen, y, (&lane.campaign_id, theme.title), cells);
        if index == selected {
            pen.put(0, y, 1, "▌", theme.accent);
            pen.fill(Rect { y, height: 1, ..list }, theme.selected);
        }
    }
    if pipeline.campaigns.is_empty() {
        pen.put(area.x, list.y, area.width, "this instance serves no campaign yet", theme.dim);
    }
}

fn lane_texts(lane: &CampaignPipeline) -> [String; 8] {
    let age = |age: u64| text::span(i64::try_from(age).unwrap_or(i64::MAX));
    [
        text::count(lane.epoch),
        text::count(lane.decision),
        text::count(lane.logged),
        text::count(lane.decision.saturating_sub(lane.logged)),
        if lane.oldest_ms == 0 { "0".to_owned() } else { age(lane.oldest_ms) },
        if lane.queued == 0 {
            "0".to_owned()
        } else {
            format!("{} {}%", text::count(lane.queued), text::percent(lane.queued, lane.queue_capacity))
        },
        text::count(lane.rebuilds),
        match lane.forgot {
            Some(_) => "× lost".to_owned(),
            None if lane.log_away => "× away".to_owned(),
            None => "● up".to_owned(),
        },
    ]
}
