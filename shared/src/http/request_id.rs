//! A name for each request, so that a caller's report, the log's lines and what an operator did can be brought
//! together: it is answered with, and an operator's act carries it into the log and both projections.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::random_hex;

/// The header it is sent in, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

/// The name of a request, as an argument of its handler.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Printable ASCII; empty where no middleware has named the request.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let named = parts.headers.get(HEADER).cloned();
        Ok(Self(named.unwrap_or(const { HeaderValue::from_static("") })))
    }
}

/// Makes names that are new in this process, and all but surely in all others: randomness once, then a counter.
#[derive(Debug)]
pub(super) struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        Self { prefix: random_hex::<6>(), next: AtomicU64::new(1) }
    }

    /// The caller's name for the request when it is one, else a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(HEADER) {
            Some(sent) if is_id(sent.as_bytes()) => sent.clone(),
            _ => self.make(),
        }
    }

    fn make(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(self.prefix.len() + 12);
        let _ = write!(text, "{}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed));
        // Hexadecimal digits and a hyphen are a header's value.
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(const { HeaderValue::from_static("-") })
    }
}

fn is_id(text: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.iter().all(|byte| (b' '..=b'~').contains(byte))
}
