//! What a message does to the state, and what is to be done outside because of it. Pure: the same state, message and
//! time always give the same result, so every behaviour of the console can be tested without terminal or server.

mod fetched;
mod mouse;
mod navigate;
mod press;

#[cfg(test)]
mod tests;

use firstcome_shared::clock::Millis;

pub(crate) use navigate::completion;

use crate::message::{Effect, Message};
use crate::state::{State, Status, Tone};
use crate::view::layout;

/// Takes one message in.
pub(crate) fn update(state: &mut State, message: Message, now: Millis) -> Vec<Effect> {
    let effects = match message {
        Message::Key(key) => press::press(state, &key, now),
        Message::Mouse(event) => mouse::mouse(state, event),
        Message::Resized(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Message::Fetched(feed, result) => {
            fetched::fetched(state, &feed, result, now);
            Vec::new()
        }
        Message::Answered(order, result) => {
            fetched::answered(state, &order, result, now);
            Vec::new()
        }
        Message::Banner(banner) => {
            state.banner = banner;
            Vec::new()
        }
    };
    settle(state);
    effects
}

/// Keeps every list's selection within the list and on show: list, terminal or screen may have changed.
fn settle(state: &mut State) {
    let rows = layout::table_rows(state);
    let (campaigns, lanes) =
        (state.campaigns.len(), state.pipeline.as_ref().map_or(0, |p| p.campaigns.len()));
    state.campaigns.cursor.settle(campaigns, rows.campaigns);
    state.lanes.settle(lanes, rows.lanes);
    let coupons = state.focus.as_ref().map_or(0, |focus| focus.coupons.len());
    state.coupons.scroll(0, coupons, rows.coupons);
    state.help.scroll(0, rows.help_lines, rows.help);
}

fn say(state: &mut State, tone: Tone, text: impl Into<String>, now: Millis) {
    state.status = Some(Status { text: text.into(), tone, at: now });
}
