//! What a pressed key does: an action of the key table, or a letter of what is being typed. An action that changes
//! something outside always passes a question that names its target.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use firstcome_shared::clock::Millis;
use firstcome_shared::wire::CampaignState;

use super::{navigate, say};
use crate::keys::{self, Action, Binding};
use crate::message::{Change, Effect, Order};
use crate::state::{Mode, Screen, Standing, State, Tone};
use crate::view::layout;

/// More coupons than anybody adds: keeps the sum within its type.
const MOST_DIGITS: usize = 12;

pub(super) fn press(state: &mut State, key: &KeyEvent, now: Millis) -> Vec<Effect> {
    if keys::is_interrupt(key) {
        return if state.mode == Mode::Stop { vec![Effect::Quit] } else { navigate::quit(state) };
    }
    match std::mem::take(&mut state.mode) {
        Mode::Normal => match keys::action(state.screen, key) {
            Some(binding) => act(state, binding, now),
            None => Vec::new(),
        },
        Mode::Filter { before } => filter(state, key, before),
        Mode::Command { typed } => command(state, key, typed, now),
        Mode::Stock { campaign, typed } => stock(state, key, campaign, typed, now),
        Mode::Cancel { campaign, typed } => cancel(state, key, campaign, typed, now),
        Mode::Confirm { order } => match key.code {
            KeyCode::Char('y' | 'Y') => send(state, order, now),
            _ => forget(state, now),
        },
        Mode::Stop if matches!(key.code, KeyCode::Char('y' | 'Y')) => vec![Effect::Quit],
        Mode::Stop => {
            say(state, Tone::Plain, "the service goes on", now);
            Vec::new()
        }
    }
}

fn act(state: &mut State, binding: &Binding, now: Millis) -> Vec<Effect> {
    if binding.needs_operator() && !state.operator {
        let text = format!(
            "{}: this console only reads; start it with --operator to {}",
            binding.keys, binding.about
        );
        say(state, Tone::Bad, text, now);
        return Vec::new();
    }
    match binding.action {
        Action::Quit => return navigate::quit(state),
        Action::Help => return navigate::go(state, Screen::Help),
        Action::Back => return navigate::back(state),
        Action::Open => return open(state),
        Action::NextScreen if state.screen == Screen::Pipeline => {
            return navigate::go(state, Screen::Campaigns);
        }
        Action::NextScreen => return navigate::go(state, Screen::Pipeline),
        Action::Up => step(state, -1),
        Action::Down => step(state, 1),
        Action::PageUp => step(state, -page(state)),
        Action::PageDown => step(state, page(state)),
        Action::Top => step(state, isize::MIN + 1),
        Action::Bottom => step(state, isize::MAX),
        Action::Sort => state.campaigns.sort_by_next(),
        Action::SortReverse => state.campaigns.reverse(),
        Action::Filter => state.mode = Mode::Filter { before: state.campaigns.filter.clone() },
        Action::Command => state.mode = Mode::Command { typed: String::new() },
        Action::Pause | Action::AddStock | Action::Cancel => ask(state, binding.action, now),
    }
    Vec::new()
}

/// The campaign on the selected line.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let id = match state.screen {
        Screen::Campaigns => state.campaigns.selected().map(|entry| entry.view.id.clone()),
        Screen::Pipeline => {
            let lanes = state.pipeline.as_ref().map(|pipeline| &pipeline.campaigns);
            lanes.and_then(|lanes| lanes.get(state.lanes.selected)).map(|lane| lane.campaign_id.clone())
        }
        Screen::Campaign | Screen::Help => None,
    };
    id.map(|id| navigate::open(state, &id)).unwrap_or_default()
}

/// Moves the selection, or the text where nothing is selected.
pub(super) fn step(state: &mut State, lines: isize) {
    let rows = layout::table_rows(state);
    match state.screen {
        Screen::Campaigns => {
            let length = state.campaigns.len();
            state.campaigns.cursor.step(lines, length, rows.campaigns);
        }
        Screen::Campaign => {
            let length = state.focus.as_ref().map_or(0, |focus| focus.coupons.len());
            state.coupons.scroll(lines, length, rows.coupons);
        }
        Screen::Pipeline => {
            let length = state.pipeline.as_ref().map_or(0, |pipeline| pipeline.campaigns.len());
            state.lanes.step(lines, length, rows.lanes);
        }
        Screen::Help => state.help.scroll(lines, rows.help_lines, rows.help),
    }
}

