//! The question before anything is changed: it names the target and says what will be sent, and where; or what ends.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::message::{Change, Order, Side};
use crate::state::{Mode, State, Wanted};
use crate::text;

pub(crate) fn draw(pen: &mut Pen, screen: Rect, state: &State) {
    match &state.mode {
        Mode::Normal | Mode::Filter { .. } | Mode::Command { .. } => {}
        Mode::Number { campaign, wanted, typed } => number(pen, screen, state, campaign, *wanted, typed),
        Mode::Spell { order, word, typed } => spell(pen, screen, state, order, word, typed),
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
        Change::Admission(room) => {
            let before = state.campaigns.get(id).and_then(|entry| entry.view.waiting_room);
            let before = before.map_or(0, |room| room.admit_per_second);
            let effect = format!(
                "From {} to {} people admitted a second.",
                text::count(before.into()),
                text::count(room.admit_per_second.into())
            );
            (format!("Change the admission of {id}?"), effect)
        }
        Change::Replay { side, at } => {
            let effect = format!("The {} reads the campaign on, from {at}.", side.store());
            (format!("Replay {at} of {id} in the {}?", side.store()), effect)
        }
        Change::Discard { side, at } => {
            (format!("Discard {at} of {id} in the {}?", side.store()), String::new())
        }
        Change::LedgerRate(rate) => {
            let said = |rate: Option<u64>| {
                rate.map_or_else(
                    || "no limit".to_owned(),
                    |rate| format!("{} coupons a second", text::count(rate)),
                )
            };
            let mut before: Vec<_> = state
                .servers
                .all()
                .iter()
                .filter_map(|server| Some(server.pipeline.as_ref()?.ledger_rate))
                .collect();
            before.dedup();
            let before: Vec<_> = before.into_iter().map(said).collect();
            let before = if before.is_empty() { "?".to_owned() } else { before.join(", ") };
            ("Change how fast the ledger is written?".to_owned(), format!("From {before} to {}.", said(rate)))
        }
    };
    let request = order.request();
    let to = format!("to {}", state.servers.addresses());
    let lines = [
        Line::Text(&target(state, order)),
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
    let address = format!("It listens on {}.", state.servers.addresses());
    let lines = [
        Line::Text("The service runs in this process and stops with the console."),
        Line::Text(&address),
        Line::Text("People in line are answered first; nobody new is let in."),
        Line::Text(""),
        Line::Keys("y or ctrl-c stop · any other key: do not"),
    ];
    question(pen, screen, "Stop the service?", &lines);
}

fn number(pen: &mut Pen, screen: Rect, state: &State, id: &str, wanted: Wanted, typed: &str) {
    let entry = state.campaigns.get(id);
    let (title, has, ask) = match wanted {
        Wanted::Stock => {
            let has = entry.and_then(|entry| entry.view.window).map(|window| {
                let span = text::from_to_short(window.opens_at, window.closes_at);
                format!("The window {span} UTC has {}.", text::count(window.stock))
            });
            (format!("Add stock to {id}"), has, "How many coupons shall be added?")
        }
        Wanted::Admission => {
            let has = entry.and_then(|entry| entry.view.waiting_room).map(|room| {
                format!(
                    "{} a second now, {} at once at most.",
                    text::count(room.admit_per_second.into()),
                    text::count(room.max_active.into())
                )
            });
            (format!("Admission of {id}"), has, "How many people shall be admitted a second?")
        }
    };
    let lines = [
        Line::Text(&named(state, id)),
        Line::Text(&has.unwrap_or_default()),
        Line::Text(""),
        Line::Text(ask),
        Line::Typed(typed),
        Line::Text(""),
        Line::Keys("enter next · esc leave"),
    ];
    question(pen, screen, &title, &lines);
}

/// What is for good wants a word typed.
fn spell(pen: &mut Pen, screen: Rect, state: &State, order: &Order, word: &str, typed: &str) {
    let id = &order.campaign;
    let (title, effect) = match order.change {
        Change::Discard { side, at } => (
            format!("Discard {at} of {id} in the {}?", side.store()),
            match side {
                Side::Command => {
                    "For good: the ledger skips it. `verify` will name the coupons that it lacks."
                }
                Side::Query => "For good: the read model skips it. `verify` will name what it lacks.",
            },
        ),
        _ => (format!("Cancel {id}?"), "Cancelled is for good: it can never issue again."),
    };
    let request = order.request();
    let to = format!("to {}", state.servers.addresses());
    let wanted = format!("Type {word} to {} it:", order.what());
    let lines = [
        Line::Text(&target(state, order)),
        Line::Text(effect),
        Line::Sent(&request),
        Line::Text(&to),
        Line::Text(""),
        Line::Text(&wanted),
        Line::Typed(typed),
        Line::Keys("enter send · esc leave"),
    ];
    question(pen, screen, &title, &lines);
}

/// What an order concerns, in one line.
fn target(state: &State, order: &Order) -> String {
    let letter = match order.change {
        Change::Replay { side, at } | Change::Discard { side, at } => {
            state.letters.all().iter().find(|known| known.side == side && known.letter.position == at)
        }
        _ => None,
    };
    match letter {
        _ if order.is_for_each() => format!("Of {}, as long as it runs.", order.campaign),
        Some(letter) => text::plain(&letter.letter.reason),
        None => named(state, &order.campaign),
    }
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
