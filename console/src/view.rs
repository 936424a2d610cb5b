//! Draws the state, and does nothing else: what is where follows from state, time and size alone.

mod alerts;
mod audit;
mod campaign;
mod campaigns;
mod chrome;
mod columns;
mod dialog;
mod grid;
mod help;
pub(crate) mod layout;
mod letters;
mod pen;
mod pipeline;
mod reading;
mod theme;

#[cfg(test)]
mod tests;

use firstcome_shared::clock::Millis;
use ratatui::buffer::Buffer;

use crate::state::{Screen, State};
use layout::{Areas, is_too_small};
use pen::Pen;
pub(crate) use theme::Theme;

/// Draws one picture of the state as it is at `now`.
pub(crate) fn draw(state: &State, theme: &Theme, now: Millis, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut pen = Pen::new(buffer, theme);
    pen.fill(area, theme.ground);
    // The state's size is what lists are laid out for; a terminal that just changed is drawn a moment later.
    if is_too_small((area.width, area.height)) || (area.width, area.height) != state.size {
        return chrome::too_small(&mut pen, area, state);
    }
    let areas = Areas::of(state);
    chrome::header(&mut pen, areas.header, state, now);
    chrome::tabs(&mut pen, areas.tabs, state);
    chrome::alerts(&mut pen, areas.alerts, state);
    chrome::banner(&mut pen, areas.banner, state);
    chrome::crumbs(&mut pen, areas.crumbs, state);
    match state.screen {
        Screen::Campaigns => campaigns::draw(&mut pen, areas.body, state, now),
        Screen::Campaign => campaign::draw(&mut pen, areas.body, state, now),
        Screen::Pipeline => pipeline::draw(&mut pen, areas.body, state, now),
        Screen::DeadLetters => letters::draw(&mut pen, areas.body, state, now),
        Screen::Audit => audit::draw(&mut pen, areas.body, state, now),
        Screen::Alerts => alerts::draw(&mut pen, areas.body, state, now),
        Screen::Letter | Screen::Act => reading::draw(&mut pen, areas.body, state),
        Screen::Help => help::draw(&mut pen, areas.body, state),
    }
    chrome::status(&mut pen, areas.status, state, now);
    chrome::footer(&mut pen, areas.footer, state);
    dialog::draw(&mut pen, area, state);
}
