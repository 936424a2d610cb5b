//! What the operator watches and mends: how far the read model is behind, and what it could not apply.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use firstcome_shared::auth::{Acting, Operator, Reader};
use firstcome_shared::dead_letters;
use firstcome_shared::http::{self, Json, Path, Query as Parameters};
use firstcome_shared::lifecycle::finished;
use firstcome_shared::projection::Remedy;
use firstcome_shared::wire::{DeadLetter, Page, Problem, ProjectionView};

use super::{AtLeast, unavailable};
use crate::Query;

/// Shows how far the read model is behind
#[utoipa::path(get, path = "/v1/history/lag", tag = "history", params(AtLeast),
    responses((status = 200, body = ProjectionView), (status = 503, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn lag(
    State(query): State<Arc<Query>>,
    Reader(_): Reader,
    Parameters(asked): Parameters<AtLeast>,
) -> http::Result<Json<ProjectionView>> {
    query.reached(asked.at_least).await?;
    Ok(Json(query.progress.view(&*query.log, &*query.clock).await))
}

/// Lists the read model's dead letters
///
/// One a parked campaign: the message that the read model could not apply.
#[utoipa::path(get, path = "/v1/history/dead-letters", tag = "history", params(AtLeast),
    responses((status = 200, body = Page<DeadLetter>), (status = 504, response = Problem)))]
pub(super) async fn dead_letters(
    State(query): State<Arc<Query>>,
    Reader(_): Reader,
    Parameters(asked): Parameters<AtLeast>,
) -> http::Result<Json<Page<DeadLetter>>> {
    query.reached(asked.at_least).await?;
    let letters = dead_letters::list(&*query.model, query.log.partitions()).await.map_err(unavailable)?;
    Ok(Json(Page { items: letters, next: None }))
}

/// Downloads a dead letter's message
///
/// Byte for byte as it stands in the log, coupon codes and all.
#[utoipa::path(get, path = "/v1/history/dead-letters/{id}/message", tag = "history", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream"),
        (status = 404, response = Problem)))]
pub(super) async fn message(
    State(query): State<Arc<Query>>,
    Operator(_): Operator,
    Path(id): Path<String>,
) -> http::Result<Response> {
    let position = http::dead_letters::position(&id)?;
    let message = dead_letters::message(&*query.log, &*query.model, position).await?;
    Ok(http::dead_letters::download(position, message))
}

/// Replays a dead letter
///
/// Reads the parked campaign on from the message that failed. The replay itself is done by the read model's reader.
#[utoipa::path(post, path = "/v1/history/dead-letters/{id}/replay", tag = "history", params(("id" = String, Path)),
    responses((status = 202, description = "It will be replayed"), (status = 404, response = Problem)))]
pub(super) async fn replay(
    State(query): State<Arc<Query>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<StatusCode> {
    remedy(&query, &id, Remedy::Replay, &acting).await
}

/// Discards a dead letter
///
/// Skips the one message that failed and reads the parked campaign on behind it.
#[utoipa::path(delete, path = "/v1/history/dead-letters/{id}", tag = "history", params(("id" = String, Path)),
    responses((status = 202, description = "It will be skipped"), (status = 404, response = Problem)))]
pub(super) async fn discard(
    State(query): State<Arc<Query>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<StatusCode> {
    remedy(&query, &id, Remedy::Discard, &acting).await
}

async fn remedy(query: &Query, id: &str, remedy: Remedy, acting: &Acting) -> http::Result<StatusCode> {
    let position = http::dead_letters::position(id)?;
    let (log, model, clock) = (Arc::clone(&query.log), Arc::clone(&query.model), Arc::clone(&query.clock));
    let actor = acting.clone();
    // A task of its own: whoever hangs up does not part what is logged from what is done (P10).
    let act = tokio::spawn(async move {
        dead_letters::remedy(&*log, &*model, &*clock, position, remedy, actor.actor()).await
    });
    finished(act).await?;
    acting.did(remedy.as_str(), &format!("{} {position}", query.model.name()));
    Ok(StatusCode::ACCEPTED)
}
