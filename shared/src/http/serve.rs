//! Serving until told to stop, and stopping without cutting anybody off who can still be answered.

use std::future::IntoFuture;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests in flight may take to end after the shutdown began: longer than any request's deadline.
pub const DRAIN: Duration = Duration::from_secs(12);

/// Answers requests until `shutdown` is cancelled; then accepts no more, ends idle connections, and returns when the
/// requests in flight are answered, at the latest after [`DRAIN`]. Streams made by [`super::sse`] with the same token
/// end at once; a long download is cut off at the end of the drain.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    serve_draining(listener, router, shutdown, DRAIN).await
}

pub(super) async fn serve_draining(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // An answer is one small packet, and the next request waits for it.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY refused");
        }
    });
    let service = router.into_make_service();
    let stop = shutdown.clone().cancelled_owned();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop).into_future();
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = served => ended,
        () = overdue => {
            tracing::warn!(seconds = drain.as_secs_f64(), "some requests did not end in time and are cut off");
            Ok(())
        }
    }
}
