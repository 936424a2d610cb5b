//! What is wrong with a request is said, by a stable code and with the field; and never by a 500.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use firstcome_shared::auth::Role;
use firstcome_shared::projection::Claim;
use firstcome_shared::wire::{Code, HistoryCampaign, ProjectionView};

use super::{DEADLINE, Rig};

const CAMPAIGN: &str = "/v1/history/campaigns/summer";

#[tokio::test]
async fn bad_parameters_are_named() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 10).ask("summer", &["a"]);
    rig.level().await;
    let long = format!("/v1/history/users/{}/coupons", "x".repeat(129));
    let cases: Vec<(String, &str)> = [
        ("/v1/history/campaigns?limit=0", "limit"),
        ("/v1/history/campaigns?limit=1001", "limit"),
        ("/v1/history/campaigns?limit=many", "limit"),
        ("/v1/history/campaigns?after=Not%20A%20Name", "after"),
        ("/v1/history/campaigns?colour=red", "colour"),
        ("/v1/history/campaigns/summer?colour=red", "colour"),
        ("/v1/history/users/a%0Ab/coupons", "user_id"),
        (&long, "user_id"),
        ("/v1/history/users/a/coupons?after=1", "after"),
        ("/v1/history/users/a/coupons?limit=-1", "limit"),
        ("/v1/history/lag?colour=red", "colour"),
        ("/v1/history/dead-letters?colour=red", "colour"),
        ("/v1/history/coupons/X?colour=red", "colour"),
    ]
    .map(|(path, field)| (path.to_owned(), field))
    .into_iter()
    .chain(
        [
            ("/coupons?after=x", "after"),
            ("/coupons?after=-1", "after"),
            ("/coupons?after=99999999999999999999", "after"),
            ("/coupons?order=up", "order"),
            ("/coupons?limit=0", "limit"),
            ("/coupons.csv?limit=5", "limit"),
            ("/timeline?step=1d", "step"),
            ("/timeline?from=yesterday", "from"),
            ("/timeline?from=1970-01-02T00:00:00Z&to=1970-01-01T00:00:00Z", "to"),
            ("/fingerprint?from=-1", "from"),
            ("/fingerprint?rows=perhaps", "rows"),
            ("/fingerprint?upto=x", "upto"),
            ("/fingerprint?upto=1-1", "upto"),
        ]
        .map(|(path, field)| (format!("{CAMPAIGN}{path}"), field)),
    )
    .collect();
    for (path, field) in cases {
        let problem = rig.refused(Role::Reader, "GET", &path).await;
        assert_eq!(problem.code, Code::InvalidRequest, "{path}: {}", problem.detail);
        assert_eq!(problem.field.as_deref(), Some(field), "{path}: {}", problem.detail);
    }
}

#[tokio::test]
async fn a_campaign_that_is_not_there_is_not_found() {
    let mut rig = Rig::new().await;
    rig.read();
    rig.history.create("summer", 10);
    rig.level().await;
    for name in ["winter", "Not%20A%20Name", "%00", "..", "%F0%9F%8D%95"] {
        for rest in ["", "/timeline", "/coupons", "/coupons.csv", "/fingerprint"] {
            let path = format!("/v1/history/campaigns/{name}{rest}");
            let problem = rig.refused(Role::Reader, "GET", &path).await;
            assert_eq!(problem.code, Code::CampaignNotFound, "{path}");
        }
    }
}

#[tokio::test]
async fn whoever_has_no_key_sees_nothing() {
    use tower::ServiceExt;
    let rig = Rig::new().await;
    for path in ["/v1/history/campaigns", "/v1/history/live", "/v1/history/lag"] {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = rig.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let problem = rig.refused(Role::Reader, "POST", "/v1/history/campaigns").await;
    assert_eq!(problem.code, Code::MethodNotAllowed);
}

#[tokio::test]
async fn a_store_that_is_away_is_503_everywhere() {
    let mut rig = Rig::new().await;
    rig.history.create("summer", 10).ask("summer", &["a"]);
    rig.append().await;
    assert_eq!(rig.query.not_ready().await, Vec::<String>::new());
    rig.break_store().await;
    for rest in ["", "/timeline", "/coupons", "/coupons.csv", "/fingerprint"] {
        let problem = rig.refused(Role::Reader, "GET", &format!("{CAMPAIGN}{rest}")).await;
        assert_eq!((problem.code, problem.retry_after_seconds), (Code::Unavailable, Some(1)), "{rest}");
        assert!(!problem.detail.contains("table"), "{}", problem.detail);
    }
    for (method, path) in [
        ("GET", "/v1/history/campaigns"),
        ("GET", "/v1/history/users/u-1/coupons"),
        ("GET", "/v1/history/coupons/X"),
        ("GET", "/v1/history/dead-letters"),
        ("GET", "/v1/history/live"),
        ("GET", "/v1/history/lag?at_least=0-1"),
        ("POST", "/v1/history/dead-letters/0-1/replay"),
        ("DELETE", "/v1/history/dead-letters/0-1"),
    ] {
        let problem = rig.refused(Role::Operator, method, path).await;
        assert_eq!(problem.code, Code::Unavailable, "{method} {path}");
    }
    let missing = rig.query.not_ready().await;
    assert!(missing.len() == 1 && missing[0].starts_with("read_model is unavailable"), "{missing:?}");
    let ready = rig.refused(Role::Reader, "GET", "/readyz").await;
    assert_eq!(ready.code, Code::Unavailable);
}

#[tokio::test]
async fn a_log_that_forgot_is_not_ready_and_history_goes_on() {
    let mut rig = Rig::new().await;
    rig.history.create("summer", 10);
    rig.append().await;
    let model = &rig.query.model;
    let token = model.claim(0, "before", rig.history.now, 0).await.unwrap().unwrap();
    let claim = Claim { partition: 0, token, log: "another".to_owned() };
    model.apply(&claim, 0, &rig.history.deliveries, 1).await.unwrap();
    rig.read();
    let begun = Instant::now();
    while rig.query.not_ready().await.is_empty() {
        assert!(begun.elapsed() < DEADLINE, "it does not notice");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let missing = rig.query.not_ready().await;
    let expected = format!("read_model was read from log another, but this is log {}", rig.log.identity());
    assert_eq!(missing, [expected]);
    let lag: ProjectionView = rig.ask("/v1/history/lag").await;
    assert_eq!(lag.stalled.as_ref(), missing.first());
    let known: HistoryCampaign = rig.ask(CAMPAIGN).await;
    assert_eq!(known.id, "summer");
}
