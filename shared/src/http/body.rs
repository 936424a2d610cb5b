//! Reading a request's body, never more of it than is allowed.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::BytesMut;
use http_body_util::BodyExt;

use crate::wire::{Code, Problem};

/// The largest body a request may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How much of a refused body is read and thrown away. A client that is still sending when the connection closes
/// may lose the answer, so a body that is not wildly too large is heard out.
const MAX_DRAINED_BYTES: usize = 4 * 1024 * 1024;
const MAX_DRAINING: Duration = Duration::from_secs(2);

/// Whether the body says of itself that it is too large.
pub(super) fn says_too_large(body: &Body) -> bool {
    body.size_hint().lower() > MAX_BODY_BYTES as u64
}

/// 413.
pub(super) fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge, format!("A request's body may have {MAX_BODY_BYTES} bytes."))
}

/// The whole body. The usual one arrives in one piece, which is passed on as it is.
pub(super) async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(Code::MalformedRequest, "The connection broke before the body was complete.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + pieces.len() + data.len() > MAX_BODY_BYTES {
            drain_body(body).await;
            return Err(too_large());
        }
        if whole.is_empty() && pieces.is_empty() {
            whole = data;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}

/// Reads a request's body and throws it away, within limits; not when the client waits to be told to send it.
pub(super) async fn drain(request: Request) {
    if !request.headers().contains_key(header::EXPECT) {
        drain_body(request.into_body()).await;
    }
}

async fn drain_body(mut body: Body) {
    let draining = async {
        let mut drained = 0;
        while let Some(Ok(frame)) = body.frame().await {
            drained += frame.data_ref().map_or(0, Bytes::len);
            if drained > MAX_DRAINED_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(MAX_DRAINING, draining).await;
}
