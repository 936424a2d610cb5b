//! Who gets a coupon, and what the others are told.

use super::*;
use crate::domain::Command;
use crate::domain::command::{Patch, WindowPatch};
use crate::domain::state::{State, state};
use crate::event::Event;
use crate::wire::StateReason;

/// Asks line by line, `time: asks -> verdicts`.
fn tell(book: &mut Book, table: &[(i64, &str, &str)]) {
    for (line, (now, asks, expected)) in table.iter().enumerate() {
        assert_eq!(verdicts(&decide(book, *now, asks)), *expected, "line {line}: {asks} at {now}");
    }
}

fn command(book: &mut Book, now: i64, command: &Command) {
    book.command(command, "ops", Millis(now)).unwrap();
}

fn stock(window: u32, stock: u64) -> Command {
    let window = WindowPatch { id: window, stock: Some(stock), ..WindowPatch::default() };
    Command::Update(Patch { windows: vec![window], ..Patch::default() })
}

#[test]
fn a_window_is_open_from_its_first_to_its_last_millisecond() {
    let mut book = book(definition(&[(100, 200, 5), (200, 300, 5), (400, 500, 5)]));
    tell(
        &mut book,
        &[
            (99, "ada", "not_open(100)"),
            (100, "ada", "+1"),
            (199, "bob", "+2"),
            (200, "cid", "+3"),
            (299, "dan", "+4"),
            (300, "eve", "not_open(400)"),
            (399, "eve", "not_open(400)"),
            (499, "eve", "+5"),
            (500, "fay", "ended"),
            (500, "ada eve", "=1 =5"),
        ],
    );
    assert_eq!(book.issued, [2, 2, 1]);
    let windows: Vec<u32> = ["ada", "cid", "eve"].map(|user| book.holders[user].latest().window).to_vec();
    assert_eq!(windows, [1, 2, 3]);
}

