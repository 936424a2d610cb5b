//! Server-sent events that end when the service stops: a stream that goes on for hours must not hold a shutdown up.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

/// How long a stream may be silent; proxies close what is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A response of server-sent events that ends by itself when `shutdown` is cancelled: give it the token that
/// [`super::serve`] was given. The client sees the end of the stream and connects again, elsewhere.
pub fn sse<S, E>(shutdown: &CancellationToken, events: S) -> Response
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<axum::BoxError>,
{
    let events = events.take_until(shutdown.clone().cancelled_owned());
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    // nginx would otherwise collect events until a buffer is full.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];
    (unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response()
}
