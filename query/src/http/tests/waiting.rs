//! `at_least`: read your own write.

use std::time::Duration;

use axum::http::StatusCode;
use firstcome_shared::auth::Role;
use firstcome_shared::projection::Claim;
use firstcome_shared::wire::{Code, HistoryCampaign};

use super::Rig;

/// Every route that can be asked to wait, for a campaign `summer` that does not exist yet.
const ROUTES: [&str; 9] = [
    "/v1/history/campaigns",
    "/v1/history/campaigns/summer",
    "/v1/history/campaigns/summer/timeline",
    "/v1/history/campaigns/summer/coupons",
    "/v1/history/campaigns/summer/coupons.csv",
    "/v1/history/campaigns/summer/fingerprint",
    "/v1/history/users/u-1/coupons",
    "/v1/history/lag",
    "/v1/history/dead-letters",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_waits_for_the_position_and_then_sees_it() {
    let mut rig = Rig::new().await;
    rig.history.create("summer", 10);
    let end = format!("0-{}", rig.history.end());
    let waiting = ROUTES.map(|route| rig.get_later(&format!("{route}?at_least={end}")));
    rig.append().await;
    assert!(waiting.iter().all(|answer| !answer.is_finished()), "nobody has read it yet");
    rig.read();
    for (route, answer) in ROUTES.iter().zip(waiting) {
        assert_eq!(answer.await.unwrap(), StatusCode::OK, "{route}");
    }
    let seen: HistoryCampaign = rig.ask("/v1/history/campaigns/summer").await;
    assert_eq!(seen.position.to_string(), end);
}

impl Rig {
    fn get_later(&self, path: &str) -> tokio::task::JoinHandle<StatusCode> {
        use tower::ServiceExt;
        let request = axum::http::Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {}", self.keys[0].1))
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = self.router.clone().oneshot(request);
        tokio::spawn(async move { answer.await.unwrap().status() })
    }
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    let mut rig = Rig::patient(Duration::from_millis(50)).await;
    rig.history.create("summer", 10);
    rig.append().await;
    for route in ROUTES {
        let problem = rig.refused(Role::Reader, "GET", &format!("{route}?at_least=0-1")).await;
        assert_eq!((problem.code, problem.status), (Code::NotYet, 504), "{route}");
    }
    let coupon = rig.refused(Role::Reader, "GET", "/v1/history/coupons/X?at_least=0-1").await;
    assert_eq!(coupon.code, Code::NotYet);
}

#[tokio::test]
async fn the_progress_of_another_process_counts_too() {
    let mut rig = Rig::new().await;
    rig.history.create("summer", 10);
    rig.append().await;
    let waiting = rig.get_later("/v1/history/campaigns/summer?at_least=0-1");
    // No reader here: somebody else applies the message.
    let model = &rig.query.model;
    let token = model.claim(0, "elsewhere", rig.history.now, 10_000).await.unwrap().unwrap();
    let claim = Claim { partition: 0, token, log: rig.log.identity().to_owned() };
    model.apply(&claim, 0, &rig.history.deliveries, 1).await.unwrap();
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_position_that_is_none_is_refused() {
    let rig = Rig::new().await;
    for route in ROUTES {
        for bad in ["", "1", "0-", "x-1", "0-1-1", "1-1", "0-99999999999999999999"] {
            let problem = rig.refused(Role::Reader, "GET", &format!("{route}?at_least={bad}")).await;
            assert_eq!(problem.code, Code::InvalidRequest, "{route} {bad}");
            assert_eq!(problem.field.as_deref(), Some("at_least"), "{route} {bad}");
        }
    }
}
