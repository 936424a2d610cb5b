//! What an operator may do, and when.

use super::*;
use crate::domain::command::{Command, Patch, Refused, WindowPatch};
use crate::event::Event;
use crate::wire::WaitingRoom;

/// The kinds of the entries, or the refusal in short.
fn outcome(book: &mut Book, now: i64, command: &Command) -> Result<Vec<&'static str>, String> {
    let before = book.clone();
    let entries = book.command(command, "ops", Millis(now));
    let kinds = entries.map(|entries| {
        assert!(entries.iter().all(|entry| entry.event.actor() == Some("ops")), "{entries:?}");
        entries.iter().map(|entry| entry.event.kind()).collect::<Vec<_>>()
    });
    if kinds.as_ref().is_ok_and(|kinds| !kinds.is_empty()) {
        assert!(book.version > before.version, "a sold-out cache must learn of it");
    } else {
        assert_eq!(*book, before, "nothing was changed");
    }
    kinds.map_err(|refused| match refused {
        Refused::Invalid(invalid) => format!("invalid {}", invalid.field),
        Refused::Conflict(_) => "conflict".to_owned(),
    })
}

#[test]
fn switches_are_idempotent_and_obey_what_is_over() {
    use Command::{Cancel, Pause, Resume};
    type Told = Result<&'static [&'static str], &'static str>;
    let paused: Told = Ok(&["campaign_paused"]);
    let table: &[(i64, &[(Command, Told)])] = &[
        (
            150,
            &[
                (Resume, Ok(&[])),
                (Pause, paused),
                (Pause, Ok(&[])),
                (Resume, Ok(&["campaign_resumed"])),
                (Pause, paused),
            ],
        ),
        (
            150,
            &[
                (Cancel, Ok(&["campaign_cancelled"])),
                (Cancel, Ok(&[])),
                (Resume, Err("conflict")),
                (Pause, Err("conflict")),
            ],
        ),
        (
            150,
            &[
                (Pause, paused),
                (Cancel, Ok(&["campaign_cancelled"])),
                (Resume, Err("conflict")),
                (Pause, Ok(&[])),
            ],
        ),
        (0, &[(Pause, paused)]),
        (999, &[(Pause, Err("conflict")), (Cancel, Ok(&["campaign_cancelled"]))]),
    ];
    for (row, (now, steps)) in table.iter().enumerate() {
        let mut book = book(definition(&[(100, 200, 5)]));
        for (step, (command, expected)) in steps.iter().enumerate() {
            let expected = expected.map(<[_]>::to_vec).map_err(str::to_owned);
            assert_eq!(outcome(&mut book, *now, command), expected, "row {row}, step {step}");
        }
    }
}

fn window(id: u32) -> WindowPatch {
    WindowPatch { id, ..WindowPatch::default() }
}

fn update(windows: Vec<WindowPatch>) -> Command {
    Command::Update(Patch { windows, ..Patch::default() })
}

