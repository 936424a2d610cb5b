//! A service that is nothing but plumbing, and what the tests ask of it.

mod common_routes;
mod connections;
mod extractors;
mod logging;
mod refusals;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use axum::response::sse::Event;
use futures::stream;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Failure, Json, Path, Query, Readiness, Result, ServiceInfo, app, sse};
use crate::auth::{ApiKeys, Caller, Issuer, Operator, Reader, Role};
use crate::telemetry::install_metrics;
use crate::wire::Problem;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    stock: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    #[serde(default)]
    limit: Option<u32>,
    from: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Plumbing {
    shutdown: CancellationToken,
    ready: Arc<AtomicBool>,
    /// Told when a request hangs.
    hanging: Arc<Notify>,
}

#[async_trait]
impl Readiness for Plumbing {
    async fn not_ready(&self) -> Vec<String> {
        if self.ready.load(Ordering::SeqCst) {
            Vec::new()
        } else {
            vec!["log: away".into(), "gate: away".into()]
        }
    }
}

#[utoipa::path(get, path = "/v1/things", responses((status = 200, body = String)))]
async fn read(Reader(caller): Reader, Query(query): Query<PageQuery>) -> String {
    format!("{} {} {:?} {:?}", caller.name, caller.role, query.limit, query.from)
}

#[utoipa::path(post, path = "/v1/things", responses((status = 201, body = Thing), (status = 409, response = Problem)))]
async fn make(Issuer(_): Issuer, Json(thing): Json<Thing>) -> Result<(StatusCode, Json<Thing>)> {
    if thing.name.is_empty() {
        Err(Problem::invalid("name", "A name has 1 to 9 letters."))?;
    }
    Ok((StatusCode::CREATED, Json(thing)))
}

#[utoipa::path(delete, path = "/v1/things", responses((status = 200, body = String)))]
async fn remove(Operator(caller): Operator) -> String {
    caller.name.to_string()
}

#[utoipa::path(get, path = "/v1/things/{number}", responses((status = 200, body = String)))]
async fn one(caller: Caller, Path(number): Path<u64>) -> String {
    format!("{} {number}", caller.name)
}

#[utoipa::path(get, path = "/v1/named/{one}/{two}", responses((status = 200, body = String)))]
async fn named(Path((one, two)): Path<(String, u8)>) -> String {
    format!("{one} {two}")
}

#[utoipa::path(get, path = "/v1/panics", responses((status = 200)))]
async fn panics() -> String {
    panic!("the secret of the panic");
}

#[utoipa::path(get, path = "/v1/fails", responses((status = 200)))]
async fn fails() -> Result<()> {
    Err(Failure::unavailable("The log cannot be reached.", "the secret of the failure"))
}

#[utoipa::path(get, path = "/v1/hangs", responses((status = 200)))]
async fn hangs(State(plumbing): State<Plumbing>) {
    plumbing.hanging.notify_one();
    std::future::pending::<()>().await;
}

#[utoipa::path(get, path = "/v1/events", responses((status = 200)))]
async fn events(State(plumbing): State<Plumbing>) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(Event::default().data("first"))]);
    sse(&plumbing.shutdown, futures::StreamExt::chain(first, stream::pending()))
}

#[utoipa::path(get, path = "/v1/downloads", responses((status = 200)))]
async fn downloads() -> Body {
    let first = stream::iter([Ok::<_, Infallible>("first")]);
    Body::from_stream(futures::StreamExt::chain(first, stream::pending()))
}

impl Plumbing {
    fn routes(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(read, make, remove))
            .routes(routes!(one))
            .routes(routes!(named))
            .routes(routes!(panics))
            .routes(routes!(fails))
            .routes(routes!(hangs))
            .routes(routes!(events))
            .routes(routes!(downloads))
            .with_state(self.clone())
    }

    fn router(&self, keys: ApiKeys) -> Router {
        let readiness = Arc::new(self.clone());
        let info = ServiceInfo::new("plumbing", "1.2.3", keys, readiness, install_metrics().unwrap());
        // Far more than an answer takes on a busy machine; a test of the deadline waits for it.
        app(self.routes(), ServiceInfo { deadline: Duration::from_secs(5), ..info })
    }
}

/// One key of each role.
fn keys() -> (ApiKeys, [String; 3]) {
    let new = [Role::Reader, Role::Issuer, Role::Operator]
        .map(|role| ApiKeys::generate(role.as_str(), role).unwrap());
    let setting = new.iter().map(|new| new.entry.as_str()).collect::<Vec<_>>().join(",");
    (setting.parse().unwrap(), new.map(|new| new.key))
}

fn open() -> Router {
    Plumbing::default().router(ApiKeys::none())
}

/// What came back; a JSON body is read.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl Answer {
    /// Holds the whole of what every problem must have against the answer.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!((&self.json["status"], &self.json["type"]), (&status.into(), &"about:blank".into()));
        assert!(self.json["title"].is_string() && self.json["detail"].is_string(), "{}", self.text);
        assert!(self.headers.contains_key("x-request-id"));
        self
    }

    #[track_caller]
    fn names_field(&self, field: &str, detail: &str) {
        assert_eq!(self.json["field"], field, "{}", self.text);
        assert!(self.json["detail"].as_str().unwrap().contains(detail), "{}", self.text);
    }
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap()
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(router, request("GET", path, headers, Body::empty())).await
}

async fn post(router: &Router, body: impl Into<Body>) -> Answer {
    ask(router, request("POST", "/v1/things", &[("content-type", "application/json")], body)).await
}
