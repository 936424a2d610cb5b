//! What the mouse does: the wheel moves the selection, a click selects a line, a second click opens it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::press::{open, step};
use crate::message::Effect;
use crate::state::{Mode, Screen, State};
use crate::view::layout;

/// Lines that one notch of the wheel moves.
const NOTCH: isize = 3;

pub(super) fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    // While a question is open only the keyboard answers: a stray click must not send anything.
    if !matches!(state.mode, Mode::Normal | Mode::Filter { .. }) {
        return Vec::new();
    }
    match event.kind {
        MouseEventKind::ScrollUp => step(state, -NOTCH),
        MouseEventKind::ScrollDown => step(state, NOTCH),
        MouseEventKind::Down(MouseButton::Left) => return click(state, event.column, event.row),
        _ => {}
    }
    Vec::new()
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    let (area, cursor, length) = match state.screen {
        Screen::Campaigns => (layout::campaign_list(state), state.campaigns.cursor, state.campaigns.len()),
        Screen::Pipeline => {
            let lanes = state.pipeline.as_ref().map_or(0, |pipeline| pipeline.campaigns.len());
            (layout::lane_list(state), state.lanes, lanes)
        }
        Screen::Campaign | Screen::Help => return Vec::new(),
    };
    if !area.contains((column, row).into()) {
        return Vec::new();
    }
    let line = cursor.top + usize::from(row - area.y);
    if line >= length {
        return Vec::new();
    }
    if line == cursor.selected {
        return open(state);
    }
    match state.screen {
        Screen::Pipeline => state.lanes.selected = line,
        _ => state.campaigns.cursor.selected = line,
    }
    Vec::new()
}
