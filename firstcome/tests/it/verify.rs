//! P9: `firstcome verify` finds what a hand in the files did, names it, and finds nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::Value;
use sqlx::Connection as _;

use crate::rig::{
    Api, Folder, Server, Told, alter, ask_all, assert_level, gather, hold, people, run, verify,
};

/// The one difference that the report names.
fn only_difference(report: &Value) -> &Value {
    assert_eq!((&report["ok"], &report["differences_total"]), (&false.into(), &1.into()), "{report}");
    let differences = report["differences"].as_array().unwrap();
    let [difference] = &differences[..] else { panic!("{report}") };
    difference
}

/// Statements that change row 3, put it back, remove row 5, put it back as it was, and add a row 999.
struct Hand {
    file: &'static str,
    store: &'static str,
    spoken: &'static str,
    change: &'static str,
    back: &'static str,
    keep: &'static str,
    remove: &'static str,
    restore: &'static str,
    add: &'static str,
    take: &'static str,
}

const LEDGER: Hand = Hand {
    file: "ledger.db",
    store: "ledger",
    spoken: "ledger",
    change: "UPDATE coupon SET code = 'STOL-EN00-STOL-EN00' WHERE campaign = 'watched' AND seq = 3",
    back: "UPDATE coupon SET code = (SELECT code FROM kept WHERE seq = 3) WHERE campaign = 'watched' AND seq = 3",
    keep: "CREATE TABLE kept AS SELECT * FROM coupon WHERE campaign = 'watched'",
    remove: "DELETE FROM coupon WHERE campaign = 'watched' AND seq = 5",
    restore: "INSERT INTO coupon SELECT * FROM kept WHERE seq = 5",
    add: "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, position)
          SELECT campaign, 999, 'ghost', 1, 'GHOS-T000-GHOS-T000', window_id, issued_at, position
          FROM kept WHERE seq = 1",
    take: "DELETE FROM coupon WHERE seq = 999",
};

const READ_MODEL: Hand = Hand {
    file: "read.db",
    store: "read_model",
    spoken: "read model",
    add: "INSERT INTO coupon (campaign, seq, user_id, n, code, window_id, issued_at, status, version, sequence)
          SELECT campaign, 999, 'ghost', 1, 'GHOS-T000-GHOS-T000', window_id, issued_at, status, version, sequence
          FROM kept WHERE seq = 1",
    ..LEDGER
};

