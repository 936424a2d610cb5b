//! What a pressed key does: an action of the key table, or a letter of what is being typed.

use crossterm::event::{KeyCode, KeyEvent};
use firstcome_shared::clock::Millis;

use super::act::{self, Wish};
use super::{navigate, page, say, typing};
use crate::keys::{self, Action, Binding};
use crate::message::{Effect, Feed};
use crate::state::{Mode, Screen, State, Tone};
use crate::view::layout;

pub(super) fn press(state: &mut State, key: &KeyEvent, now: Millis) -> Vec<Effect> {
    if keys::is_interrupt(key) {
        return if state.mode == Mode::Stop { vec![Effect::Quit] } else { navigate::quit(state) };
    }
    match std::mem::take(&mut state.mode) {
        Mode::Normal => match keys::action(state.screen, key) {
            Some(binding) => perform(state, binding, now),
            None => Vec::new(),
        },
        Mode::Stop if matches!(key.code, KeyCode::Char('y' | 'Y')) => vec![Effect::Quit],
        Mode::Stop => {
            say(state, Tone::Plain, "the service goes on", now);
            Vec::new()
        }
        typing => typing::typed(state, typing, key, now),
    }
}

fn perform(state: &mut State, binding: &Binding, now: Millis) -> Vec<Effect> {
    if binding.needs_operator() && !state.operator {
        act::refuse_reader(state, binding.keys, binding.about, now);
        return Vec::new();
    }
    match binding.action {
        Action::Quit => return navigate::quit(state),
        Action::Help => return navigate::go(state, Screen::Help),
        Action::Alerts => return navigate::go(state, Screen::Alerts),
        Action::Back => return navigate::back(state),
        Action::Open => return navigate::open(state),
        Action::NextScreen => return navigate::turn(state, true),
        Action::PreviousScreen => return navigate::turn(state, false),
        Action::Up => return step(state, -1),
        Action::Down => return step(state, 1),
        Action::PageUp => return step(state, -a_page(state)),
        Action::PageDown => return step(state, a_page(state)),
        Action::Top => return step(state, isize::MIN + 1),
        Action::Bottom => return step(state, isize::MAX),
        Action::Sort => with_list(state, |list| list.sort_by_next()),
        Action::SortReverse => with_list(state, |list| list.reverse()),
        Action::Filter => {
            if let Some(list) = state.list() {
                state.mode = Mode::Filter { before: list.filter().to_owned() };
            }
        }
        Action::Command => state.mode = Mode::Command { typed: String::new(), chosen: 0 },
        Action::Theme => state.theme = state.theme.next(),
        Action::Pause => act::ask(state, Wish::Toggle, None, now),
        Action::AddStock => act::ask(state, Wish::Stock, None, now),
        Action::Admission => act::ask(state, Wish::Admission, None, now),
        Action::Cancel => act::ask(state, Wish::Cancel, None, now),
        Action::Replay => act::ask(state, Wish::Replay, None, now),
        Action::Discard => act::ask(state, Wish::Discard, None, now),
    }
    Vec::new()
}

fn with_list(state: &mut State, change: impl FnOnce(&mut dyn crate::state::List)) {
    if let Some(list) = state.list_mut() {
        change(list);
    }
}

/// Moves the selection, or the text where nothing is selected.
pub(super) fn step(state: &mut State, lines: isize) -> Vec<Effect> {
    let rows = layout::list_rows(state);
    let screen = state.screen;
    let Some(list) = state.list_mut() else {
        let all = layout::text_lines(state);
        page(state).scroll(lines, all, rows);
        return Vec::new();
    };
    let length = list.len();
    if screen == Screen::Campaign {
        list.cursor_mut().scroll(lines, length, rows);
        return Vec::new();
    }
    list.cursor_mut().step(lines, length, rows);
    let at_the_end = list.cursor().selected + 1 >= length;
    if screen == Screen::Audit && lines > 0 && at_the_end {
        return state.audit.older().map(|part| Effect::Fetch(Feed::Audit(part))).into_iter().collect();
    }
    Vec::new()
}

fn a_page(state: &State) -> isize {
    isize::try_from(layout::list_rows(state).saturating_sub(1).max(1)).unwrap_or(1)
}
