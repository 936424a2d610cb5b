//! Verification finds every row that a hand changed, and nothing while all is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use firstcome_bench::{BenchError, Kind, Pace, Rush, VerifyArgs, VerifyReport, verify, verify_campaigns};
use firstcome_shared::clock::Millis;
use firstcome_shared::wire::{CouponStatus, Store};

use crate::fake::{Fake, Faults, coupon};

const STORES: [Store; 3] = [Store::Gate, Store::Ledger, Store::ReadModel];

async fn verified(fake: &Fake) -> VerifyReport {
    verify_campaigns(&fake.api(), &["c".to_owned()]).await.unwrap()
}

fn said(report: &VerifyReport) -> Vec<(Store, Option<u64>, Kind)> {
    report.differences.iter().map(|it| (it.store, it.seq, it.kind)).collect()
}

#[tokio::test]
async fn a_sound_system_has_no_differences_and_all_campaigns_are_looked_at() {
    let fake = Fake::start(Faults::default()).await;
    fake.sell("a", 10, 0);
    fake.sell("b", 10, 10);
    fake.sell("c", 3_000, 2_500);
    let args =
        VerifyArgs { server: vec![fake.url.clone()], api_key: None, campaign: Vec::new(), json: false };
    let report = verify(args).await.unwrap();
    assert!(report.ok() && report.ok, "{report}");
    let coupons: Vec<_> = report.campaigns.iter().map(|it| (it.campaign_id.as_str(), it.coupons)).collect();
    assert_eq!(coupons, [("a", 0), ("b", 10), ("c", 2_500)]);
}

