//! One dead letter or one act, whole: its fields, then its message as it stands in the log, codes masked.

use firstcome_shared::wire::{AuditEntry, Time};
use ratatui::layout::Rect;
use serde_json::Value;

use super::layout::Areas;
use super::pen::Pen;
use crate::message::Side;
use crate::state::{Letter, Screen, State};
use crate::text;

/// Cells before a field's value.
const INDENT: u16 = 14;

/// One line of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A field: its name once, then its value, over as many lines as it needs.
    Field(&'static str, String),
    /// A line of the message.
    Text(String),
    /// What is to be known before anything is done.
    Note(String),
    Heading(&'static str),
    Blank,
}

/// The whole page, as broad as the terminal.
pub(crate) fn lines(state: &State) -> Vec<Line> {
    let width = usize::from(Areas::of(state).body.width).max(20);
    match state.screen {
        Screen::Letter => state.letter.as_ref().map(|letter| of_letter(state, letter, width)),
        Screen::Act => state.act.as_ref().map(|act| of_act(act, width)),
        _ => None,
    }
    .unwrap_or_default()
}

fn of_letter(state: &State, read: &Letter, width: usize) -> Vec<Line> {
    let letter = &read.letter;
    let here = state
        .letters
        .all()
        .iter()
        .any(|known| known.side == read.side && known.letter.position == letter.position);
    let mut lines = Vec::new();
    if !here {
        lines.push(Line::Note("✓ It is no longer parked: this is how it was last seen.".to_owned()));
    } else if letter.replaying {
        lines.push(Line::Note("↻ It is being replayed.".to_owned()));
    }
    field(&mut lines, width, "campaign", &letter.campaign_id);
    field(&mut lines, width, "store", read.side.store());
    field(&mut lines, width, "position", &letter.position.to_string());
    field(&mut lines, width, "parked at", &at(letter.parked_at));
    field(&mut lines, width, "tries", &text::count(letter.attempts.into()));
    field(&mut lines, width, "reason", &text::plain(&letter.reason));
    let history = if read.side == Side::Query { "/history" } else { "" };
    let download = format!("GET /v1{history}/dead-letters/{}/message", letter.position);
    field(&mut lines, width, "all bytes", &download);
    lines.extend([Line::Blank, Line::Heading("Message")]);
    message(&mut lines, width, &text::codes_masked(&letter.message));
    lines
}

fn of_act(act: &AuditEntry, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    field(&mut lines, width, "at", &at(act.at));
    field(&mut lines, width, "actor", &text::plain(&act.actor));
    field(&mut lines, width, "action", &text::plain(&act.action));
    field(&mut lines, width, "campaign", &act.campaign_id);
    field(&mut lines, width, "position", &act.position.to_string());
    lines.extend([Line::Blank, Line::Heading("Details")]);
    message(&mut lines, width, &text::codes_masked(&act.details.to_string()));
    lines
}

fn at(time: Time) -> String {
    format!("{time}")
}

fn field(lines: &mut Vec<Line>, width: usize, name: &'static str, value: &str) {
    let parts = text::wrapped(value, width.saturating_sub(usize::from(INDENT)));
    for (number, part) in parts.into_iter().enumerate() {
        lines.push(Line::Field(if number == 0 { name } else { "" }, part));
    }
}

/// Readable JSON where it is JSON; a message that was cut, or cannot be read, as it stands.
fn message(lines: &mut Vec<Line>, width: usize, message: &str) {
    let text = match serde_json::from_str::<Value>(message) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => message.to_owned(),
    };
    for line in text.lines() {
        let line: String =
            line.chars().map(|letter| if letter.is_control() { '·' } else { letter }).collect();
        lines.extend(text::wrapped(&line, width).into_iter().map(Line::Text));
    }
}

pub(crate) fn draw(pen: &mut Pen, area: Rect, state: &State) {
    let theme = *pen.theme;
    let lines = lines(state);
    let top = state.page.top;
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(top)) {
        match line {
            Line::Blank => {}
            Line::Field(name, value) => {
                pen.put(area.x, y, INDENT, name, theme.dim);
                pen.put(area.x + INDENT, y, area.width.saturating_sub(INDENT), value, theme.text);
            }
            Line::Heading(text) => pen.heading(Rect { y, height: 1, ..area }, text, ""),
            Line::Note(text) => _ = pen.put(area.x, y, area.width, text, theme.good),
            Line::Text(text) => _ = pen.put(area.x, y, area.width, text, theme.text),
        }
    }
    if lines.len() > top + usize::from(area.height) {
        pen.right(area.x, area.bottom().saturating_sub(1), area.width, " ↓ more", theme.dim);
    }
}
