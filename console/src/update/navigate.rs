//! Going from screen to screen. What only one screen shows is fetched only while that screen is on show or below it.

use crate::message::Effect;
use crate::state::{AuditLog, Cursor, Focus, Mode, Screen, State, TABS, Table};

/// Shows a screen above the present one; one that is already below comes up again.
pub(super) fn go(state: &mut State, screen: Screen) -> Vec<Effect> {
    if screen != state.screen {
        match state.below.iter().position(|below| *below == screen) {
            Some(depth) => state.below.truncate(depth),
            None if screen == Screen::Campaigns => state.below.clear(),
            None => state.below.push(state.screen),
        }
        state.screen = screen;
        state.page = Cursor::default();
    }
    follow(state)
}

/// Shows the screen of the next tab, or of the one before.
pub(super) fn turn(state: &mut State, forward: bool) -> Vec<Effect> {
    let at = TABS.iter().position(|tab| *tab == tab_of(state.screen)).unwrap_or(0);
    let step = if forward { 1 } else { TABS.len() - 1 };
    go(state, TABS[(at + step) % TABS.len()])
}

/// The tab under which a screen stands.
pub(crate) fn tab_of(screen: Screen) -> Screen {
    match screen {
        Screen::Campaign => Screen::Campaigns,
        Screen::Letter => Screen::DeadLetters,
        Screen::Act => Screen::Audit,
        tab => tab,
    }
}

/// Drops the filter, where there is one; else shows the screen below.
pub(super) fn back(state: &mut State) -> Vec<Effect> {
    if let Some(list) = state.list_mut()
        && !list.filter().is_empty()
    {
        list.set_filter(String::new());
        return Vec::new();
    }
    state.screen = state.below.pop().unwrap_or(Screen::Campaigns);
    state.page = Cursor::default();
    follow(state)
}

/// Shows one campaign.
pub(super) fn open_campaign(state: &mut State, id: &str) -> Vec<Effect> {
    let known = state.focus.as_ref().is_some_and(|focus| focus.id == id);
    if !known {
        state.focus = Some(Focus::on(id));
        state.coupons = Table::default();
        state.links.refocus();
    }
    state.campaigns.select(id);
    let mut effects = go(state, Screen::Campaign);
    if !known {
        effects.push(Effect::Follow(Some(id.to_owned())));
    }
    effects
}

/// Shows what is on the selected line.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let campaign = match state.screen {
        Screen::Campaigns => state.campaigns.selected().map(|entry| entry.view.id.clone()),
        Screen::Pipeline => state.lanes.selected().map(|lane| lane.campaign_id.clone()),
        Screen::DeadLetters => {
            let Some(letter) = state.letters.selected().cloned() else { return Vec::new() };
            state.letter = Some(letter);
            return go(state, Screen::Letter);
        }
        Screen::Audit => {
            let Some(act) = state.audit.table.selected().cloned() else { return Vec::new() };
            state.act = Some(act);
            return go(state, Screen::Act);
        }
        Screen::Campaign | Screen::Letter | Screen::Act | Screen::Alerts | Screen::Help => None,
    };
    campaign.map(|id| open_campaign(state, &id)).unwrap_or_default()
}

/// Shows what operators did, to one campaign or to all.
pub(super) fn open_audit(state: &mut State, campaign: Option<String>) -> Vec<Effect> {
    if state.audit.campaign != campaign {
        state.audit = AuditLog::of(campaign);
        state.links.forget_audit();
    }
    go(state, Screen::Audit)
}

/// Ends the console; asks first where a service would end with it.
pub(super) fn quit(state: &mut State) -> Vec<Effect> {
    if state.owner {
        state.mode = Mode::Stop;
        return Vec::new();
    }
    vec![Effect::Quit]
}

/// What is on no screen is not fetched.
fn follow(state: &mut State) -> Vec<Effect> {
    let on_show = |screen| state.screen == screen || state.below.contains(&screen);
    let (campaign, audit) = (on_show(Screen::Campaign), on_show(Screen::Audit) || on_show(Screen::Act));
    let mut effects = Vec::new();
    if !campaign && state.focus.take().is_some() {
        state.links.refocus();
        state.coupons = Table::default();
        effects.push(Effect::Follow(None));
    }
    if audit != state.audit.followed {
        state.audit.followed = audit;
        effects.push(Effect::Audit(audit.then(|| state.audit.newest())));
    }
    effects
}