#[test]
fn a_window_may_be_changed_so_much_and_no_more() {
    let stock = |id, stock| update(vec![WindowPatch { stock: Some(stock), ..window(id) }]);
    let opens = |id, at| update(vec![WindowPatch { opens_at: Some(Millis(at)), ..window(id) }]);
    let closes = |id, at| update(vec![WindowPatch { closes_at: Some(Millis(at)), ..window(id) }]);
    let restocked: Result<&[&str], &str> = Ok(&["stock_changed"]);
    let updated: Result<&[&str], &str> = Ok(&["campaign_updated"]);
    // Windows 100..200 and 300..400, 5 each.
    let table = [
        (99, stock(1, 4), restocked),
        (99, stock(1, 6), restocked),
        (99, stock(1, 5), Ok(&[])),
        (100, stock(1, 4), Err("conflict")),
        (100, stock(1, 6), restocked),
        (199, stock(1, 6), restocked),
        (200, stock(1, 6), Err("conflict")),
        (200, stock(1, 5), Ok(&[])),
        (200, stock(2, 1), restocked),
        (0, stock(1, 0), Err("invalid windows[0].stock")),
        (0, stock(2, 1_000_000_001), Err("invalid windows[1].stock")),
        (0, stock(3, 5), Err("invalid windows[0].id")),
        (99, opens(1, 150), updated),
        (100, opens(1, 150), Err("conflict")),
        (100, closes(1, 250), Err("conflict")),
        (99, closes(1, 300), updated),
        (99, closes(1, 301), Err("invalid windows[1].opens_at")),
        (99, closes(1, 100), Err("invalid windows[0].closes_at")),
        (299, opens(2, 200), updated),
        (299, opens(2, 199), Err("invalid windows[1].opens_at")),
        (300, opens(2, 301), Err("conflict")),
        (
            250,
            update(vec![WindowPatch {
                opens_at: Some(Millis(210)),
                closes_at: Some(Millis(240)),
                ..window(2)
            }]),
            Err("invalid windows[0].closes_at"),
        ),
        (
            99,
            update(vec![WindowPatch { opens_at: Some(Millis(110)), stock: Some(9), ..window(1) }]),
            Ok(&["stock_changed", "campaign_updated"]),
        ),
        (
            150,
            update(vec![
                WindowPatch { stock: Some(9), ..window(2) },
                WindowPatch { stock: Some(1), ..window(1) },
            ]),
            Err("conflict"),
        ),
    ];
    for (row, (now, command, expected)) in table.into_iter().enumerate() {
        let mut book = book(definition(&[(100, 200, 5), (300, 400, 5)]));
        let expected = expected.map(<[_]>::to_vec).map_err(str::to_owned);
        assert_eq!(outcome(&mut book, now, &command), expected, "row {row}: {command:?} at {now}");
    }
}

#[test]
fn a_plain_stock_names_the_only_window() {
    let stock = Command::Update(Patch { stock: Some(9), ..Patch::default() });
    let mut one = book(definition(&[(100, 200, 5)]));
    assert_eq!(outcome(&mut one, 0, &stock), Ok(vec!["stock_changed"]));
    assert_eq!(one.definition.stock(), 9);
    let mut two = book(definition(&[(100, 200, 5), (300, 400, 5)]));
    assert_eq!(outcome(&mut two, 0, &stock), Err("invalid stock".to_owned()));
    assert_eq!(outcome(&mut one, 0, &Command::Cancel), Ok(vec!["campaign_cancelled"]));
    assert_eq!(outcome(&mut one, 0, &stock), Ok(vec![]), "it is so already");
    let more = Command::Update(Patch { stock: Some(10), ..Patch::default() });
    assert_eq!(outcome(&mut one, 0, &more), Err("conflict".to_owned()));
}

#[test]
fn names_and_admission_numbers_change_at_any_time() {
    let name = Command::Update(Patch { name: Some("Winter".to_owned()), ..Patch::default() });
    let numbers = WaitingRoom { admit_per_second: 5, max_active: 9, admission_ttl_seconds: 60 };
    let room = Command::Update(Patch { waiting_room: Some(numbers), ..Patch::default() });
    let mut book = book(definition(&[(100, 200, 5)]));
    assert_eq!(outcome(&mut book, 999, &name), Ok(vec!["campaign_updated"]));
    assert_eq!(outcome(&mut book, 999, &room), Err("invalid waiting_room".to_owned()));
    book.definition.waiting_room = Some(WaitingRoom { admit_per_second: 1, ..numbers });
    assert_eq!(outcome(&mut book, 150, &room), Ok(vec!["campaign_updated"]));
    assert_eq!(book.definition.waiting_room, Some(numbers));
    assert_eq!(outcome(&mut book, 150, &room), Ok(vec![]));
}

#[test]
fn events_carry_absolute_values() {
    let mut book = book(definition(&[(100, 200, 5)]));
    let command =
        Command::Update(Patch { name: Some("Winter".to_owned()), stock: Some(9), ..Patch::default() });
    let entries = book.command(&command, "ops", Millis(50)).unwrap();
    assert_eq!(
        entries.iter().map(|entry| (entry.decision, entry.at)).collect::<Vec<_>>(),
        [(1, Millis(50)), (2, Millis(50))]
    );
    let actor = "ops".to_owned();
    assert_eq!(entries[0].event, Event::StockChanged { window: 1, stock: 9, actor: actor.clone() });
    assert_eq!(entries[1].event, Event::CampaignUpdated { definition: book.definition.clone(), actor });
    assert_eq!((book.definition.name.as_str(), book.definition.stock()), ("Winter", 9));
}
