//! The middleware, as one layer around every route: name the request, refuse what may not come in, hold the handler
//! to its deadline, catch its panic, count and time it, and log what failed. One layer, because each one would cost
//! every request its own allocations, and because the order of these steps is one decision.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{Gauge, gauge};
use tower::{Layer, Service};

use super::problem::{Failure, Fault};
use super::request_id::{self, RequestIds};
use super::requests::RouteMetrics;
use super::throttle::Throttle;
use super::{body, foreign};
use crate::auth::{ApiKeys, Caller, unauthenticated};
use crate::telemetry::HTTP_REQUESTS_IN_FLIGHT;
use crate::wire::{Code, Problem};

/// How long a request may take until the head of its response; streams may go on after it.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Lines a second about requests that failed. When the log is away every request fails, and writing tens of thousands
/// of equal lines a second would be a fault of its own.
const LINES_PER_SECOND: u32 = 20;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody who reaches the service.
    Open,
    /// Whoever has a key, when there are keys.
    Keyed,
}

/// What all routes of a service share.
pub(super) struct Stack {
    keys: ApiKeys,
    local: Caller,
    deadline: Duration,
    ids: RequestIds,
    throttle: Throttle,
    in_flight: Gauge,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// One request that is not answered yet, also when its caller hangs up.
struct InFlight(Arc<Stack>);

impl InFlight {
    fn new(stack: &Arc<Stack>) -> Self {
        stack.in_flight.increment(1);
        Self(Arc::clone(stack))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.decrement(1);
    }
}

impl Stack {
    pub(super) fn new(keys: ApiKeys, deadline: Duration) -> Arc<Self> {
        let throttle = Throttle::new(LINES_PER_SECOND);
        let in_flight = gauge!(HTTP_REQUESTS_IN_FLIGHT);
        Arc::new(Self { keys, local: Caller::local(), deadline, ids: RequestIds::new(), throttle, in_flight })
    }

    /// Refuses the request, or leaves its [`Caller`] with it.
    fn admit(&self, access: Access, request: &mut Request) -> Result<(), Failure> {
        let caller = if self.keys.is_empty() {
            foreign::refuse(request.uri(), request.headers())?;
            &self.local
        } else if access == Access::Open {
            return Ok(());
        } else {
            self.caller(request)?
        };
        if access == Access::Keyed {
            request.extensions_mut().insert(caller.clone());
        }
        Ok(())
    }

    fn caller(&self, request: &Request) -> Result<&Caller, Failure> {
        let Some(sent) = request.headers().get(header::AUTHORIZATION) else {
            return Err(unauthenticated("This needs an API key.").into());
        };
        sent.to_str()
            .ok()
            .and_then(|sent| sent.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, key)| self.keys.find(key.trim()))
            .ok_or_else(|| unauthenticated("This API key is not known.").into())
    }

    async fn run(&self, handler: impl Future<Output = Result<Response, Infallible>>) -> Response {
        let handler = AssertUnwindSafe(handler).catch_unwind();
        match tokio::time::timeout(self.deadline, handler).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(panic)) => Failure::internal(panic_text(panic.as_ref())).into_response(),
            Err(_) => {
                let detail = format!(
                    "No answer within {} s: the outcome is unknown, and it is safe to repeat the request.",
                    self.deadline.as_secs_f64()
                );
                Problem::new(Code::Unavailable, detail).into_response()
            }
        }
    }

    /// One line for a response of 500 and above. The route's template and not its path, which may name a person.
    fn log(&self, response: &mut Response, method: &str, route: &str) {
        let fault = response.extensions_mut().remove::<Fault>();
        let Some(unlogged) = self.throttle.pass() else { return };
        let status = response.status().as_u16();
        let id = response.headers().get(request_id::HEADER).and_then(|id| id.to_str().ok());
        let code = fault.as_ref().map(|fault| fault.code);
        let detail = fault.as_ref().map(|fault| fault.detail.as_str());
        let cause = fault.as_ref().and_then(|fault| fault.cause.as_deref());
        match code {
            Some(Code::NotYet) => {
                tracing::debug!(id, method, route, status, detail, cause, unlogged, "request not answered");
            }
            Some(Code::Unavailable) => {
                tracing::warn!(id, method, route, status, detail, cause, unlogged, "request not answered");
            }
            _ => tracing::error!(id, method, route, status, ?code, detail, cause, unlogged, "request failed"),
        }
    }
}

/// Puts the [`Stack`] around routes.
#[derive(Clone, Debug)]
pub(super) struct StackLayer {
    pub(super) stack: Arc<Stack>,
    pub(super) access: Access,
}

impl<S> Layer<S> for StackLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        // The router calls this once for each method of each route: so each has its own metrics.
        Guarded { inner, stack: Arc::clone(&self.stack), access: self.access, metrics: Arc::default() }
    }
}

/// One route within the [`Stack`].
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    stack: Arc<Stack>,
    access: Access,
    metrics: Arc<RouteMetrics>,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let (in_flight, metrics) = (InFlight::new(&self.stack), Arc::clone(&self.metrics));
        let stack = &self.stack;
        let id = stack.ids.of(request.headers());
        // Where a handler finds it: RequestId.
        request.headers_mut().insert(request_id::HEADER, id.clone());
        let method = request.method().clone();
        metrics.meet(&request);
        let admitted = stack.admit(self.access, &mut request);
        let handler = match admitted {
            Ok(()) if body::says_too_large(request.body()) => Err((body::too_large().into(), Some(request))),
            Ok(()) => Ok(self.inner.call(request)),
            Err(failure) => Err((failure, None)),
        };
        Box::pin(async move {
            let stack = &in_flight.0;
            let mut response = match handler {
                Ok(handler) => stack.run(handler).await,
                Err((failure, unread)) => {
                    if let Some(request) = unread {
                        body::drain(request).await;
                    }
                    failure.into_response()
                }
            };
            let (status, took) = (response.status(), started.elapsed());
            metrics.record(&method, status, took);
            if tracing::enabled!(tracing::Level::DEBUG) {
                let (id, status) = (id.to_str().ok(), status.as_u16());
                let milliseconds = took.as_secs_f64() * 1_000.0;
                tracing::debug!(id, %method, route = metrics.route(), status, milliseconds, "request answered");
            }
            response.headers_mut().insert(request_id::HEADER, id);
            if status.is_server_error() {
                stack.log(&mut response, method.as_str(), metrics.route());
            }
            Ok(response)
        })
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("no message"))
}
