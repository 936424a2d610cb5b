//! What a command that was typed does.

use firstcome_shared::clock::Millis;

use super::{act, navigate, say};
use crate::ThemeName;
use crate::commands::{Command, Line, completions, named};
use crate::message::Effect;
use crate::state::{State, Tone};

/// Does what is typed, completed by the chosen completion, or says that it means nothing.
pub(super) fn command(state: &mut State, typed: &str, chosen: usize, now: Millis) -> Vec<Effect> {
    let typed = typed.trim();
    let whole = completions(state, typed).into_iter().nth(chosen).unwrap_or_else(|| typed.to_owned());
    let (name, argument) = whole.split_once(' ').unwrap_or((whole.as_str(), ""));
    // A campaign may be called like a command; whoever types the whole name means the command.
    if let Some(line) = named(name) {
        return perform(state, line, argument.trim(), now);
    }
    if argument.is_empty() && state.campaigns.get(name).is_some() {
        return navigate::open_campaign(state, name);
    }
    say(state, Tone::Bad, format!("no command or campaign begins with “{typed}”"), now);
    Vec::new()
}

fn perform(state: &mut State, line: &Line, argument: &str, now: Millis) -> Vec<Effect> {
    let given = (!argument.is_empty()).then_some(argument);
    match line.command {
        Command::Go(screen) => return navigate::go(state, screen),
        Command::Audit => return navigate::open_audit(state, given.map(str::to_owned)),
        Command::Quit => return navigate::quit(state),
        Command::Filter => {
            if let Some(list) = state.list_mut() {
                list.set_filter(argument.to_owned());
            }
        }
        Command::Sort => sort(state, given, now),
        Command::Theme => match given {
            None => state.theme = state.theme.next(),
            Some(name) => match ThemeName::ALL.into_iter().find(|theme| theme.word() == name) {
                Some(theme) => state.theme = theme,
                None => say(state, Tone::Bad, format!("no theme is called “{name}”"), now),
            },
        },
        Command::Act(_) if !state.operator => {
            act::refuse_reader(state, &format!(":{}", line.name), line.name, now);
        }
        Command::Act(wish) => act::ask(state, wish, given, now),
        #[cfg(debug_assertions)]
        Command::Panic => panic!("asked for with :panic"),
    }
    Vec::new()
}

fn sort(state: &mut State, column: Option<&str>, now: Millis) {
    let Some(list) = state.list_mut() else { return };
    let Some(column) = column else { return list.sort_by_next() };
    let keys = list.keys();
    match keys.iter().position(|key| *key == column) {
        // Twice the same column: the other way round.
        Some(key) if key == list.order().0 => list.reverse(),
        Some(key) => list.sort_by(key),
        None => {
            let text = format!("no column “{column}” here: {}", keys.join(", "));
            say(state, Tone::Bad, text, now);
        }
    }
}