fn page(state: &State) -> isize {
    let rows = layout::table_rows(state);
    let rows = match state.screen {
        Screen::Campaigns => rows.campaigns,
        Screen::Campaign => rows.coupons,
        Screen::Pipeline => rows.lanes,
        Screen::Help => rows.help,
    };
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// Asks before anything is sent, or says why there is nothing to ask.
fn ask(state: &mut State, action: Action, now: Millis) {
    let Some(target) = state.target() else {
        return say(state, Tone::Bad, "no campaign is selected", now);
    };
    let (id, standing) = (target.view.id.clone(), target.standing());
    let paused = target.view.state == CampaignState::Paused;
    let no_window = target.view.window.is_none();
    if matches!(standing, Standing::Cancelled) || (standing == Standing::Ended && action != Action::Cancel) {
        return say(state, Tone::Bad, format!("{id} is {}: nothing can be changed", standing.word()), now);
    }
    state.mode = match action {
        Action::AddStock if no_window => {
            return say(state, Tone::Bad, format!("{id} has no window left to add stock to"), now);
        }
        Action::AddStock => Mode::Stock { campaign: id, typed: String::new() },
        Action::Cancel => Mode::Cancel { campaign: id, typed: String::new() },
        _ => {
            let change = if paused { Change::Resume } else { Change::Pause };
            Mode::Confirm { order: Order { campaign: id, change } }
        }
    };
}

fn send(state: &mut State, order: Order, now: Millis) -> Vec<Effect> {
    say(state, Tone::Plain, format!("sending {} …", order.request()), now);
    vec![Effect::Send(order)]
}

fn forget(state: &mut State, now: Millis) -> Vec<Effect> {
    say(state, Tone::Plain, "nothing was sent", now);
    Vec::new()
}

fn filter(state: &mut State, key: &KeyEvent, before: String) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter => {}
        KeyCode::Esc => state.campaigns.set_filter(before),
        KeyCode::Up | KeyCode::Down => {
            step(state, if key.code == KeyCode::Up { -1 } else { 1 });
            state.mode = Mode::Filter { before };
        }
        _ => {
            let mut typed = state.campaigns.filter.clone();
            edit(&mut typed, key);
            state.campaigns.set_filter(typed);
            state.mode = Mode::Filter { before };
        }
    }
    Vec::new()
}

fn command(state: &mut State, key: &KeyEvent, mut typed: String, now: Millis) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter if typed.trim().is_empty() => return Vec::new(),
        KeyCode::Enter => {
            return navigate::command(state, &typed).unwrap_or_else(|| {
                say(state, Tone::Bad, format!("no screen or campaign begins with “{typed}”"), now);
                Vec::new()
            });
        }
        KeyCode::Tab | KeyCode::Right => {
            typed = navigate::completion(state, &typed).unwrap_or(typed);
        }
        _ => edit(&mut typed, key),
    }
    state.mode = Mode::Command { typed };
    Vec::new()
}

fn stock(state: &mut State, key: &KeyEvent, campaign: String, mut typed: String, now: Millis) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return forget(state, now),
        KeyCode::Enter => {
            let more = typed.parse().ok().filter(|more| *more > 0);
            if let Some(order) = more.and_then(|more: u64| state.stock_order(&campaign, more)) {
                state.mode = Mode::Confirm { order };
                return Vec::new();
            }
            say(state, Tone::Bad, "type how many coupons to add, at least 1", now);
        }
        KeyCode::Char(letter)
            if !letter.is_ascii_digit() && !key.modifiers.contains(KeyModifiers::CONTROL) => {}
        KeyCode::Char(_) if typed.len() >= MOST_DIGITS => {}
        _ => edit(&mut typed, key),
    }
    state.mode = Mode::Stock { campaign, typed };
    Vec::new()
}

fn cancel(
    state: &mut State,
    key: &KeyEvent,
    campaign: String,
    mut typed: String,
    now: Millis,
) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return forget(state, now),
        KeyCode::Enter if typed == campaign => {
            return send(state, Order { campaign, change: Change::Cancel }, now);
        }
        KeyCode::Enter => say(state, Tone::Bad, format!("type {campaign} to cancel it, or esc"), now),
        _ => edit(&mut typed, key),
    }
    state.mode = Mode::Cancel { campaign, typed };
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
