//! What is being typed: a filter, a command, a number, or the word without which nothing is sent.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use firstcome_shared::clock::Millis;

use super::act::{forget, send};
use super::command;
use super::press::step;
use super::say;
use crate::commands::{Argument, completions, named};
use crate::message::{Effect, Order};
use crate::state::{Mode, State, Tone, Wanted};

/// More coupons than anybody adds: keeps the sum within its type.
const MOST_DIGITS: usize = 12;

/// One key while something is typed.
pub(super) fn typed(state: &mut State, mode: Mode, key: &KeyEvent, now: Millis) -> Vec<Effect> {
    match mode {
        Mode::Normal | Mode::Stop => Vec::new(),
        Mode::Filter { before } => filter(state, key, before),
        Mode::Command { typed, chosen } => line(state, key, typed, chosen, now),
        Mode::Number { campaign, wanted, typed } => number(state, key, campaign, wanted, typed, now),
        Mode::Spell { order, word, typed } => spell(state, key, order, word, typed, now),
        Mode::Confirm { order } => match key.code {
            KeyCode::Char('y' | 'Y') => send(state, order, now),
            _ => forget(state, now),
        },
    }
}

fn filter(state: &mut State, key: &KeyEvent, before: String) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Some(list) = state.list_mut() else { return effects };
    match key.code {
        KeyCode::Enter => return effects,
        KeyCode::Esc => {
            list.set_filter(before);
            return effects;
        }
        KeyCode::Up | KeyCode::Down => {
            effects = step(state, if key.code == KeyCode::Up { -1 } else { 1 });
        }
        _ => {
            let mut typed = list.filter().to_owned();
            edit(&mut typed, key);
            list.set_filter(typed);
        }
    }
    state.mode = Mode::Filter { before };
    effects
}

fn line(state: &mut State, key: &KeyEvent, mut typed: String, mut chosen: usize, now: Millis) -> Vec<Effect> {
    let found = completions(state, &typed);
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter if typed.trim().is_empty() => return Vec::new(),
        KeyCode::Enter => return command::command(state, &typed, chosen, now),
        KeyCode::Down => chosen = (chosen + 1).min(found.len().saturating_sub(1)),
        KeyCode::Up => chosen = chosen.saturating_sub(1),
        KeyCode::Tab | KeyCode::Right => {
            if let Some(whole) = found.into_iter().nth(chosen) {
                let more = named(&whole).is_some_and(|line| line.argument != Argument::Nothing);
                // Complete already: on to what may follow.
                typed = if whole == typed && more { format!("{whole} ") } else { whole };
            }
            chosen = 0;
        }
        _ => {
            edit(&mut typed, key);
            chosen = 0;
        }
    }
    state.mode = Mode::Command { typed, chosen };
    Vec::new()
}

fn number(
    state: &mut State,
    key: &KeyEvent,
    campaign: String,
    wanted: Wanted,
    mut typed: String,
    now: Millis,
) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return forget(state, now),
        KeyCode::Enter => {
            let number = typed.parse().ok().filter(|number: &u64| *number > 0);
            let order = number.and_then(|number| match wanted {
                Wanted::Stock => state.stock_order(&campaign, number),
                Wanted::Admission => state.admission_order(&campaign, number),
            });
            if let Some(order) = order {
                state.mode = Mode::Confirm { order };
                return Vec::new();
            }
            let text = match wanted {
                Wanted::Stock => "type how many coupons to add, at least 1",
                Wanted::Admission => "type how many people to admit a second, at least 1",
            };
            say(state, Tone::Bad, text, now);
        }
        KeyCode::Char(letter)
            if !letter.is_ascii_digit() && !key.modifiers.contains(KeyModifiers::CONTROL) => {}
        KeyCode::Char(_) if typed.len() >= MOST_DIGITS => {}
        _ => edit(&mut typed, key),
    }
    state.mode = Mode::Number { campaign, wanted, typed };
    Vec::new()
}

fn spell(
    state: &mut State,
    key: &KeyEvent,
    order: Order,
    word: String,
    mut typed: String,
    now: Millis,
) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return forget(state, now),
        KeyCode::Enter if typed == word => return send(state, order, now),
        KeyCode::Enter => {
            say(state, Tone::Bad, format!("type {word} to {} it, or esc", order.what()), now);
        }
        _ => edit(&mut typed, key),
    }
    state.mode = Mode::Spell { order, word, typed };
    Vec::new()
}

/// The usual keys of a line of text.
fn edit(typed: &mut String, key: &KeyEvent) {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if ctrl => typed.clear(),
        KeyCode::Char(letter) if !ctrl && !letter.is_control() && typed.len() < 128 => typed.push(letter),
        KeyCode::Backspace => {
            typed.pop();
        }
        _ => {}
    }
}
