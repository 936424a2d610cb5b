//! What a message does to the state, and what is to be done outside because of it. Pure: the same state, message and
//! time always give the same result, so every behaviour of the console can be tested without terminal or server.

mod act;
mod command;
mod fetched;
mod mouse;
mod navigate;
mod press;
mod typing;

#[cfg(test)]
mod tests;

use firstcome_shared::clock::Millis;

pub(crate) use act::Wish;
pub(crate) use navigate::tab_of;

use crate::message::{Effect, Message};
use crate::state::{Screen, Severity, State, Status, Tone, rules};
use crate::view::layout;

/// Takes one message in.
pub(crate) fn update(state: &mut State, message: Message, now: Millis) -> Vec<Effect> {
    let mut effects = match message {
        Message::Key(key) => {
            state.touched_at = Some(now);
            press::press(state, &key, now)
        }
        Message::Mouse(event) => {
            state.touched_at = Some(now);
            mouse::mouse(state, event)
        }
        Message::Fetched(feed, result) => fetched::fetched(state, &feed, result, now),
        Message::Answered(order, result) => fetched::answered(state, &order, result, now),
        Message::Resized(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Message::Focus(focused) => {
            state.focused = focused;
            if focused {
                state.touched_at = Some(now);
            }
            Vec::new()
        }
        Message::Banner(banner) => {
            state.banner = banner;
            Vec::new()
        }
        Message::Tick => Vec::new(),
    };
    let firing = rules(state, now);
    for alert in state.alerts.take(firing, now) {
        if alert.severity == Severity::Page {
            tell(state, alert.title, now, &mut effects);
        }
    }
    settle(state);
    effects
}

/// Tells whoever does not look.
fn tell(state: &State, text: String, now: Millis, effects: &mut Vec<Effect>) {
    if state.notify && !state.is_watched(now) {
        effects.push(Effect::Notify(text));
    }
}

/// Keeps what is on show within its list and on show: list, terminal or screen may have changed.
fn settle(state: &mut State) {
    let rows = layout::list_rows(state);
    let screen = state.screen;
    if let Some(list) = state.list_mut() {
        let length = list.len();
        match screen {
            Screen::Campaign => list.cursor_mut().scroll(0, length, rows),
            _ => list.cursor_mut().settle(length, rows),
        }
    } else {
        let lines = layout::text_lines(state);
        page(state).scroll(0, lines, rows);
    }
}

/// How far a screen without a list is scrolled.
fn page(state: &mut State) -> &mut crate::state::Cursor {
    if state.screen == Screen::Help { &mut state.help } else { &mut state.page }
}

fn say(state: &mut State, tone: Tone, text: impl Into<String>, now: Millis) {
    state.status = Some(Status { text: text.into(), tone, at: now });
}
