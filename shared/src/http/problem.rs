//! Problems as responses. A handler returns [`Result`]: what it refuses is a [`Problem`], and what failed carries its
//! cause, which the middleware logs once and the caller never sees.

use std::fmt;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::wire::{Code, Problem};

/// The media type of a problem.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// What a handler returns: `?` works on a `Result` whose error is a [`Problem`] too.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A problem on its way out, and why. Boxed, because a handler carries it in every result and needs it in few.
#[derive(Debug)]
pub struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    cause: Option<String>,
}

/// Left in a response of 500 and above for the middleware, which logs it with the request's id.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) detail: String,
    pub(super) cause: Option<String>,
}

impl Failure {
    /// 500: a bug. The caller is told nothing of the cause; it is logged.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let detail = "The service failed; its log says why, under the x-request-id of this answer.";
        Self::from(Problem::new(Code::Internal, detail)).because(cause)
    }

    /// 503: not decided, or its outcome unknown; safe to repeat. The cause is logged and not told.
    pub fn unavailable(detail: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::from(Problem::new(Code::Unavailable, detail)).because(cause)
    }

    /// The same problem, with a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// What the caller is told.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, cause: None }))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Inner { problem, cause } = *self.0;
        tell(&problem, cause)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        tell(&self, None)
    }
}

/// A problem's document, for [`written`]: what everybody is told alike is written once.
pub fn document(problem: &Problem) -> Bytes {
    // A problem holds text, numbers and lists of them: there is nothing in it that JSON cannot say.
    serde_json::to_vec(problem).unwrap_or_default().into()
}

/// The response that tells the [`document`] of a problem below 500, which has no headers of its own.
pub fn written(code: Code, document: Bytes) -> Response {
    respond(code.status(), document)
}

fn respond(status: u16, document: Bytes) -> Response {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

fn tell(problem: &Problem, cause: Option<String>) -> Response {
    let mut response = respond(problem.status, document(problem));
    let headers = response.headers_mut();
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if response.status().is_server_error() {
        let fault = Fault { code: problem.code, detail: problem.detail.clone(), cause };
        response.extensions_mut().insert(fault);
    }
    response
}
