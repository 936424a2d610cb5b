//! Counting and timing requests. One of these stands in every route, so that after a route's first request counting
//! is two atomic operations, without a look-up of names.

use std::array;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

use crate::telemetry::{HTTP_REQUEST_DURATION_SECONDS, HTTP_REQUESTS_TOTAL};

/// What a request that met no route is counted under: its path is the caller's invention.
const UNMATCHED: &str = "unmatched";

/// The statuses that this service answers with; others are counted too, more slowly.
const STATUSES: [u16; 20] =
    [200, 201, 202, 204, 303, 304, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503, 504, 101];

/// The metrics of one method of one route, known from its first request on.
#[derive(Debug, Default)]
pub(super) struct RouteMetrics(OnceLock<Series>);

/// Handles for one route and method.
#[derive(Debug)]
struct Series {
    route: Arc<str>,
    method: &'static str,
    seconds: Histogram,
    by_status: [OnceLock<Counter>; STATUSES.len()],
}

impl RouteMetrics {
    /// Learns the route from its first request.
    pub(super) fn meet(&self, request: &Request) {
        self.0.get_or_init(|| {
            let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
            Series::new(route.into(), method_label(request.method()))
        });
    }

    /// The route's template, such as `/v1/campaigns/{id}`: what is safe to log, since paths name people.
    pub(super) fn route(&self) -> &str {
        self.0.get().map_or(UNMATCHED, |series| &series.route)
    }

    /// Counts one request, after [`Self::meet`].
    pub(super) fn record(&self, method: &Method, status: StatusCode, took: Duration) {
        let Some(series) = self.0.get() else { return };
        let method = method_label(method);
        if method == series.method {
            series.record(status, took);
        } else {
            // HEAD beside GET, or any method where none is allowed.
            Series::new(Arc::clone(&series.route), method).record(status, took);
        }
    }
}

impl Series {
    fn new(route: Arc<str>, method: &'static str) -> Self {
        let seconds =
            histogram!(HTTP_REQUEST_DURATION_SECONDS, "route" => Arc::clone(&route), "method" => method);
        Self { route, method, seconds, by_status: array::from_fn(|_| OnceLock::new()) }
    }

    fn record(&self, status: StatusCode, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        let place = STATUSES.iter().position(|known| *known == status.as_u16());
        match place.and_then(|place| self.by_status.get(place)) {
            Some(known) => known.get_or_init(|| self.counter(status)).increment(1),
            None => self.counter(status).increment(1),
        }
    }

    fn counter(&self, status: StatusCode) -> Counter {
        let route = Arc::clone(&self.route);
        counter!(HTTP_REQUESTS_TOTAL, "route" => route, "method" => self.method, "status" => status.as_str().to_owned())
    }
}

/// Only the methods that exist: a caller may send any word, and every word would be a series for ever.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
