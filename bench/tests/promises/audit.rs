//! Rushes over real connections, and what the audit says about them.

use std::time::Duration;

use firstcome_bench::{Answers, AuditReport, BenchError, Pace, Promise, Rush, Terms, audit};
use firstcome_shared::wire::Store;
use tokio::sync::watch;

use crate::fake::{Fake, Faults};

const STOCK: u64 = 50;

async fn rush(fake: &Fake, copies: u32) -> Answers {
    fake.open("c", STOCK, -1);
    Rush::new(&fake.target(), "c", 300).connections(16).copies(copies).run(None).await.unwrap()
}

async fn audited(fake: &Fake, answers: &Answers) -> AuditReport {
    audit(&fake.api(), answers, Terms::one_each(STOCK)).await.unwrap()
}

fn broken(report: &AuditReport) -> Vec<Promise> {
    let mut broken: Vec<_> = report.broken.iter().map(|broken| broken.promise).collect();
    broken.sort();
    broken.dedup();
    broken
}

#[tokio::test]
async fn an_exact_rush_holds_every_promise() {
    let fake = Fake::start(Faults::default()).await;
    let report = audited(&fake, &rush(&fake, 3).await).await;
    assert!(report.ok(), "{report}");
    assert_eq!((report.asked, report.people), (900, 300));
    assert_eq!((report.issued, report.already_issued, report.sold_out), (50, 100, 750));
    assert_eq!((report.oversold, report.duplicates, report.missing, report.differences), (0, 0, 0, 0));
    assert_eq!(report.latency.count, 900);
    assert!(report.issues_per_second > 0.0 && report.peak_per_second > 0, "{report}");
}

#[tokio::test]
async fn who_is_told_nothing_asks_again_and_learns_the_truth() {
    let faults =
        Faults { busy_every: Some(7), unavailable_every: Some(11), cut_every: Some(13), ..Faults::default() };
    let fake = Fake::start(faults).await;
    let answers = rush(&fake, 1).await;
    let report = audited(&fake, &answers).await;
    assert!(report.ok(), "{report}");
    assert_eq!((report.issued, report.unanswered), (50, 0));
    assert!(report.again.busy > 0 && report.again.unavailable > 0 && report.again.cut > 0, "{report}");
    assert!(report.already_issued > 0, "somebody's coupon was issued and the answer cut off");
}

#[tokio::test]
async fn the_audit_objects_to_every_broken_promise() {
    use Promise::{P1, P2, P3, P4, P9};
    let cases: [(&str, Faults, u32, &[Promise]); 7] = [
        ("oversold by one", Faults { oversell: 1, ..Faults::default() }, 1, &[P1, P9]),
        ("one held back", Faults { hold_back: 1, ..Faults::default() }, 1, &[P1]),
        ("the same coupon to two", Faults { twin_every: Some(20), ..Faults::default() }, 1, &[P1, P2, P4]),
        ("a number left out", Faults { skip: Some(9), ..Faults::default() }, 1, &[P3, P9]),
        ("a second coupon", Faults { forgetful: true, ..Faults::default() }, 3, &[P2]),
        ("issued and lost", Faults { lose: Some(50), ..Faults::default() }, 1, &[P1, P3, P4]),
        ("a wrong counter", Faults { counter_off: 1, ..Faults::default() }, 1, &[P1, P3, P9]),
    ];
    for (name, faults, copies, promises) in cases {
        let fake = Fake::start(faults).await;
        let report = audited(&fake, &rush(&fake, copies).await).await;
        let said = broken(&report);
        let missed: Vec<_> = promises.iter().filter(|promise| !said.contains(promise)).collect();
        assert!(!report.ok() && missed.is_empty(), "{name}: {missed:?}\n{report}");
        assert!(report.to_string().contains("BROKEN"), "{name}");
    }
}

#[tokio::test]
async fn a_store_that_differs_breaks_conservation() {
    for store in [Store::Gate, Store::Ledger, Store::ReadModel] {
        let fake = Fake::start(Faults::default()).await;
        let answers = rush(&fake, 1).await;
        audited(&fake, &answers).await;
        fake.tamper("c", |shop| shop.rows(store)[4].user_id = "thief".to_owned());
        let report = audited(&fake, &answers).await;
        assert!(!report.holds(Promise::P9), "{store:?}\n{report}");
        let named = &report.named_differences[0];
        assert_eq!((named.store, named.seq), (store, Some(5)));
        assert_eq!(
            report.holds(Promise::P4),
            store != Store::Ledger,
            "the answers are held against the ledger"
        );
    }
}

#[tokio::test]
async fn projections_that_do_not_follow_are_an_error_not_a_pass() {
    let fake = Fake::start(Faults { stalled: true, ..Faults::default() }).await;
    let answers = rush(&fake, 1).await;
    let terms = Terms { level_within: Duration::from_millis(50), ..Terms::one_each(STOCK) };
    let error = audit(&fake.api(), &answers, terms).await.unwrap_err();
    assert!(matches!(error, BenchError::NotLevel(..)), "{error}");
}

#[tokio::test]
async fn early_askers_wait_for_the_opening_and_double_clicks_get_the_same() {
    let fake = Fake::start(Faults::default()).await;
    fake.open("c", STOCK, 3_000);
    let (progress, seen) = watch::channel(firstcome_bench::Progress::default());
    let answers = Rush::new(&fake.target(), "c", 200)
        .connections(8)
        .pace(Pace::Ramp(Duration::from_millis(800)))
        .double_click_every(10)
        .run(Some(progress))
        .await
        .unwrap();
    let report = audited(&fake, &answers).await;
    assert!(report.ok(), "{report}");
    assert_eq!((report.asked, report.people, report.issued), (220, 200, 50));
    assert!(report.again.not_open > 0, "{report}");
    assert!(report.latency.max_ms < 1_500.0, "waiting for the opening is not the server's latency\n{report}");
    let last = *seen.borrow();
    assert_eq!((last.asked, last.issued, last.in_flight), (220, 50, 0));
    assert_eq!(last.issued + last.already_issued + last.sold_out, 220);
}

#[tokio::test]
async fn nobody_waits_beyond_the_deadline() {
    let fake = Fake::start(Faults { busy_every: Some(1), ..Faults::default() }).await;
    fake.open("c", STOCK, -1);
    let patience = Duration::from_millis(300);
    let answers =
        Rush::new(&fake.target(), "c", 20).connections(4).patience(patience).run(None).await.unwrap();
    let tally = answers.tally();
    assert_eq!((tally.unanswered, answers.told.len()), (20, 20));
    let report = audited(&fake, &answers).await;
    assert_eq!(broken(&report), [Promise::P1], "it cannot be shown that nobody was passed over");
}

#[tokio::test]
async fn a_server_that_is_away_makes_unanswered_people_not_an_error() {
    let fake = Fake::start(Faults::default()).await;
    let target = fake.target();
    drop(fake);
    let rush = Rush::new(&target, "c", 5).connections(2).patience(Duration::from_millis(200));
    let answers = rush.run(None).await.unwrap();
    assert_eq!(answers.tally().unanswered, 5);
    assert!(answers.again.cut > 0);
}
