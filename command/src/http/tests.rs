//! What only the handlers do, asked as a client asks.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use firstcome_shared::auth::ApiKeys;
use firstcome_shared::http::{ServiceInfo, app};
use firstcome_shared::telemetry::install_metrics;
use firstcome_shared::wire::{Code, CreateCampaign, Problem, Time};
use tower::ServiceExt;

use crate::service::Service;
use crate::testing::{Instance, World, one_off, until, within};

async fn send(router: &Router, method: Method, path: &str, body: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/campaigns/{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    within("an answer", router.clone().oneshot(request)).await.unwrap()
}

async fn ask(router: &Router, campaign: &str, body: &str) -> StatusCode {
    send(router, Method::POST, &format!("{campaign}/coupons"), body).await.status()
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

/// "Sold out" is written once for each stock: whoever comes is told of the one that there is now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_too_late_is_told_how_many_there_were() {
    let (_world, instance) = World::with_summer(1).await;
    let router = router(&Arc::new(instance.service));
    assert_eq!(ask(&router, "summer", ANN).await, StatusCode::CREATED);
    for stock in [1, 2] {
        for late in ["late", "later"] {
            let body = format!(r#"{{"user_id":"{late}"}}"#);
            let response = send(&router, Method::POST, "summer/coupons", &body).await;
            assert_eq!(response.status(), StatusCode::CONFLICT);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let document = to_bytes(response.into_body(), 1 << 16).await.unwrap();
            let detail = format!("All {stock} coupons of summer are taken.");
            assert_eq!(
                serde_json::from_slice::<Problem>(&document).unwrap(),
                Problem::new(Code::SoldOut, detail)
            );
        }
        let more = format!(r#"{{"stock":{}}}"#, stock + 1);
        assert_eq!(send(&router, Method::PATCH, "summer", &more).await.status(), StatusCode::OK);
        let next = format!(r#"{{"user_id":"in-time-{stock}"}}"#);
        assert_eq!(ask(&router, "summer", &next).await, StatusCode::CREATED);
    }
}
