//! Dead letters over HTTP: each side has its own, and both name, send and refuse them alike.

use axum::body::Bytes;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::{Failure, Result};
use crate::dead_letters::NotRemedied;
use crate::position::Position;
use crate::wire::{Code, Problem};

/// Where the dead letter of that `id` stands.
pub fn position(id: &str) -> Result<Position> {
    id.parse().map_err(|_| NotRemedied::NotFound.into())
}

/// A dead letter's message as a file.
pub fn download(position: Position, message: Bytes) -> Response {
    let name = format!("attachment; filename=\"{position}.json\"");
    ([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, name)], message)
        .into_response()
}

impl From<NotRemedied> for Failure {
    fn from(why: NotRemedied) -> Self {
        match why {
            NotRemedied::NotFound => {
                Problem::new(Code::DeadLetterNotFound, "No campaign is parked at this position.").into()
            }
            away => Self::unavailable("Not done, or not known to be. It is safe to ask again.", away),
        }
    }
}
