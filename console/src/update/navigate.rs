//! Going from screen to screen, and the commands that name one.

use crate::message::Effect;
use crate::state::{Focus, Mode, Screen, State};

/// Names that a command may have besides campaign ids.
const COMMANDS: [(&str, Screen); 3] =
    [("campaigns", Screen::Campaigns), ("pipeline", Screen::Pipeline), ("help", Screen::Help)];
const QUIT: &str = "quit";

/// Shows a screen above the present one; one that is already below comes up again.
pub(super) fn go(state: &mut State, screen: Screen) -> Vec<Effect> {
    if screen == state.screen {
        return Vec::new();
    }
    match state.below.iter().position(|below| *below == screen) {
        Some(depth) => state.below.truncate(depth),
        None if screen == Screen::Campaigns => state.below.clear(),
        None => state.below.push(state.screen),
    }
    state.screen = screen;
    unfollow(state)
}

/// Shows the screen below. On the first screen there is only the filter to drop.
pub(super) fn back(state: &mut State) -> Vec<Effect> {
    match state.below.pop() {
        Some(screen) => state.screen = screen,
        None if state.screen == Screen::Campaigns => state.campaigns.set_filter(String::new()),
        None => state.screen = Screen::Campaigns,
    }
    unfollow(state)
}

/// Shows one campaign.
pub(super) fn open(state: &mut State, id: &str) -> Vec<Effect> {
    let known = state.focus.as_ref().is_some_and(|focus| focus.id == id);
    if !known {
        state.focus = Some(Focus { id: id.to_owned(), history: None, coupons: Vec::new() });
        state.links.refocus();
    }
    state.campaigns.select(id);
    let mut effects = go(state, Screen::Campaign);
    if !known {
        effects.push(Effect::Follow(Some(id.to_owned())));
    }
    effects
}

/// Ends the console; asks first where a service would end with it.
pub(super) fn quit(state: &mut State) -> Vec<Effect> {
    if state.owner {
        state.mode = Mode::Stop;
        return Vec::new();
    }
    vec![Effect::Quit]
}

/// A campaign that is on no screen is not followed.
fn unfollow(state: &mut State) -> Vec<Effect> {
    let on_show = state.screen == Screen::Campaign || state.below.contains(&Screen::Campaign);
    if on_show || state.focus.take().is_none() {
        return Vec::new();
    }
    state.links.refocus();
    vec![Effect::Follow(None)]
}

/// Does what the command says; none when it says nothing.
pub(super) fn command(state: &mut State, typed: &str) -> Option<Vec<Effect>> {
    let typed = typed.trim();
    let name = completion(state, typed)?;
    if name == QUIT {
        return Some(quit(state));
    }
    let screen = COMMANDS.iter().find(|(command, _)| *command == name).map(|(_, screen)| *screen);
    // A campaign may be called like a screen; whoever types the whole name means the screen.
    Some(match screen {
        Some(screen) => go(state, screen),
        None => open(state, &name),
    })
}

/// The whole of the command or campaign id that begins like this; a short command comes before campaigns.
pub(crate) fn completion(state: &State, typed: &str) -> Option<String> {
    if typed.is_empty() {
        return None;
    }
    let commands = COMMANDS.iter().map(|(command, _)| *command).chain([QUIT]);
    let campaigns = state.campaigns.all().map(|entry| entry.view.id.as_str());
    let mut names = commands.chain(campaigns);
    let exact = state.campaigns.get(typed).map(|entry| entry.view.id.as_str());
    exact.or_else(|| names.find(|name| name.starts_with(typed))).map(str::to_owned)
}
