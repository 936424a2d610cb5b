//! JSON in and out. A body is parsed by the fastest way; only when that refuses it, it is parsed a second time to find
//! out which field was wrong.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::params::refused_field;
use super::{Failure, body};
use crate::wire::{Code, Problem};

/// A JSON body, of a request or of a response.
///
/// A request is refused with a problem: 415 unless it says `application/json`, 413 above
/// [`super::MAX_BODY_BYTES`], 400 when it is not JSON, 422 with the field when it is not a `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let says_json = says_json(request.headers());
        // Nothing but the body is kept while it is read.
        let body = request.into_body();
        if !says_json {
            let detail = "The body must be JSON, sent with `Content-Type: application/json`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail).into());
        }
        let bytes = body::collect(body).await?;
        let body = serde_json::from_slice(&bytes).map_err(|error| explain::<T>(&bytes, &error))?;
        // A list of the fields' values in order would be read as well, and `["u-1"]` would use up a coupon.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            let detail = "The body is not valid: expected a JSON object.";
            return Err(Problem::new(Code::InvalidRequest, detail).into());
        }
        Ok(Self(body))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    const JSON: &[u8] = b"application/json";
    let Some(said) = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    said.split_at_checked(JSON.len()).is_some_and(|(media_type, parameters)| {
        media_type.eq_ignore_ascii_case(JSON) && matches!(parameters.first(), None | Some(b';' | b' '))
    })
}

fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    if !error.is_data() {
        return Problem::new(Code::MalformedRequest, format!("The body is not JSON: {message}."));
    }
    // axum's own extractor keeps track of the path, which the first attempt is too fast for.
    let path = match axum::Json::<T>::from_bytes(bytes) {
        Ok(_) => String::new(),
        Err(rejection) => {
            let text = rejection.body_text();
            let before = text.strip_suffix(&message).unwrap_or_default().trim_end_matches(": ");
            before.split_once(": ").map_or_else(String::new, |(_, path)| path.to_owned())
        }
    };
    let problem = Problem::new(Code::InvalidRequest, format!("The body is not valid: {message}."));
    Problem { field: refused_field(&path, &message), ..problem }
}
