//! Dead letters and the audit log.

use crossterm::event::KeyCode;
use firstcome_shared::wire::Page;

use super::{order, said};
use crate::fixture::{self, NOW, fetch, key, keys, state};
use crate::message::{Audit, Change, Data, Effect, Feed, Message, Side};
use crate::state::{List as _, Mode, Screen, State};
use crate::update::update;

/// The positions of the dead letters on show, each with its store's first letter.
fn letters(state: &State) -> Vec<String> {
    let lines = state.letters.lines(0, usize::MAX);
    lines.map(|line| format!("{}{}", &line.side.store()[..1], line.letter.id)).collect()
}

#[test]
fn dead_letters_of_both_stores_are_one_list_that_is_sorted_and_filtered() {
    let mut state = state(80, 24, false);
    fixture::fetch_letters(&mut state);
    keys(&mut state, ":dead");
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.screen, Screen::DeadLetters);
    assert_eq!(letters(&state), ["l0-57", "l0-42", "r0-42"], "the latest first");
    keys(&mut state, "s");
    assert_eq!(letters(&state), ["l0-57", "l0-42", "r0-42"], "by campaign");
    keys(&mut state, "sS");
    assert_eq!(letters(&state), ["r0-42", "l0-42", "l0-57"], "by store, turned round");
    keys(&mut state, "/unique");
    assert_eq!(letters(&state), ["l0-42"]);
    key(&mut state, KeyCode::Enter);
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.screen, Screen::Letter);
    assert_eq!(state.letter.as_ref().unwrap().letter.id, "0-42");
    // Gone meanwhile: what was read stays to be read.
    fetch(&mut state, Feed::DeadLetters(Side::Command), Data::DeadLetters(Vec::new()), NOW);
    assert_eq!(state.letters.total(), 1);
    assert_eq!(state.letter.as_ref().unwrap().letter.id, "0-42");
    key(&mut state, KeyCode::Esc);
    assert_eq!(letters(&state), [] as [&str; 0]);
    key(&mut state, KeyCode::Esc);
    assert_eq!((state.screen, letters(&state)), (Screen::DeadLetters, vec!["r0-42".to_owned()]));
}

#[test]
fn a_dead_letter_is_replayed_after_a_yes_and_discarded_after_its_position_was_typed() {
    let mut state = state(80, 24, true);
    fixture::fetch_letters(&mut state);
    keys(&mut state, ":dead");
    key(&mut state, KeyCode::Enter);
    let at = fixture::dead_letters(Side::Command)[1].position;
    let replay = order("daily-coffee", Change::Replay { side: Side::Command, at });
    keys(&mut state, "r");
    assert_eq!(state.mode, Mode::Confirm { order: replay.clone() });
    assert_eq!(keys(&mut state, "n"), []);
    assert_eq!(keys(&mut state, "ry"), [Effect::Send(replay.clone())]);
    let refresh = Effect::Fetch(Feed::DeadLetters(Side::Command));
    assert_eq!(update(&mut state, Message::Answered(replay, Ok(None)), NOW), [refresh]);
    assert_eq!(said(&state), "the ledger replays daily-coffee from 0-57 on");

    // From the letter itself, of the other store.
    keys(&mut state, "jj");
    key(&mut state, KeyCode::Enter);
    keys(&mut state, "d0-4");
    assert_eq!(key(&mut state, KeyCode::Enter), []);
    assert!(said(&state).contains("type 0-42 to discard it"), "{}", said(&state));
    keys(&mut state, "2");
    let at = fixture::dead_letters(Side::Query)[0].position;
    let discard = order("late-night", Change::Discard { side: Side::Query, at });
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Send(discard)]);
}

#[test]
fn a_reader_neither_replays_nor_acts_by_command() {
    let mut state = state(80, 24, false);
    fixture::fetch_letters(&mut state);
    for typed in [":dead\n", "r", "d", ":pause summer\n", ":cancel summer\n", ":replay\n"] {
        state.status = None;
        for letter in typed.chars() {
            let code = if letter == '\n' { KeyCode::Enter } else { KeyCode::Char(letter) };
            assert_eq!(key(&mut state, code), [], "{typed:?}");
        }
        assert_eq!(state.mode, Mode::Normal, "{typed:?}");
        assert!(typed.starts_with(":dead") || said(&state).contains("--operator"), "{}", said(&state));
    }
}

#[test]
fn the_audit_log_is_fetched_while_it_is_on_show_and_older_pages_when_one_scrolls_there() {
    let mut state = state(80, 24, true);
    keys(&mut state, ":audit");
    let newest = Audit::default();
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Audit(Some(newest.clone()))]);
    let page = |sequences: std::ops::Range<u64>, next: Option<&str>| Page {
        items: sequences.rev().map(fixture::audit_entry).collect(),
        next: next.map(str::to_owned),
    };
    fetch(&mut state, Feed::Audit(newest), Data::Audit(page(50..60, Some("0-50"))), NOW);
    assert_eq!(state.audit.table.selected().unwrap().position.sequence, 59);
    let older = Audit { campaign: None, after: Some("0-50".into()) };
    assert_eq!(key(&mut state, KeyCode::End), [Effect::Fetch(Feed::Audit(older.clone()))]);
    assert_eq!(key(&mut state, KeyCode::End), [], "it was asked for");
    fetch(&mut state, Feed::Audit(older), Data::Audit(page(1..50, None)), NOW);
    assert_eq!(key(&mut state, KeyCode::End), [], "that was all");
    assert_eq!(state.audit.table.selected().unwrap().position.sequence, 1);
    keys(&mut state, "/replay");
    key(&mut state, KeyCode::Enter);
    assert!(state.audit.table.lines(0, 99).all(|act| act.actor == "bob"));
    key(&mut state, KeyCode::Enter);
    assert_eq!((state.screen, state.act.as_ref().unwrap().actor.as_str()), (Screen::Act, "bob"));
    // Of one campaign: anew, and what was asked for before is dropped.
    keys(&mut state, ":audit sum");
    let summer = Audit { campaign: Some("summer".into()), after: None };
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Audit(Some(summer))]);
    fetch(&mut state, Feed::Audit(Audit::default()), Data::Audit(page(50..60, None)), NOW);
    assert_eq!(state.audit.table.total(), 0);
    keys(&mut state, ":campaigns");
    assert_eq!(key(&mut state, KeyCode::Enter), [Effect::Audit(None)]);
}
