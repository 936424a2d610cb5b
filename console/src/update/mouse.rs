//! What the mouse does: the wheel moves the selection, a click selects a line, a second click opens it; a click on a
//! tab or on what is wrong leads there.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::navigate;
use super::press::step;
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
        MouseEventKind::Down(MouseButton::Left) => click(state, event.column, event.row),
        _ => Vec::new(),
    }
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    let areas = layout::Areas::of(state);
    if areas.alerts.contains((column, row).into()) {
        return elsewhere(state, Screen::Alerts);
    }
    if row == areas.tabs.y {
        return match layout::tab_at(state, column) {
            Some(screen) => elsewhere(state, screen),
            None => Vec::new(),
        };
    }
    let (area, height) = layout::list(state);
    // Coupons are only read: there is nothing to select.
    if state.screen == Screen::Campaign || !area.contains((column, row).into()) {
        return Vec::new();
    }
    let Some(list) = state.list_mut() else { return Vec::new() };
    let line = list.cursor().top + usize::from((row - area.y) / height);
    if line >= list.len() {
        return Vec::new();
    }
    if line == list.cursor().selected {
        return navigate::open(state);
    }
    list.cursor_mut().selected = line;
    Vec::new()
}

/// A filter belongs to the list that it was typed for.
fn elsewhere(state: &mut State, screen: Screen) -> Vec<Effect> {
    state.mode = Mode::Normal;
    navigate::go(state, screen)
}
