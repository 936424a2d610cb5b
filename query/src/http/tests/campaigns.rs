//! Campaigns, their timeline, the document.

use axum::http::StatusCode;
use firstcome_shared::auth::Role;
use firstcome_shared::wire::{CampaignState, HistoryCampaign, Page, StateReason, Time, Timeline, Totals};

use super::{Rig, as_str, bytes, people};
use crate::testing::OPENS;

#[tokio::test]
async fn a_campaign_shows_its_history_in_numbers() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 3).after(1_500).ask("summer", &["a"]).ask("summer", &["b", "c", "d"]);
    rig.level().await;
    let shown: HistoryCampaign = rig.ask("/v1/history/campaigns/summer").await;
    let expected = HistoryCampaign {
        id: "summer".to_owned(),
        name: "Campaign summer".to_owned(),
        state: CampaignState::Closed,
        reason: Some(StateReason::SoldOut),
        stock: 3,
        totals: Totals { issued: 3, ..Totals::default() },
        first_issued_at: Some(Time(OPENS.plus(1_500))),
        last_issued_at: Some(Time(OPENS.plus(1_500))),
        seconds_to_sell_out: Some(1.5),
        peak_per_second: 3,
        position: "0-3".parse().unwrap(),
    };
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn campaigns_are_listed_page_by_page() {
    let mut rig = Rig::new().await;
    rig.read();
    for name in ["e", "b", "d", "a", "c"] {
        rig.history.create(name, 3);
    }
    rig.level().await;
    let mut names = Vec::new();
    let mut path = "/v1/history/campaigns?limit=2".to_owned();
    loop {
        let page: Page<HistoryCampaign> = rig.ask(&path).await;
        assert!(page.items.len() <= 2);
        names.extend(page.items.into_iter().map(|campaign| campaign.id));
        let Some(next) = page.next else { break };
        path = format!("/v1/history/campaigns?limit=2&after={next}");
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn the_timeline_counts_by_step_and_span() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 100).after(400).ask("summer", &as_str(&people(1, 3)));
    rig.history.after(700).ask("summer", &as_str(&people(4, 5))).after(60_000).ask("summer", &["late"]);
    rig.level().await;
    let ask = async |parameters: &str| {
        let path = format!("/v1/history/campaigns/summer/timeline{parameters}");
        let timeline: Timeline = rig.ask(&path).await;
        assert_eq!(timeline.campaign_id, "summer");
        let items: Vec<_> =
            timeline.items.iter().map(|bucket| (bucket.at.0.0 - OPENS.0, bucket.issued)).collect();
        (timeline.step_seconds, items)
    };
    let seconds = (1, vec![(0, 3), (1_000, 2), (61_000, 1)]);
    assert_eq!(ask("").await, seconds);
    assert_eq!(ask("?step=1s").await, seconds);
    // The campaign opens at 1970-01-01T00:16:40Z.
    assert_eq!(ask("?step=1m").await, (60, vec![(-40_000, 5), (20_000, 1)]));
    assert_eq!(ask("?step=1h").await, (3_600, vec![(-1_000_000, 6)]));
    assert_eq!(ask("?from=1970-01-01T00:16:41Z").await, (1, vec![(1_000, 2), (61_000, 1)]));
    let span = "?from=1970-01-01T00:16:40Z&to=1970-01-01T00:16:41.000Z";
    assert_eq!(ask(span).await, (1, vec![(0, 3)]));
}

#[tokio::test]
async fn the_document_names_every_route() {
    let rig = Rig::new().await;
    let response = rig.get(Role::Reader, "/openapi.json").await;
    assert_eq!(response.status(), StatusCode::OK);
    let document: serde_json::Value = serde_json::from_slice(&bytes(response).await).unwrap();
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for (path, method) in [
        ("/v1/history/campaigns", "get"),
        ("/v1/history/campaigns/{id}", "get"),
        ("/v1/history/campaigns/{id}/timeline", "get"),
        ("/v1/history/campaigns/{id}/coupons", "get"),
        ("/v1/history/campaigns/{id}/coupons.csv", "get"),
        ("/v1/history/campaigns/{id}/fingerprint", "get"),
        ("/v1/history/users/{id}/coupons", "get"),
        ("/v1/history/coupons/{code}", "get"),
        ("/v1/history/lag", "get"),
        ("/v1/history/dead-letters", "get"),
        ("/v1/history/dead-letters/{id}/replay", "post"),
        ("/v1/history/dead-letters/{id}", "delete"),
        ("/v1/history/live", "get"),
    ] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
}
