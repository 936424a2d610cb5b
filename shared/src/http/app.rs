//! A whole service from its own routes: with the routes that every service has, and the middleware around all.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use metrics::gauge;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::stack::{Access, DEADLINE, Stack, StackLayer};
use super::{Failure, Result, openapi};
use crate::auth::ApiKeys;
use crate::telemetry::{BUILD_INFO, MetricsHandle};
use crate::wire::{Code, Problem};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Whether a service can do its work now.
#[async_trait]
pub trait Readiness: Send + Sync + Debug {
    /// What is not ready, each with its reason in a few words; empty when all is. Asked at every probe: answer from
    /// what is known, or within a second.
    async fn not_ready(&self) -> Vec<String>;
}

/// What a service is, beside its routes.
#[derive(Clone, Debug)]
pub struct ServiceInfo {
    /// Its name, as the `OpenAPI` document and the metrics show it.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The keys it accepts; with none every caller is operator `local`, and requests of web pages are refused.
    pub keys: ApiKeys,
    /// Asked by `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// Shown by `/metrics`. From [`crate::telemetry::install_metrics`]: metrics must be installed before [`app`].
    pub metrics: MetricsHandle,
    /// How long a request may take until the head of its response; usually [`DEADLINE`].
    pub deadline: Duration,
}

impl ServiceInfo {
    /// A service with the usual deadline.
    pub fn new(
        name: &'static str,
        version: &'static str,
        keys: ApiKeys,
        readiness: Arc<dyn Readiness>,
        metrics: MetricsHandle,
    ) -> Self {
        Self { name, version, keys, readiness, metrics, deadline: DEADLINE }
    }
}

/// The finished service: `routes` (with their state, without a fallback of their own), `/healthz`, `/readyz`,
/// `/metrics`, `/openapi.json` and `/docs`, problems for unknown paths and methods, and the middleware around all.
/// Every route of `routes` needs a key when there are keys; the others are open.
pub fn app(routes: OpenApiRouter, info: ServiceInfo) -> Router {
    gauge!(BUILD_INFO, "service" => info.name, "version" => info.version).set(1.0);
    let stack = Stack::new(info.keys.clone(), info.deadline);
    let around = |access| StackLayer { stack: Arc::clone(&stack), access };

    let (keyed, collected) = routes.split_for_parts();
    let (open, mut common) = OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .split_for_parts();
    common.merge(collected);
    let document = openapi::complete(common, info.name, info.version);
    // The document is made of maps and text.
    let document = Bytes::from(document.to_json().unwrap_or_default());

    let open = open
        .route("/openapi.json", axum::routing::get(async move || ([(header::CONTENT_TYPE, JSON)], document)))
        .with_state(Arc::new(info))
        .merge(docs())
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(around(Access::Open));
    let keyed = keyed.method_not_allowed_fallback(wrong_method).layer(around(Access::Keyed));
    // With its state set a route is finished once, and not again for every connection.
    open.merge(keyed).with_state(())
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", tag = "service", security(()), responses((status = 200, description = "Alive")))]
async fn healthz() -> Response {
    let body = Bytes::from_static(br#"{"status":"ok"}"#);
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// Whether the service can do its work
#[utoipa::path(
    get, path = "/readyz", tag = "service", security(()),
    responses((status = 200, description = "Ready"), (status = 503, response = Problem))
)]
async fn readyz(State(info): State<Arc<ServiceInfo>>) -> Result<Response> {
    let missing = info.readiness.not_ready().await;
    if missing.is_empty() {
        let body = Bytes::from_static(br#"{"status":"ready"}"#);
        return Ok(([(header::CONTENT_TYPE, JSON)], body).into_response());
    }
    Err(Problem::new(Code::Unavailable, format!("Not ready: {}.", missing.join("; "))).into())
}

/// The metrics, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "service", security(()),
    responses((status = 200, description = "Prometheus text", content_type = "text/plain", body = String))
)]
async fn metrics(State(info): State<Arc<ServiceInfo>>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], info.metrics.render()).into_response()
}

fn docs() -> Router {
    // The validator's badge would be loaded from the internet.
    let config = Config::from("/openapi.json").validator_url("none");
    let docs: Router = SwaggerUi::new("/docs").config(config).into();
    docs.layer(map_response(async |response: Response| {
        let is_known = response.status() != StatusCode::NOT_FOUND;
        if is_known { response } else { unknown_path().await.into_response() }
    }))
}

async fn unknown_path() -> Failure {
    Problem::new(Code::NotFound, "There is nothing at this path; /docs shows what there is.").into()
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let detail = format!("{} is not possible at {}; see the Allow header.", method, uri.path());
    Problem::new(Code::MethodNotAllowed, detail).into()
}
