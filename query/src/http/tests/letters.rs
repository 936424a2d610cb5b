//! Dead letters over HTTP: seen, replayed, discarded, and never without a trace.

use std::time::Instant;

use axum::http::StatusCode;
use firstcome_shared::auth::Role;
use firstcome_shared::event::{Event, Message};
use firstcome_shared::event_log::Subject;
use firstcome_shared::telemetry::install_metrics;
use firstcome_shared::wire::{Code, DeadLetter, HistoryCampaign, Page, ProjectionView};

use super::{DEADLINE, Rig};
use crate::testing::{code, id};

const LIST: &str = "/v1/history/dead-letters";

/// Summer is parked at 3, winter is not.
async fn parked() -> Rig {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 9).create("winter", 9).poison("summer", "a");
    rig.history.ask("summer", &["b"]).ask("winter", &["w"]);
    rig.level().await;
    rig
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "not within the deadline: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn letters(rig: &Rig) -> Vec<DeadLetter> {
    rig.ask::<Page<DeadLetter>>(LIST).await.items
}

async fn issued(rig: &Rig, campaign: &str) -> u64 {
    rig.ask::<HistoryCampaign>(&format!("/v1/history/campaigns/{campaign}")).await.totals.issued
}

/// What operators did to summer's projections, as the log has it.
async fn acts(rig: &Rig) -> Vec<(String, String, String)> {
    let budget = firstcome_shared::event_log::Budget { messages: 100, bytes: 1 << 20 };
    let stored = rig.log.read(&Subject::uses(&id("summer")), 0, budget).await.unwrap();
    let entries = stored.iter().flat_map(|stored| Message::decode(&stored.payload).unwrap().entries);
    let act = |event| match event {
        Event::OperatorActed { actor, action, target } => (actor, action, target),
        other => panic!("{other:?}"),
    };
    entries.map(|entry| act(entry.event)).collect()
}

#[tokio::test]
async fn a_parked_campaign_is_listed_without_codes_and_others_go_on() {
    let rig = parked().await;
    let listed = letters(&rig).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.as_str(), listed[0].campaign_id.as_str()), ("0-3", "summer"));
    assert_eq!((listed[0].projection.as_str(), listed[0].attempts), ("read_model", 5));
    assert_eq!(listed[0].reason, "window 99 is not known");
    assert!(!listed[0].replaying);
    assert!(listed[0].message.contains("coupons_issued"), "{}", listed[0].message);
    assert!(!listed[0].message.contains(&code("summer", 1)), "{}", listed[0].message);
    assert_eq!((issued(&rig, "summer").await, issued(&rig, "winter").await), (0, 1));
    let lag: ProjectionView = rig.ask("/v1/history/lag").await;
    assert_eq!((lag.name.as_str(), lag.parked, lag.lag_events), ("read_model", 1, 0));
    assert_eq!(lag.positions, ["0-5".parse().unwrap()]);
}

/// The list shows the beginning, masked; an operator gets what stands in the log, whatever its length and bytes.
#[tokio::test]
async fn an_operator_downloads_the_message_byte_for_byte() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 9);
    rig.level().await;
    let garbled: Vec<u8> = (0..9_000_u32).map(|n| u8::try_from(n % 256).unwrap()).collect();
    let subject = Subject::decisions(&id("summer"));
    rig.log.append(&subject, 1, garbled.clone().into()).await.unwrap();
    let listed = until("parked", async || letters(&rig).await.pop()).await;
    assert_eq!((listed.id.as_str(), listed.message.chars().count()), ("0-2", 4_096));

    let response = rig.send(Role::Operator, "GET", &format!("{LIST}/0-2/message")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(bytes, garbled);
    let refused = rig.refused(Role::Issuer, "GET", &format!("{LIST}/0-2/message")).await;
    assert_eq!(refused.code, Code::Forbidden, "codes are money");
    for unknown in ["0-1", "1-2", "x"] {
        let refused = rig.refused(Role::Operator, "GET", &format!("{LIST}/{unknown}/message")).await;
        assert_eq!(refused.code, Code::DeadLetterNotFound, "{unknown}");
    }
}

#[tokio::test]
async fn a_replay_is_logged_and_tried() {
    let rig = parked().await;
    let response = rig.send(Role::Operator, "POST", "/v1/history/dead-letters/0-3/replay").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let expected = ("the-operator".to_owned(), "replay".to_owned(), "read_model 0-3".to_owned());
    assert_eq!(acts(&rig).await, [expected]);
    // The message is as bad as it was: parked again, once more tried.
    let again = until("tried again", async || {
        letters(&rig).await.into_iter().find(|letter| letter.attempts == 6 && !letter.replaying)
    });
    assert_eq!(again.await.id, "0-3");
}

#[tokio::test]
async fn a_discard_is_logged_and_brings_the_campaign_level() {
    let mut rig = parked().await;
    let response = rig.send(Role::Operator, "DELETE", "/v1/history/dead-letters/0-3").await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let expected = ("the-operator".to_owned(), "discard".to_owned(), "read_model 0-3".to_owned());
    assert_eq!(acts(&rig).await, [expected]);
    until("level", async || letters(&rig).await.is_empty().then_some(())).await;
    assert_eq!(issued(&rig, "summer").await, 1, "b's coupon; a's is the one that was discarded");
    // The operator's act took a place in the log.
    rig.history.acted("summer");
    rig.appended = rig.history.end();
    rig.history.ask("summer", &["c"]);
    rig.level().await;
    assert_eq!(issued(&rig, "summer").await, 2);
}

#[tokio::test]
async fn only_operators_act_and_only_on_what_is_there() {
    let rig = parked().await;
    for role in [Role::Reader, Role::Issuer] {
        let replay = rig.refused(role, "POST", "/v1/history/dead-letters/0-3/replay").await;
        let discard = rig.refused(role, "DELETE", "/v1/history/dead-letters/0-3").await;
        assert_eq!((replay.code, discard.code), (Code::Forbidden, Code::Forbidden));
    }
    for id in ["0-4", "1-3", "9999-3", "x", "0-99999999999999999999", "%00"] {
        let replay = rig.refused(Role::Operator, "POST", &format!("{LIST}/{id}/replay")).await;
        let discard = rig.refused(Role::Operator, "DELETE", &format!("{LIST}/{id}")).await;
        assert_eq!((replay.code, discard.code), (Code::DeadLetterNotFound, Code::DeadLetterNotFound), "{id}");
    }
    assert_eq!(acts(&rig).await, []);
    assert_eq!(letters(&rig).await.len(), 1);
}

#[tokio::test]
async fn the_metrics_tell_of_it() {
    let rig = parked().await;
    let (gauges, _comparison) = rig.query.measure();
    tokio::spawn(gauges);
    let metrics = install_metrics().unwrap();
    let shown = until("parked", async || {
        Some(metrics.render())
            .filter(|text| text.contains("firstcome_parked_campaigns{projection=\"read_model\"} 1"))
    });
    let shown = shown.await;
    for line in [
        "firstcome_consumer_position{projection=\"read_model\",partition=\"0\"} 5",
        "firstcome_lag_events{projection=\"read_model\"} 0",
        "firstcome_lag_seconds{projection=\"read_model\"} 0",
        "firstcome_dependency_up{dependency=\"read_model\",kind=\"sqlite\"} 1",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
}
