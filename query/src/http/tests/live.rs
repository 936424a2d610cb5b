//! The stream of what moves.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use firstcome_shared::auth::Role;
use firstcome_shared::position::Position;
use firstcome_shared::projection::{Claim, Remedy};
use firstcome_shared::wire::Live;
use http_body_util::BodyExt;

use super::{DEADLINE, Rig};

/// The next event, or `None` when the stream has ended.
async fn next(stream: &mut Response<Body>) -> Option<Live> {
    // All of it: what only keeps the stream alive comes for ever.
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        let frame = tokio::time::timeout_at(until, stream.body_mut().frame()).await.expect("in time")?;
        let data = frame.unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&data).unwrap();
        if let Some(json) = text.strip_prefix("data: ") {
            return Some(serde_json::from_str(json.trim_end()).unwrap());
        }
    }
}

#[tokio::test]
async fn it_tells_what_moves_coalesced_until_the_service_stops() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 100).create("winter", 100).ask("summer", &["before"]);
    rig.level().await;
    let mut stream = rig.get(Role::Reader, "/v1/history/live").await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let begun = Instant::now();
    let watching = tokio::spawn(async move {
        let mut told = BTreeMap::<String, Vec<u64>>::new();
        while !told.contains_key("winter") {
            let live = next(&mut stream).await.expect("the service goes on");
            told.entry(live.campaign_id).or_default().push(live.position.sequence);
        }
        (told, stream)
    });
    for person in 0..100 {
        rig.history.ask("summer", &[&format!("u-{person}")]);
        // One by one, so that each could be told of.
        rig.level().await;
    }
    rig.history.ask("winter", &["w"]);
    rig.level().await;
    let (told, mut stream) = watching.await.unwrap();
    let rounds = begun.elapsed().as_millis() / 200 + 2;
    let end = rig.appended;
    assert_eq!(told["winter"], [end]);
    assert!(
        told["summer"].is_sorted() && told["summer"].first() > Some(&3),
        "what moved after the request: {told:?}"
    );
    assert!(told["summer"].len() <= usize::try_from(rounds).unwrap(), "{rounds} rounds: {told:?}");
    // Both in one round, or winter's in the next: summer's last place is told of before.
    assert_eq!(told["summer"].last(), Some(&(end - 1)));
    rig.shutdown.cancel();
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn each_move_is_told() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 100);
    rig.level().await;
    let mut stream = rig.get(Role::Reader, "/v1/history/live").await;
    rig.history.ask("summer", &["a"]);
    rig.level().await;
    assert_eq!(next(&mut stream).await.unwrap().position.to_string(), "0-2");
    rig.history.ask("summer", &["b"]);
    rig.level().await;
    assert_eq!(next(&mut stream).await.unwrap().position.to_string(), "0-3");
}

/// Where a batch is not one transaction, a campaign may be written before another with a lower position.
#[tokio::test]
async fn a_campaign_that_is_written_late_is_told() {
    let mut rig = Rig::new().await;
    rig.history.create("summer", 100).create("winter", 100);
    let model = &rig.query.model;
    let token = model.claim(0, "elsewhere", rig.history.now, 10_000).await.unwrap().unwrap();
    let claim = Claim { partition: 0, token, log: rig.log.identity().to_owned() };
    model.apply(&claim, 0, &rig.history.deliveries, 2).await.unwrap();
    let mut stream = rig.get(Role::Reader, "/v1/history/live").await;
    let mut moves = async |campaign: &str, sequence: u32| {
        let sql = "UPDATE campaign SET sequence = ?2 WHERE id = ?1";
        sqlx::query(sql).bind(campaign).bind(sequence).execute(&rig.by_hand().await).await.unwrap();
        let told = next(&mut stream).await.expect("the service goes on");
        assert_eq!((told.campaign_id.as_str(), told.position), (campaign, Position::new(0, sequence.into())));
    };
    moves("summer", 9).await;
    moves("winter", 8).await;
    model.apply(&claim, 2, &[], 9).await.unwrap();
    moves("winter", 10).await;
}

#[tokio::test]
async fn a_campaign_that_is_replayed_is_told() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 9).create("winter", 9).poison("summer", "a").ask("summer", &["b"]);
    rig.history.ask("winter", &["w"]);
    rig.level().await;
    let mut stream = rig.get(Role::Reader, "/v1/history/live").await;
    assert!(rig.query.model.request(Position::new(0, 3), Remedy::Discard).await.unwrap());
    let told = next(&mut stream).await.unwrap();
    assert_eq!((told.campaign_id.as_str(), told.position), ("summer", Position::new(0, 4)));
}