/// An address that was free a moment ago, and that nobody listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn where_nobody_listens_is_said_soon_and_another_server_is_asked() {
    let fake = Fake::start(Faults::default()).await;
    fake.sell("a", 10, 5);
    let verify_at = |server| verify(VerifyArgs { server, api_key: None, campaign: Vec::new(), json: false });
    let began = Instant::now();
    let error = verify_at(vec![nobody()]).await.unwrap_err();
    assert!(matches!(error, BenchError::Unreachable { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let report = verify_at(vec![nobody(), fake.url.clone()]).await.unwrap();
    assert_eq!((report.ok, report.campaigns.len()), (true, 1), "{report}");
}

#[tokio::test]
async fn parked_campaigns_are_counted_in_good_grammar() {
    for (parked, said) in
        [(1, "1 campaign is parked in the ledger"), (2, "2 campaigns are parked in the ledger")]
    {
        let fake = Fake::start(Faults { parked, ..Faults::default() }).await;
        fake.sell("c", 10, 5);
        let report = verified(&fake).await;
        assert!(report.notes.iter().any(|note| note.starts_with(said)), "{report}");
    }
}

#[tokio::test]
async fn stores_that_cannot_sum_up_all_rows_in_one_answer_are_asked_in_parts() {
    let fake = Fake::start(Faults { rows_in_time: 20_000, ..Faults::default() }).await;
    fake.sell("c", 20_500, 20_500);
    let report = verified(&fake).await;
    assert!(report.ok(), "{report}");
    assert_eq!(report.campaigns[0].coupons, 20_500);
    for (store, seq) in [(Store::Gate, 1), (Store::Ledger, 20_001), (Store::ReadModel, 20_500)] {
        fake.tamper("c", |shop| {
            let mut rows = shop.rows(store);
            rows[usize::try_from(seq).unwrap() - 1].user_id = "thief".to_owned();
        });
    }
    let mut named = said(&verified(&fake).await);
    named.sort_by_key(|it| it.1);
    let expected = [(Store::Gate, 1), (Store::Ledger, 20_001), (Store::ReadModel, 20_500)];
    assert_eq!(named, expected.map(|(store, seq)| (store, Some(seq), Kind::Changed)));
}

#[tokio::test]
async fn a_changed_row_is_named_with_both_values() {
    for store in STORES {
        let fake = Fake::start(Faults::default()).await;
        fake.sell("c", 3_000, 2_500);
        fake.tamper("c", |shop| shop.rows(store)[1_233].user_id = "thief".to_owned());
        let report = verified(&fake).await;
        assert_eq!(said(&report), [(store, Some(1_234), Kind::Changed)], "{report}");
        let text = report.to_string();
        assert!(text.contains("\"p-1233\"") && text.contains("\"thief\""), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["differences"][0]["log"]["user_id"], "p-1233");
        assert_eq!(json["differences"][0]["found"]["user_id"], "thief");
    }
}

#[tokio::test]
async fn removed_rows_are_named_at_both_ends_and_in_the_middle() {
    for store in STORES {
        let fake = Fake::start(Faults::default()).await;
        fake.sell("c", 3_000, 2_500);
        for seq in [1, 1_300, 2_500] {
            fake.tamper("c", |shop| shop.remove(store, seq));
        }
        let report = verified(&fake).await;
        let missing: Vec<_> = said(&report).into_iter().filter(|it| it.2 == Kind::Missing).collect();
        assert_eq!(missing, [1, 1_300, 2_500].map(|seq| (store, Some(seq), Kind::Missing)), "{report}");
    }
}

#[tokio::test]
async fn an_added_row_is_named_wherever_and_with_whatever_position() {
    // The gate keeps no positions; a store's positions may be anything that a hand wrote there.
    let mut cases = vec![(Store::Gate, 50, 0), (Store::Gate, 101, 0), (Store::Gate, 7_000_000_000, 0)];
    for store in [Store::Ledger, Store::ReadModel] {
        cases.extend([(store, 0, 5), (store, 101, 5), (store, 101, 9_999), (store, 7_000_000_000, 9_999)]);
    }
    let looks = cases.into_iter().map(async |(store, seq, position)| {
        let fake = Fake::start(Faults::default()).await;
        fake.sell("c", 200, 100);
        fake.tamper("c", |shop| shop.insert(store, position, coupon(seq, "thief", Millis(7))));
        let report = verified(&fake).await;
        let named = said(&report).contains(&(store, Some(seq), Kind::Extra));
        assert!(named, "{store:?} {seq} {position}: {report}");
    });
    futures::future::join_all(looks).await;
}

#[tokio::test]
async fn a_changed_status_is_a_difference_too() {
    let fake = Fake::start(Faults::default()).await;
    fake.sell("c", 100, 100);
    fake.tamper("c", |shop| shop.rows(Store::ReadModel)[9].status = Some(CouponStatus::Redeemed));
    let report = verified(&fake).await;
    assert_eq!(said(&report), [(Store::ReadModel, Some(10), Kind::Changed)]);
    assert!(report.to_string().contains("status: log issued, read model redeemed"), "{report}");
}

#[tokio::test]
async fn numbers_that_do_not_add_up_are_found() {
    let fake = Fake::start(Faults { counter_off: 1, ..Faults::default() }).await;
    fake.sell("c", 100, 40);
    let report = verified(&fake).await;
    assert!(!report.ok());
    assert!(report.differences.iter().all(|it| it.kind == Kind::Conservation), "{report}");
    assert!(report.to_string().contains("remaining 60 + issued 41 is not stock 100"), "{report}");
}

#[tokio::test]
async fn a_window_that_was_oversold_is_found_where_another_has_coupons_left() {
    let cases: [(&'static [(u64, u64)], &str); 3] = [
        (&[(10, 10), (10, 5)], ""),
        (&[(10, 12), (10, 3)], "does not add up · window 1: remaining 0 + issued 12 is not stock 10"),
        (&[(10, 10), (10, 4)], "does not add up · the windows count 14 issued, the campaign 15"),
    ];
    for (windows, named) in cases {
        let fake = Fake::start(Faults { windows, ..Faults::default() }).await;
        fake.sell("c", 20, 15);
        let report = verified(&fake).await;
        assert_eq!(said(&report).len(), usize::from(!named.is_empty()), "{report}");
        assert!(report.to_string().contains(named), "{report}");
    }
}

#[tokio::test]
async fn a_projection_that_never_heard_of_a_campaign_lacks_all_of_it() {
    let fake = Fake::start(Faults { read_model_unaware: true, ..Faults::default() }).await;
    fake.sell("c", 100, 5);
    let report = verified(&fake).await;
    let expected: Vec<_> = (1..=5).map(|seq| (Store::ReadModel, Some(seq), Kind::Missing)).collect();
    assert_eq!(said(&report), expected);
}

#[tokio::test]
async fn a_projection_that_stands_still_is_not_equal() {
    // Created at 1; coupons 1 to 5 up to 6, then nothing more is applied.
    let fake = Fake::start(Faults { ledger_stops_at: Some(6), ..Faults::default() }).await;
    fake.sell("c", 100, 25);
    let report = verified(&fake).await;
    assert!(!report.ok(), "{report}");
    assert_eq!(said(&report), [(Store::Ledger, None, Kind::Behind)], "{report}");
    assert_eq!((report.campaigns[0].coupons, report.campaigns[0].on_their_way), (5, 20), "{report}");
    let text = report.to_string();
    let line = "ledger · c · behind · compared up to 0-6 only, 20 coupons up to 0-26 are not there yet";
    assert!(text.contains(line), "{text}");
    let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["c", "0-6", "5", "20", "75", "100", "equal", "behind", "equal"], "{text}");

    // What it has read is compared all the same.
    fake.tamper("c", |shop| shop.rows(Store::Ledger)[2].user_id = "thief".to_owned());
    let report = verified(&fake).await;
    let both = [(Store::Ledger, None, Kind::Behind), (Store::Ledger, Some(3), Kind::Changed)];
    assert_eq!(said(&report), both, "{report}");
}

#[tokio::test]
async fn a_projection_that_only_lacks_what_others_wrote_is_equal() {
    let fake = Fake::start(Faults { ledger_stops_at: Some(6), ..Faults::default() }).await;
    fake.sell("c", 100, 5);
    fake.sell("other", 100, 5);
    let report = verified(&fake).await;
    assert!(report.ok(), "{report}");
}

#[tokio::test]
async fn statistics_that_the_log_does_not_add_up_to_are_named() {
    let wrong = [
        (Faults { total_off: 3, ..Faults::default() }, "totals.issued: log 40, read model 43"),
        (Faults { bucket_off: 2, ..Faults::default() }, "the timeline's sum: log 40, read model 42; "),
        (Faults { peak_off: 1, ..Faults::default() }, "peak_per_second: timeline "),
    ];
    for (faults, said_of_it) in wrong {
        let fake = Fake::start(faults).await;
        fake.sell("c", 100, 40);
        let report = verified(&fake).await;
        assert_eq!(said(&report), [(Store::ReadModel, None, Kind::Statistics)], "{report}");
        let line = format!("read model · c · miscounted · {said_of_it}");
        assert!(report.to_string().contains(&line), "{report}");
    }
}

#[tokio::test]
async fn too_many_differences_are_counted_and_not_all_named() {
    let fake = Fake::start(Faults::default()).await;
    fake.sell("c", 5_000, 5_000);
    fake.tamper("c", |shop| shop.ledger.clear());
    let report = verified(&fake).await;
    assert_eq!(report.differences_total, 5_000, "{:?}", report.campaigns);
    assert_eq!(report.differences.len(), 1_000);
    assert!(!report.ok() && report.to_string().contains("more"), "not all are named");
}

#[tokio::test]
async fn masked_codes_are_said_to_be_masked() {
    let fake = Fake::start(Faults { masked: true, ..Faults::default() }).await;
    fake.sell("c", 100, 100);
    fake.tamper("c", |shop| shop.rows(Store::Ledger)[3].code = "OTHER".to_owned());
    let report = verified(&fake).await;
    assert_eq!(said(&report), [(Store::Ledger, None, Kind::Hidden)]);
    assert!(report.notes.iter().any(|note| note.contains("masked")), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_nothing_while_a_rush_runs() {
    let fake = Fake::start(Faults { lag_ms: 800, gate_ahead_ms: 600, ..Faults::default() }).await;
    fake.open("c", 4_000, -1);
    let over = Arc::new(AtomicBool::new(false));
    let rush = Rush::new(&fake.target(), "c", 6_000).connections(16).pace(Pace::Rate(2_000.0));
    let running = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            let answers = rush.run(None).await.unwrap();
            over.store(true, Ordering::Relaxed);
            answers
        }
    });
    let mut looks = 0;
    let mut under_way = 0;
    while !over.load(Ordering::Relaxed) {
        let report = verified(&fake).await;
        assert!(report.ok(), "{report}");
        looks += 1;
        under_way += report.campaigns[0].on_their_way;
    }
    assert!(looks > 1 && under_way > 0, "{looks} looks, {under_way} coupons under way: the rush was not met");
    assert_eq!(running.await.unwrap().tally().issued, 4_000);
}
