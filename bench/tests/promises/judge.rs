//! The verdict alone, fed with one flaw at a time: exactly the promises that the flaw breaks are named.

use std::collections::BTreeSet;
use std::time::Duration;

use firstcome_bench::{Answer, Answers, Evidence, Held, Level, Promise, Terms, Told, VerifyReport, judge};
use firstcome_shared::clock::Millis;
use firstcome_shared::wire::Code;

use crate::fake::coupon;
use Promise::{P1, P2, P3, P4, P9};

/// Five people ask for three coupons; the first asks twice.
fn healthy() -> (Answers, Evidence) {
    let rows: Vec<_> = (1..=3).map(|seq| coupon(seq, &format!("p-{seq}"), Millis(1_000))).collect();
    let held = |index: usize| Held {
        seq: rows[index].seq,
        user_id: rows[index].user_id.clone(),
        code: rows[index].code.clone(),
        issued_at: rows[index].issued_at,
    };
    let told = |person: usize, answer| Told { user_id: format!("p-{person}"), answer };
    let mut answers = Answers::none("c");
    answers.told = vec![
        told(1, Answer::Issued(held(0))),
        told(2, Answer::Issued(held(1))),
        told(3, Answer::Issued(held(2))),
        told(1, Answer::AlreadyIssued(held(0))),
        told(4, Answer::SoldOut),
        told(5, Answer::SoldOut),
    ];
    let verified = VerifyReport::default();
    let level = Level { ledger: Duration::ZERO, read_model: Duration::ZERO };
    (answers, Evidence { stock: 3, issued: 3, remaining: 0, rows, verified, level })
}

fn broken(answers: &Answers, evidence: &Evidence) -> BTreeSet<Promise> {
    let report = judge(answers, evidence, Terms::one_each(3));
    assert_eq!(report.ok(), report.ok, "the flag in the JSON is the verdict");
    report.broken.iter().map(|broken| broken.promise).collect()
}

fn held(told: &mut Told) -> &mut Held {
    match &mut told.answer {
        Answer::Issued(held) | Answer::AlreadyIssued(held) => held,
        other => panic!("{other:?} holds nothing"),
    }
}

#[test]
fn all_is_well_when_it_is() {
    let (answers, evidence) = healthy();
    let report = judge(&answers, &evidence, Terms::one_each(3));
    assert!(report.ok(), "{report}");
    assert_eq!((report.people, report.asked, report.issued), (5, 6, 3));
    assert_eq!((report.already_issued, report.sold_out, report.expected), (1, 2, (3, 3)));
    assert_eq!((report.oversold, report.duplicates, report.missing, report.differences), (0, 0, 0, 0));
}

#[test]
fn fewer_askers_than_stock_each_get_one() {
    let (mut answers, mut evidence) = healthy();
    answers.told.truncate(4);
    (evidence.stock, evidence.remaining) = (7, 4);
    assert!(judge(&answers, &evidence, Terms::one_each(7)).ok());
}

#[test]
fn every_flaw_is_named_by_its_promise() {
    type Flaw = fn(&mut Answers, &mut Evidence);
    let flaws: &[(&str, &[Promise], Flaw)] = &[
        ("one too many, in answers and stores", &[P1, P9], |answers, evidence| {
            let row = coupon(4, "p-4", Millis(1_000));
            let held =
                Held { seq: 4, user_id: "p-4".into(), code: row.code.clone(), issued_at: row.issued_at };
            answers.told[4].answer = Answer::Issued(held);
            evidence.rows.push(row);
            evidence.issued = 4;
        }),
        ("one too few", &[P1], |answers, evidence| {
            answers.told[2].answer = Answer::SoldOut;
            evidence.rows.pop();
            (evidence.issued, evidence.remaining) = (2, 1);
        }),
        ("refused though it could have been had", &[P1], |answers, _| {
            answers.told[4].answer = Answer::Refused(Code::Paused);
        }),
        ("one person, two coupons", &[P2], |answers, evidence| {
            answers.told[1].user_id = "p-1".into();
            held(&mut answers.told[1]).user_id = "p-1".into();
            evidence.rows[1].user_id = "p-1".into();
        }),
        ("the same number to two people", &[P2, P3], |answers, evidence| {
            held(&mut answers.told[1]).seq = 1;
            evidence.rows[1].seq = 1;
        }),
        ("the same code to two people", &[P2], |answers, evidence| {
            held(&mut answers.told[1]).code.clone_from(&evidence.rows[0].code);
            evidence.rows[1].code = evidence.rows[0].code.clone();
        }),
        ("a holder is told sold out", &[P2], |answers, _| answers.told[3].answer = Answer::SoldOut),
        ("a gap", &[P3], |answers, evidence| {
            evidence.rows[2].seq = 4;
            held(&mut answers.told[2]).seq = 4;
        }),
        ("a late number decided early", &[P3], |answers, evidence| {
            evidence.rows[2].issued_at.0 = Millis(999);
            held(&mut answers.told[2]).issued_at.0 = Millis(999);
        }),
        ("told and not kept", &[P1, P3, P4], |_, evidence| {
            evidence.rows.remove(1);
        }),
        ("kept with another code", &[P4], |_, evidence| evidence.rows[1].code = "OTHER".into()),
        ("kept for somebody who was told nothing of it", &[P4], |_, evidence| {
            evidence.rows[1].user_id = "stranger".into();
        }),
        ("told of somebody else's coupon", &[P4], |answers, _| {
            held(&mut answers.told[3]).user_id = "p-2".into();
        }),
        ("does not add up", &[P9], |_, evidence| evidence.remaining = 1),
        ("the gate believes in another stock", &[P9], |_, evidence| {
            (evidence.stock, evidence.remaining) = (4, 1);
        }),
        ("the gate counts too few", &[P1, P9], |_, evidence| evidence.issued = 2),
        ("stores differ", &[P9], |_, evidence| evidence.verified.differences_total = 1),
    ];
    for (name, promises, flaw) in flaws {
        let (mut answers, mut evidence) = healthy();
        flaw(&mut answers, &mut evidence);
        let expected: BTreeSet<Promise> = promises.iter().copied().collect();
        let report = judge(&answers, &evidence, Terms::one_each(3));
        assert_eq!(broken(&answers, &evidence), expected, "{name}\n{report}");
    }
}

#[test]
fn who_got_no_answer_leaves_a_doubt_only_while_stock_is_left() {
    let (mut answers, mut evidence) = healthy();
    answers.told[5].answer = Answer::Unanswered;
    assert!(broken(&answers, &evidence).is_empty(), "the stock went to others, whatever the fifth may have");
    // The third was not told; the coupon stands in the stores all the same.
    answers.told[2].answer = Answer::Unanswered;
    assert!(broken(&answers, &evidence).is_empty());
    // Two clear answers for three coupons: the unanswered one may have been passed over.
    answers.told.truncate(3);
    evidence.rows.pop();
    (evidence.issued, evidence.remaining) = (2, 1);
    assert_eq!(broken(&answers, &evidence), BTreeSet::from([P1]));
}
