//! Parameters of the path and of the query, refused with a problem that names the one that was wrong.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path as AxumPath, Query as AxumQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::wire::{Code, Problem};

/// The parameters of the query. Refused with 422 and the parameter's name; give the type
/// `#[serde(deny_unknown_fields)]`, so that a misspelt one is not ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

/// The parameters of the path. One that cannot be read as its type is refused with 422.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let AxumQuery(parameters) = AxumQuery::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = rejection.body_text();
            let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
            let (path, message) = match said.split_once(": ") {
                Some((path, message)) if !path.contains(' ') => (path, message),
                _ => ("", said),
            };
            let problem = Problem::new(Code::InvalidRequest, format!("The query is not valid: {said}."));
            Problem { field: refused_field(path, message), ..problem }
        })?;
        Ok(Self(parameters))
    }
}

impl<T: DeserializeOwned + Send, S: Sync + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(parameters)) => Ok(Self(parameters)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(refuse_path(error.into_kind())),
            Err(other) => Err(Failure::internal(other)),
        }
    }
}

fn refuse_path(kind: ErrorKind) -> Failure {
    match kind {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            Problem::invalid(key, format!("The path is not valid: expected {expected_type}.")).into()
        }
        ErrorKind::DeserializeError { key, message, .. } => {
            Problem::invalid(key, format!("The path is not valid: {message}.")).into()
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::invalid(key, "The path is not valid: not UTF-8.").into()
        }
        kind @ (ErrorKind::ParseError { .. }
        | ErrorKind::ParseErrorAtIndex { .. }
        | ErrorKind::Message(_)) => {
            Problem::new(Code::InvalidRequest, format!("The path is not valid: {kind}.")).into()
        }
        bug => Failure::internal(bug),
    }
}

/// The field that was wrong, from the path at which reading stopped and the message of serde: a field that is
/// missing, not known or there twice stands in the message, and the path may end before it.
pub(super) fn refused_field(path: &str, message: &str) -> Option<String> {
    let path = if matches!(path, "." | "?") { "" } else { path };
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| name);
    match named {
        Some(name) if path.is_empty() => Some(name.to_owned()),
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => Some(path.to_owned()),
        Some(name) => Some(format!("{path}.{name}")),
        None if path.is_empty() => None,
        None => Some(path.to_owned()),
    }
}
