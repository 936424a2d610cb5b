//! What the operator watches and mends: the pipeline, the ledger's dead letters, the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use firstcome_shared::auth::{Acting, Operator, Reader};
use firstcome_shared::dead_letters;
use firstcome_shared::domain::CampaignId;
use firstcome_shared::http::{self, Json, Path, Query};
use firstcome_shared::projection::Remedy;
use firstcome_shared::wire::{AuditEntry, DeadLetter, Page, Pipeline, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::unavailable;
use crate::service::Service;

/// Shows the pipeline
///
/// Gate → outbox → log → ledger, as this instance sees it, also while some of it is away: that stands among the
/// dependencies; what stops one campaign alone stands with that campaign.
#[utoipa::path(get, path = "/v1/pipeline", tag = "operations", responses((status = 200, body = Pipeline)))]
pub(super) async fn pipeline(State(service): State<Arc<Service>>, Reader(_): Reader) -> Json<Pipeline> {
    Json(service.pipeline().await)
}

/// Lists the ledger's dead letters
///
/// One a parked campaign: the message that the ledger could not apply.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "operations", responses((status = 200, body = Page<DeadLetter>)))]
pub(super) async fn dead_letters(
    State(service): State<Arc<Service>>,
    Reader(_): Reader,
) -> http::Result<Json<Page<DeadLetter>>> {
    let letters =
        dead_letters::list(service.ledger(), service.log().partitions()).await.map_err(unavailable)?;
    Ok(Json(Page { items: letters, next: None }))
}

/// Downloads a dead letter's message
///
/// Byte for byte as it stands in the log, coupon codes and all.
#[utoipa::path(get, path = "/v1/dead-letters/{id}/message", tag = "operations", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream"),
        (status = 404, response = Problem)))]
pub(super) async fn message(
    State(service): State<Arc<Service>>,
    Operator(_): Operator,
    Path(id): Path<String>,
) -> http::Result<Response> {
    let position = http::dead_letters::position(&id)?;
    let message = dead_letters::message(service.log(), service.ledger(), position).await?;
    Ok(http::dead_letters::download(position, message))
}

/// Replays a dead letter
///
/// Reads the parked campaign on from the message that failed. The replay itself is done by the ledger's reader.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/replay", tag = "operations", params(("id" = String, Path)),
    responses((status = 202, description = "It will be replayed"), (status = 404, response = Problem)))]
pub(super) async fn replay(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<StatusCode> {
    remedy(&service, &id, Remedy::Replay, &acting).await
}

/// Discards a dead letter
///
/// Skips the one message that failed and reads the parked campaign on behind it.
#[utoipa::path(delete, path = "/v1/dead-letters/{id}", tag = "operations", params(("id" = String, Path)),
    responses((status = 202, description = "It will be skipped"), (status = 404, response = Problem)))]
pub(super) async fn discard(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<StatusCode> {
    remedy(&service, &id, Remedy::Discard, &acting).await
}

async fn remedy(service: &Service, id: &str, remedy: Remedy, acting: &Acting) -> http::Result<StatusCode> {
    let position = http::dead_letters::position(id)?;
    service.remedy(position, remedy, acting.actor()).await?;
    acting.did(remedy.as_str(), &format!("{} {position}", service.ledger().name()));
    Ok(StatusCode::ACCEPTED)
}

/// Which page of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only of this campaign.
    campaign: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<u32>,
}

/// Lists what operators did
///
/// Newest first.
#[utoipa::path(get, path = "/v1/audit-log", tag = "operations", params(AuditQuery),
    responses((status = 200, body = Page<AuditEntry>), (status = 422, response = Problem)))]
pub(super) async fn audit_log(
    State(service): State<Arc<Service>>,
    Operator(_): Operator,
    Query(query): Query<AuditQuery>,
) -> http::Result<Json<Page<AuditEntry>>> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(Problem::invalid("limit", "must be 1 to 1000").into());
    }
    let after = query.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| Problem::invalid("after", "is not a cursor of this list"))?;
    let campaign = query.campaign.as_deref().map(CampaignId::parse).transpose();
    let campaign = campaign.map_err(|_| Problem::invalid("campaign", "is not the name of a campaign"))?;
    Ok(Json(service.ledger().audit(campaign.as_ref(), after, limit).await.map_err(unavailable)?))
}
