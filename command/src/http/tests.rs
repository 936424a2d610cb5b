//! What only the handlers do, asked as a client asks.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::http::{ServiceInfo, app};
use firstcome_shared::telemetry::install_metrics;
use firstcome_shared::wire::{CreateCampaign, Time};
use tower::ServiceExt;

use crate::service::Service;
use crate::testing::{Instance, World, one_off, until, within};

async fn ask(router: &Router, campaign: &str, body: &str) -> StatusCode {
    let request = Request::post(format!("/v1/campaigns/{campaign}/coupons"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    within("an answer", router.clone().oneshot(request)).await.unwrap().status()
}

fn router(service: &Arc<Service>) -> Router {
    let readiness = Arc::<Service>::clone(service);
    let info = ServiceInfo::new("command", "0", ApiKeys::default(), readiness, install_metrics().unwrap());
    app(super::routes(Arc::clone(service)), info)
}

/// Who was told to ask again, by campaign; while the campaign is shown.
fn unavailable(campaign: &str) -> Option<u64> {
    let series =
        format!("firstcome_issue_requests_total{{campaign=\"{campaign}\",outcome=\"unavailable\"}} ");
    let text = install_metrics().unwrap().render();
    text.lines().find_map(|line| line.strip_prefix(&series)).map(|count| count.parse().unwrap())
}

const ANN: &str = r#"{"user_id":"ann"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_no_answer_is_counted_though_no_lane_was_asked() {
    let world = World::new().await;
    let creator = world.instance().await;
    // Not due yet, so nobody opens its lane.
    let opens_at = one_off("counted", 5).opens_at.map(|at| Time(at.0.plus(1_800_000)));
    let later = CreateCampaign { opens_at, ..one_off("counted", 5) };
    creator.service.create(&later, "olga").await.unwrap();
    let Instance { service, gate, log, lifecycle } = world.instance().await;
    let service = Arc::new(service);
    let (gauges, _comparison) = service.measure();
    lifecycle.spawn("gauges", gauges);
    until("it is shown", || async { unavailable("counted") == Some(0) }).await;
    let router = router(&service);

    log.set_away(true);
    assert_eq!(ask(&router, "counted", ANN).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unavailable("counted"), Some(1), "its end is not known");
    log.set_away(false);
    gate.set_away(true);
    assert_eq!(ask(&router, "counted", ANN).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unavailable("counted"), Some(2), "its terms are not known");
    gate.set_away(false);
    assert_eq!(ask(&router, "counted", ANN).await, StatusCode::CONFLICT);
    assert_eq!(ask(&router, "counted", "{}").await, StatusCode::UNPROCESSABLE_ENTITY);

    gate.decides.shut();
    let asking = tokio::spawn(async move { ask(&router, "counted", ANN).await });
    gate.decides.somebody_waits().await;
    asking.abort();
    until("who hung up is counted", || async { unavailable("counted") == Some(3) }).await;
    gate.decides.open();

    log.set_away(true);
    let router = self::router(&service);
    assert_eq!(ask(&router, "anything", ANN).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unavailable("anything"), None, "any name may be asked for");
    lifecycle.shut_down().await;
}
