//! The question before anything is changed: it names the target and says what will be sent, and where; or what ends.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::message::{Change, Order};
use crate::state::{Mode, State};
use crate::text;

pub(crate) fn draw(pen: &mut Pen, screen: Rect, state: &State) {
    match &state.mode {
        Mode::Normal | Mode::Filter { .. } | Mode::Command { .. } => {}
        Mode::Stock { campaign, typed } => stock(pen, screen, state, campaign, typed),
        Mode::Cancel { campaign, typed } => cancel(pen, screen, state, campaign, typed),
        Mode::Confirm { order } => confirm(pen, screen, state, order),
        Mode::Stop => stop(pen, screen, state),
    }
}

/// What a line of a question is.
#[derive(Clone, Copy)]
enum Line<'a> {
    Text(&'a str),
    Sent(&'a str),
    Typed(&'a str),
    Keys(&'a str),
}

fn confirm(pen: &mut Pen, screen: Rect, state: &State, order: &Order) {
    let id = &order.campaign;
    let (title, effect) = match order.change {
        Change::Pause => (format!("Pause {id}?"), "Nothing is issued until it is resumed.".to_owned()),
        Change::Resume => (format!("Resume {id}?"), "Coupons are issued again.".to_owned()),
        Change::Cancel => (format!("Cancel {id}?"), "For good.".to_owned()),
        Change::Stock { total, .. } => {
            let window = state.campaigns.get(id).and_then(|entry| entry.view.window);
            let before = window.map_or(0, |window| window.stock);
            let more = total.saturating_sub(before);
            let sum = format!("{} + {} = {}", text::count(before), text::count(more), text::count(total));
            let window = window
                .map(|window| text::from_to_short(window.opens_at, window.closes_at))
                .unwrap_or_default();
            (format!("Add stock to {id}?"), format!("{sum} coupons in the window {window} UTC."))
        }
    };
    let request = order.request();
    let to = format!("to {}", state.servers);
    let lines = [
        Line::Text(&named(state, id)),
        Line::Text(&effect),
        Line::Text(""),
        Line::Sent(&request),
        Line::Text(&to),
        Line::Text(""),
        Line::Keys("y send · any other key: do not"),
    ];
    question(pen, screen, &title, &lines);
}

fn stop(pen: &mut Pen, screen: Rect, state: &State) {
    let address = format!("It listens on {}.", state.servers);
    let lines = [
        Line::Text("The service runs in this process and stops with the console."),
        Line::Text(&address),
        Line::Text("People in line are answered first; nobody new is let in."),
        Line::Text(""),
        Line::Keys("y or ctrl-c stop · any other key: do not"),
    ];
    question(pen, screen, "Stop the service?", &lines);
}

fn stock(pen: &mut Pen, screen: Rect, state: &State, id: &str, typed: &str) {
    let window = state.campaigns.get(id).and_then(|entry| entry.view.window);
    let has = window.map_or_else(String::new, |window| {
        format!(
            "The window {} UTC has {}.",
            text::from_to_short(window.opens_at, window.closes_at),
            text::count(window.stock)
        )
    });
    let lines = [
        Line::Text(&named(state, id)),
        Line::Text(&has),
        Line::Text(""),
        Line::Text("How many coupons shall be added?"),
        Line::Typed(typed),
        Line::Text(""),
        Line::Keys("enter next · esc leave"),
    ];
    question(pen, screen, &format!("Add stock to {id}"), &lines);
}

fn cancel(pen: &mut Pen, screen: Rect, state: &State, id: &str, typed: &str) {
    let request = Order { campaign: id.to_owned(), change: Change::Cancel }.request();
    let to = format!("to {}", state.servers);
    let lines = [
        Line::Text(&named(state, id)),
        Line::Text("Cancelled is for good: it can never issue again."),
        Line::Sent(&request),
        Line::Text(&to),
        Line::Text(""),
        Line::Text("Type its id to cancel it:"),
        Line::Typed(typed),
        Line::Keys("enter send · esc leave"),
    ];
    question(pen, screen, &format!("Cancel {id}?"), &lines);
}

/// The campaign in one line, so that nobody acts on the wrong one.
fn named(state: &State, id: &str) -> String {
    match state.campaigns.get(id) {
        Some(entry) => {
            let (standing, (left, stock)) = (entry.standing(), entry.left_of());
            let left_word = if standing.is_over() { "never issued" } else { "left" };
            format!(
                "{}: {} {}, {} of {} {left_word}",
                text::plain(&entry.view.name),
                standing.symbol(),
                standing.word(),
                text::count(left),
                text::count(stock)
            )
        }
        None => id.to_owned(),
    }
}

fn question(pen: &mut Pen, screen: Rect, title: &str, lines: &[Line]) {
    let theme = *pen.theme;
    let width = screen.width.saturating_sub(6).min(76);
    let height = u16::try_from(lines.len()).unwrap_or(0) + 2;
    let area = Rect::new((screen.width - width) / 2, screen.height.saturating_sub(height) / 2, width, height);
    pen.clear(area);
    pen.frame(area, title, theme.warn);
    let (x, room) = (area.x + 2, width.saturating_sub(4));
    for (y, line) in (area.y + 1..).zip(lines) {
        match line {
            Line::Text(text) => _ = pen.put(x, y, room, text, theme.text),
            Line::Sent(text) => _ = pen.put(x, y, room, text, theme.accent),
            Line::Keys(text) => _ = pen.put(x, y, room, text, theme.dim),
            Line::Typed(text) => {
                let pieces = [("› ", theme.accent), (*text, theme.title), ("▏", theme.accent)];
                pen.run(x, y, room, &pieces);
            }
        }
    }
}