#[test]
fn first_come_first_served_to_the_last_coupon() {
    let mut book = book(definition(&[(0, 100, 3)]));
    tell(
        &mut book,
        &[
            (1, "ada bob ada", "+1 +2 =1"),
            (2, "cid dan bob eve", "+3 sold_out(3) =2 sold_out(3)"),
            (3, "dan cid", "sold_out(3) =3"),
        ],
    );
    let remaining: Vec<u64> = (1..=3)
        .map(|person| {
            let decided = decide(&mut super::book(definition(&[(0, 100, 3)])), 1, &"a b c"[..2 * person - 1]);
            match decided.verdicts.last().unwrap() {
                Verdict::Issued { remaining, .. } => *remaining,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(remaining, [2, 1, 0]);
}

#[test]
fn one_a_campaign_is_one_whatever_the_window_and_the_key() {
    let mut book = book(definition(&[(0, 100, 5), (100, 200, 5)]));
    tell(&mut book, &[(99, "ada/k1", "+1"), (100, "ada/k2 ada", "=1 =1"), (250, "ada", "=1")]);
    assert_eq!(book.holders["ada"].latest().key, None, "a key would tell nothing new, so it is not kept");
}

#[test]
fn one_a_window_is_one_in_each() {
    let mut of = definition(&[(0, 100, 5), (100, 200, 5), (300, 400, 1)]);
    of.limit_per = LimitPer::Window;
    let mut book = book(of);
    tell(
        &mut book,
        &[
            (99, "ada ada", "+1 =1"),
            (100, "ada ada bob/k1", "+2 =2 +3"),
            (150, "bob/k1 bob/k2 bob", "=3 =3 =3"),
            // Between windows: the newest is the only thing there is to tell.
            (250, "ada cid", "=2 not_open(300)"),
            // A retry of an old request is a retry, in whichever window it comes.
            (300, "bob/k1 bob/k3 ada", "=3 +4 sold_out(1)"),
            (400, "ada bob/k3 bob/k1 bob", "=2 =4 =3 =4"),
        ],
    );
}

#[test]
fn a_key_tells_a_retry_from_a_second_wish() {
    for limit in [2, 3] {
        let mut of = definition(&[(0, 100, 10), (100, 200, 10)]);
        of.per_user_limit = limit;
        let mut book = book(of);
        tell(&mut book, &[(1, "ada/a ada/a ada/b ada/b ada/a", "+1 =1 +2 =2 =1")]);
        if limit == 3 {
            tell(
                &mut book,
                &[(2, "ada/c ada/c ada/d", "+3 =3 limit(1,2,3)"), (150, "ada/d", "limit(1,2,3)")],
            );
        } else {
            tell(&mut book, &[(2, "ada/c ada/b", "limit(1,2) =2"), (150, "ada/c", "limit(1,2)")]);
        }
        let next = u64::from(limit) + 1;
        tell(&mut book, &[(160, "bob/a bob/a", &format!("+{next} ={next}"))]);
        // Refused at the edge; should one slip through, it gets nothing new.
        tell(&mut book, &[(170, "ada", &format!("={limit}"))]);
        assert_eq!(book.holders["ada"].iter().count(), usize::try_from(limit).unwrap());
    }
}

#[test]
fn a_limit_a_window_counts_anew_in_each() {
    let mut of = definition(&[(0, 100, 10), (100, 200, 3)]);
    (of.per_user_limit, of.limit_per) = (2, LimitPer::Window);
    tell(
        &mut book(of),
        &[
            (1, "ada/a ada/b ada/c", "+1 +2 limit(1,2)"),
            (100, "ada/c ada/d ada/e ada/a", "+3 +4 limit(3,4) =1"),
            (101, "bob/a bob/b ada/f", "+5 sold_out(3) limit(3,4)"),
        ],
    );
}

#[test]
fn what_a_stranger_is_told_has_an_order() {
    // cancelled, then ended, then paused (but not before the first window), then sold out.
    let table: &[(&[&str], i64, &str)] = &[
        (&[], 0, "not_open(100)"),
        (&["pause"], 0, "not_open(100)"),
        (&["pause"], 150, "paused"),
        (&["pause"], 250, "not_open(300)"),
        (&["pause", "cancel"], 150, "cancelled"),
        (&["sell", "pause"], 150, "paused"),
        (&["sell"], 150, "sold_out(1)"),
        (&["sell"], 250, "not_open(300)"),
        (&["sell"], 300, "+2"),
        (&["sell", "cancel"], 150, "cancelled"),
        (&["cancel"], 0, "cancelled"),
        (&["cancel"], 999, "cancelled"),
        (&["pause"], 999, "ended"),
        (&["pause", "resume"], 150, "+1"),
    ];
    for (given, now, expected) in table {
        let mut book = book(definition(&[(100, 200, 1), (300, 400, 1)]));
        for act in *given {
            match *act {
                "pause" => command(&mut book, 0, &Command::Pause),
                "resume" => command(&mut book, 0, &Command::Resume),
                "cancel" => command(&mut book, 0, &Command::Cancel),
                _ => assert_eq!(verdicts(&decide(&mut book, 100, "holder")), "+1"),
            }
        }
        assert_eq!(verdicts(&decide(&mut book, *now, "ada")), *expected, "{given:?} at {now}");
        if given.contains(&"sell") {
            assert_eq!(
                verdicts(&decide(&mut book, *now, "holder")),
                "=1",
                "a holder learns the truth in any state"
            );
        }
    }
}

#[test]
fn state_says_the_same_as_decide() {
    let of = definition(&[(100, 200, 1), (300, 400, 1)]);
    let flags = |paused, cancelled| crate::domain::Flags { paused, cancelled };
    let table = [
        (flags(false, false), [0, 0], 99, State::Scheduled { next: 0 }),
        (flags(false, false), [0, 0], 100, State::Open { window: 0 }),
        (flags(false, false), [1, 0], 199, State::Closed(StateReason::SoldOut)),
        (flags(false, false), [1, 0], 200, State::Scheduled { next: 1 }),
        (flags(false, false), [1, 0], 300, State::Open { window: 1 }),
        (flags(false, false), [1, 1], 400, State::Closed(StateReason::Ended)),
        (flags(true, false), [1, 0], 150, State::Paused),
        (flags(true, false), [0, 0], 0, State::Paused),
        (flags(true, false), [0, 0], 400, State::Closed(StateReason::Ended)),
        (flags(true, true), [0, 0], 150, State::Closed(StateReason::Cancelled)),
        (flags(false, true), [0, 0], 400, State::Closed(StateReason::Cancelled)),
    ];
    for (flags, issued, now, expected) in table {
        assert_eq!(state(&of, flags, &issued, Millis(now)), expected, "{flags:?} {issued:?} at {now}");
    }
}

#[test]
fn added_stock_reopens_a_sold_out_window() {
    let mut book = book(definition(&[(0, 100, 1)]));
    tell(&mut book, &[(1, "ada bob", "+1 sold_out(1)")]);
    command(&mut book, 2, &stock(1, 2));
    tell(&mut book, &[(3, "bob cid ada", "+2 sold_out(2) =1")]);
}

#[test]
fn a_clock_that_goes_back_does_not() {
    let mut book = book(definition(&[(0, 100, 5), (200, 300, 5)]));
    tell(&mut book, &[(99, "ada", "+1"), (0, "bob", "+2"), (200, "cid", "+3"), (50, "dan", "+4")]);
    assert_eq!(book.issued, [2, 2], "gate time stays at the last time used");
    assert_eq!(book.holders["bob"].latest().issued_at, Millis(99));
}

/// The thresholds that the batch announces.
fn announced(decided: &Decided) -> Vec<u8> {
    let percent = |entry: &crate::event::Entry| match entry.event {
        Event::StockThresholdReached { percent, .. } => Some(percent),
        _ => None,
    };
    decided.entries.iter().filter_map(percent).collect()
}

#[test]
fn each_threshold_is_announced_once() {
    let mut book = book(definition(&[(0, 100, 10)]));
    let table: &[(&str, &[u8])] = &[
        ("a b c d", &[]),
        ("e", &[50]),
        ("a b c", &[]),
        ("f", &[]),
        ("g h", &[80]),
        ("i", &[]),
        ("j k", &[100]),
        ("l", &[]),
    ];
    for (asks, expected) in table {
        assert_eq!(announced(&decide(&mut book, 1, asks)), *expected, "{asks}");
    }
    // Restocked, the ones that are reached no longer may be announced again.
    command(&mut book, 2, &stock(1, 16));
    assert_eq!(announced(&decide(&mut book, 3, "l m")), Vec::<u8>::new());
    assert_eq!(announced(&decide(&mut book, 3, "n")), [80]);
    assert_eq!(announced(&decide(&mut book, 3, "o p q r")), [100]);
    let mut at_once = super::book(definition(&[(0, 100, 2)]));
    assert_eq!(announced(&decide(&mut at_once, 1, "a b")), [100], "of several crossed at once, the highest");
}

#[test]
fn a_batch_is_one_entry_and_numbers_follow_each_other() {
    let mut of = definition(&[(0, 100, 10)]);
    (of.per_user_limit, of.coupon.valid_for_seconds) = (2, Some(60));
    let mut book = book(of);
    let decided = decide(&mut book, 7, "ada/a bob/a ada/b ada/a");
    let [entry] = decided.entries.as_slice() else { panic!("{decided:?}") };
    assert_eq!((entry.decision, entry.at), (1, Millis(7)));
    let Event::CouponsIssued { window, expires_at, coupons } = &entry.event else { panic!("{entry:?}") };
    assert_eq!((*window, *expires_at), (1, Some(Millis(60_007))));
    let short: Vec<_> = coupons
        .iter()
        .map(|coupon| (coupon.seq, coupon.user_id.as_str(), coupon.n, coupon.key.as_ref().unwrap().as_str()))
        .collect();
    assert_eq!(short, [(1, "ada", 1, "a"), (2, "bob", 1, "a"), (3, "ada", 2, "b")]);
    assert_eq!(decide(&mut book, 8, "ada/a ada/c").entries, [], "nothing issued, nothing to log");
    assert_eq!(decide(&mut book, 9, "bob/b dan/a").entries[0].decision, 2);
}
