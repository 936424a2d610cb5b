//! What works on every screen: tabs, lists, commands, colours.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use firstcome_shared::wire::{Page, WaitingRoom};

use super::{follow, order, parked, said, select};
use crate::ThemeName;
use crate::fixture::{self, NOW, fetch, fetch_summer, key, keys, state};
use crate::message::{Audit, Change, Data, Effect, Feed, Message};
use crate::state::{Mode, Screen, State};
use crate::update::update;
use crate::view::layout;

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    update(state, Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }), NOW)
}

#[test]
fn tab_leads_through_all_screens_and_shift_tab_back() {
    let mut state = state(80, 24, false);
    let mut screens = Vec::new();
    for _ in 0..6 {
        key(&mut state, KeyCode::Tab);
        screens.push(state.screen);
    }
    let (pipeline, letters) = (Screen::Pipeline, Screen::DeadLetters);
    let all = [pipeline, letters, Screen::Audit, Screen::Alerts, Screen::Help, Screen::Campaigns];
    assert_eq!(screens, all);
    key(&mut state, KeyCode::BackTab);
    assert_eq!(state.screen, Screen::Help);
}

#[test]
fn a_click_on_a_tab_leads_there_and_one_on_the_banner_to_all_that_is_wrong() {
    let mut state = state(80, 24, false);
    for (screen, x, label) in layout::tabs(&state).collect::<Vec<_>>() {
        click(&mut state, x + 1, 1);
        assert_eq!(state.screen, screen, "{label}");
        click(&mut state, 0, 1);
        assert_eq!(state.screen, Screen::Campaigns);
    }
    assert_eq!(click(&mut state, 79, 1), []);
    parked(&mut state, 1);
    click(&mut state, 10, 3);
    assert_eq!(state.screen, Screen::Alerts);
}

#[test]
fn every_list_is_filtered_and_sorted() {
    let mut state = state(80, 24, true);
    fixture::fetch_letters(&mut state);
    parked(&mut state, 2);
    for screen in ["campaigns", "summer", "pipeline", "dead-letters", "audit", "alerts"] {
        keys(&mut state, &format!(":{screen}"));
        key(&mut state, KeyCode::Enter);
        if screen == "summer" {
            fetch_summer(&mut state);
        }
        if screen == "audit" {
            let items = (1..9).map(fixture::audit_entry).collect();
            let page = Page { items, next: None };
            fetch(&mut state, Feed::Audit(Audit::default()), Data::Audit(page), NOW);
        }
        let total = state.list().unwrap().total();
        assert!(total > 0, "{screen}");
        keys(&mut state, "/no such thing");
        assert_eq!(state.list().unwrap().len(), 0, "{screen}");
        key(&mut state, KeyCode::Enter);
        key(&mut state, KeyCode::Esc);
        assert_eq!(state.list().unwrap().len(), total, "{screen}");
        let words = state.list().unwrap().keys();
        for (at, word) in words.iter().enumerate() {
            keys(&mut state, &format!(":sort {word}"));
            key(&mut state, KeyCode::Enter);
            assert_eq!(state.list().unwrap().order().0, at, "{screen} by {word}");
        }
    }
}

#[test]
fn commands_choose_among_completions_set_the_theme_and_act() {
    let mut state = state(80, 24, true);
    keys(&mut state, ":d");
    key(&mut state, KeyCode::Down);
    key(&mut state, KeyCode::Down);
    key(&mut state, KeyCode::Down);
    key(&mut state, KeyCode::Up);
    assert_eq!(state.mode, Mode::Command { typed: "d".into(), chosen: 1 });
    key(&mut state, KeyCode::Down);
    assert_eq!(key(&mut state, KeyCode::Enter), [follow("daily-coffee")]);
    keys(&mut state, ":theme hi");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.theme, ThemeName::HighContrast);
    keys(&mut state, "t");
    assert_eq!(state.theme, ThemeName::Mono);
    keys(&mut state, ":theme pink");
    key(&mut state, KeyCode::Enter);
    assert_eq!((state.theme, said(&state)), (ThemeName::Mono, "no theme is called “pink”"));
    // A campaign that is named, whatever is on show; tab goes on to what may follow.
    keys(&mut state, ":pa");
    key(&mut state, KeyCode::Tab);
    key(&mut state, KeyCode::Tab);
    keys(&mut state, "sum");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.mode, Mode::Confirm { order: order("summer", Change::Pause) });
    keys(&mut state, "n");
    // What is open is not paused by being resumed.
    keys(&mut state, ":resume summer");
    key(&mut state, KeyCode::Enter);
    assert_eq!((&state.mode, said(&state)), (&Mode::Normal, "summer is not paused"));
    keys(&mut state, ":filter cof");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.list().unwrap().filter(), "cof");
}

#[test]
fn admission_is_changed_where_there_is_a_waiting_room() {
    let mut state = state(80, 24, true);
    select(&mut state, "summer");
    keys(&mut state, "a");
    assert_eq!((&state.mode, said(&state)), (&Mode::Normal, "summer has no waiting room"));
    select(&mut state, "winter-sale");
    keys(&mut state, "a250");
    key(&mut state, KeyCode::Enter);
    let room = state.campaigns.get("winter-sale").unwrap().view.waiting_room.unwrap();
    let room = WaitingRoom { admit_per_second: 250, ..room };
    assert_eq!(keys(&mut state, "y"), [Effect::Send(order("winter-sale", Change::Admission(room)))]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "asked for with :panic")]
fn panics_on_request_where_it_is_built_for_tests() {
    let mut state = state(80, 24, false);
    keys(&mut state, ":panic");
    key(&mut state, KeyCode::Enter);
}