/// Tampers and looks, one way after the other; each time a restart in between must not hide anything.
async fn every_change_is_named(hand: Hand) {
    let folder = Folder::new();
    let mut server = Server::start(&folder).await;
    server.api.create("watched", 20).await;
    server.api.create("beside", 20).await;
    let told = ask_all(&server.api, "watched", &people("p", 20)).await;
    ask_all(&server.api, "beside", &people("p", 20)).await;
    for campaign in ["watched", "beside"] {
        assert_level(&server.api, campaign).await;
    }
    assert_eq!(verify(&server).await.code, Some(0), "nothing differs before");
    let of =
        |seq: u64| told.iter().filter_map(Told::coupon).find(|coupon| coupon.seq == seq).unwrap().clone();
    let file = folder.file(hand.file);
    alter(&file, hand.keep).await;

    let cases = [
        ("changed", 3, hand.change, hand.back, [of(3).code, "STOL-EN00-STOL-EN00".to_owned()]),
        ("missing", 5, hand.remove, hand.restore, [of(5).user, of(5).code]),
        ("extra", 999, hand.add, hand.take, ["ghost".to_owned(), "GHOS-T000-GHOS-T000".to_owned()]),
    ];
    for (kind, seq, tamper, mend, values) in cases {
        assert_eq!(alter(&file, tamper).await, 1);
        for restarted in [false, true] {
            if restarted {
                server = server.killed_and_started_again().await;
            }
            let report = verify(&server).await;
            assert_eq!(report.code, Some(1), "{report:?}");
            let report = report.json();
            let difference = only_difference(&report);
            assert_eq!(difference["store"], hand.store, "{difference}");
            assert_eq!(difference["campaign_id"], "watched", "{difference}");
            assert_eq!(difference["seq"], seq, "{difference}");
            assert_eq!(difference["kind"], kind, "{difference}");
            for value in &values {
                assert!(difference["detail"].as_str().unwrap().contains(value), "{difference} names {value}");
            }
        }
        let spoken = run(["verify", "--server", &server.url]).await;
        assert_eq!(spoken.code, Some(1));
        let head = format!("{} · watched · seq {seq} · {kind}", hand.spoken);
        let line = spoken.stdout.lines().find(|line| line.contains(&head));
        let line = line.unwrap_or_else(|| panic!("{head} is not in {}", spoken.stdout));
        assert!(values.iter().all(|value| line.contains(value)), "{line}");

        alter(&file, mend).await;
        let mended = verify(&server).await;
        assert_eq!(mended.code, Some(0), "{mended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_removed_or_added_in_the_ledger_is_named() {
    every_change_is_named(LEDGER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_removed_or_added_in_the_read_model_is_named() {
    every_change_is_named(READ_MODEL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_person_status_or_time_is_named_too() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("watched", 10).await;
    ask_all(&server.api, "watched", &people("p", 10)).await;
    assert_level(&server.api, "watched").await;
    alter(&folder.file("ledger.db"), "UPDATE coupon SET user_id = 'thief' WHERE seq = 1").await;
    alter(&folder.file("ledger.db"), "UPDATE coupon SET status = 'redeemed' WHERE seq = 2").await;
    alter(&folder.file("read.db"), "UPDATE coupon SET issued_at = 1000 WHERE seq = 3").await;
    alter(&folder.file("read.db"), "UPDATE coupon SET expires_at = 1000 WHERE seq = 4").await;
    let report = verify(&server).await;
    assert_eq!(report.code, Some(1));
    let report = report.json();
    assert_eq!(report["differences_total"], 4, "{report}");
    let named = |store: &str, seq: u64, value: &str| {
        let differences = report["differences"].as_array().unwrap().iter();
        let mut found = differences.filter(|found| found["store"] == store && found["seq"] == seq);
        let detail =
            found.next().unwrap_or_else(|| panic!("{store} {seq}: {report}"))["detail"].as_str().unwrap();
        assert!(detail.contains(value), "{detail}");
    };
    named("ledger", 1, "thief");
    named("ledger", 2, "redeemed");
    named("read_model", 3, "1970-01-01T00:00:01.000Z");
    named("read_model", 4, "never");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_a_second_and_a_peak_that_a_hand_changed_are_named() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("watched", 10).await;
    server.api.create("beside", 10).await;
    for campaign in ["watched", "beside"] {
        ask_all(&server.api, campaign, &people("p", 10)).await;
        assert_level(&server.api, campaign).await;
    }
    let cases = [
        (
            "UPDATE campaign SET document = json_set(document, '$.totals.issued', 13) WHERE id = 'watched'",
            "UPDATE campaign SET document = json_set(document, '$.totals.issued', 10) WHERE id = 'watched'",
            "totals.issued: log 10, read model 13",
        ),
        (
            "UPDATE bucket SET issued = issued + 2
             WHERE campaign = 'watched' AND at = (SELECT min(at) FROM bucket WHERE campaign = 'watched')",
            "UPDATE bucket SET issued = issued - 2
             WHERE campaign = 'watched' AND at = (SELECT min(at) FROM bucket WHERE campaign = 'watched')",
            // And which second it is.
            "the timeline's sum: log 10, read model 12; 2",
        ),
        (
            "UPDATE campaign
             SET document = json_set(document, '$.peak_per_second', 1 + (document ->> '$.peak_per_second'))
             WHERE id = 'watched'",
            "UPDATE campaign
             SET document = json_set(document, '$.peak_per_second', (document ->> '$.peak_per_second') - 1)
             WHERE id = 'watched'",
            "peak_per_second: timeline ",
        ),
    ];
    for (tamper, mend, said) in cases {
        assert_eq!(alter(&folder.file("read.db"), tamper).await, 1);
        let report = verify(&server).await;
        assert_eq!(report.code, Some(1), "{report:?}");
        let report = report.json();
        let difference = only_difference(&report);
        assert_eq!((&difference["store"], &difference["kind"]), (&"read_model".into(), &"statistics".into()));
        assert_eq!(difference["campaign_id"], "watched", "{difference}");
        assert!(difference["detail"].as_str().unwrap().starts_with(said), "{difference}");
        assert_eq!(alter(&folder.file("read.db"), mend).await, 1);
        assert_eq!(verify(&server).await.code, Some(0), "mended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_stands_still_is_not_called_equal() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("watched", 50).await;
    ask_all(&server.api, "watched", &people("p", 10)).await;
    assert_level(&server.api, "watched").await;
    for (file, store) in [("ledger.db", "ledger"), ("read.db", "read_model")] {
        let held = hold(&folder.file(file)).await;
        ask_all(&server.api, "watched", &people(store, 5)).await;
        let report = verify(&server).await;
        assert_eq!(report.code, Some(1), "{report:?}");
        let report = report.json();
        let difference = only_difference(&report);
        assert_eq!(
            (&difference["store"], &difference["kind"]),
            (&store.into(), &"behind".into()),
            "{report}"
        );
        let detail = difference["detail"].as_str().unwrap();
        assert!(detail.contains(" only, 5 coupons up to "), "{detail}");
        assert_eq!(report["campaigns"][0]["on_their_way"], 5, "{report}");
        held.close().await.unwrap();
        assert_eq!(verify(&server).await.code, Some(0), "it has caught up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_rush_runs_it_finds_no_difference() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("rush", 1_000_000).await;
    let (enough, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let rush = {
        let (api, enough, next) = (server.api.clone(), Arc::clone(&enough), Arc::clone(&next));
        tokio::spawn(async move {
            gather(16, (0..16).map(|_| connection(&api, &enough, &next)).collect()).await;
        })
    };
    let mut moving = 0;
    for _ in 0..6 {
        let before = next.load(Ordering::Relaxed);
        let report = verify(&server).await;
        assert_eq!(report.code, Some(0), "{report:?}");
        moving += u32::from(next.load(Ordering::Relaxed) > before);
    }
    enough.store(true, Ordering::Relaxed);
    rush.await.unwrap();
    assert_eq!(moving, 6, "it was sold on while they were compared");
    let sold = u64::from(next.load(Ordering::Relaxed));
    crate::rig::assert_exact(&server, "rush", sold, &[]).await;
}

/// New people, one behind the other, until it is enough.
async fn connection(api: &Api, enough: &AtomicBool, next: &AtomicU32) {
    while !enough.load(Ordering::Relaxed) {
        let person = format!("p-{}", next.fetch_add(1, Ordering::Relaxed));
        api.ask("rush", &person).await.issued();
    }
}
