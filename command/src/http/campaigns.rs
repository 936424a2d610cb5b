//! Campaigns: create, look, change, and the operator's switches.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use firstcome_shared::auth::{Acting, Reader};
use firstcome_shared::domain::{CampaignId, Command, Refused, create};
use firstcome_shared::http::{self, Failure, Json, Path, Query};
use firstcome_shared::wire::{Campaign, Code, CreateCampaign, Page, PatchCampaign, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{campaign_id, invalid, no_answer};
use crate::service::{NotCreated, Service};

/// Which page of campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<u32>,
}

/// Lists campaigns
///
/// By name, each as the gate sees it now.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", params(ListQuery),
    responses((status = 200, body = Page<Campaign>), (status = 422, response = Problem)))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Reader(_): Reader,
    Query(query): Query<ListQuery>,
) -> http::Result<Json<Page<Campaign>>> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=1_000).contains(&limit) {
        return Err(Problem::invalid("limit", "must be 1 to 1000").into());
    }
    if let Some(after) = &query.after {
        CampaignId::parse(after).map_err(|_| Problem::invalid("after", "is not a cursor of this list"))?;
    }
    let page = service.campaigns(query.after.as_deref(), limit).await;
    Ok(Json(page.map_err(|why| no_answer("", why))?))
}

/// Creates a campaign
///
/// Either a one-off (`opens_at`, `closes_at`, `stock`), or `windows`, or a `daily` window.
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", request_body = CreateCampaign,
    responses((status = 201, body = Campaign), (status = 409, response = Problem),
        (status = 422, response = Problem)))]
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Json(request): Json<CreateCampaign>,
) -> http::Result<impl IntoResponse> {
    match service.create(&request, acting.actor()).await {
        Ok(campaign) => {
            acting.did("create", &campaign.id);
            let location = format!("/v1/campaigns/{}", campaign.id);
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(campaign)))
        }
        Err(NotCreated::Invalid(problem)) => Err(invalid(problem).into()),
        Err(NotCreated::Exists(id)) => {
            let detail = format!("There is, or was, a campaign {id}. Choose another id.");
            Err(Problem::new(Code::CampaignExists, detail).into())
        }
        Err(NotCreated::NoAnswer(why)) => Err(no_answer(&request.id, why)),
    }
}

/// Shows a campaign
///
/// As the gate sees it now, with all its windows.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Campaign), (status = 404, response = Problem)))]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Reader(_): Reader,
    Path(id): Path<String>,
) -> http::Result<Json<Campaign>> {
    let campaign = service.campaign(&campaign_id(&id)?).await;
    Ok(Json(campaign.map_err(|why| no_answer(&id, why))?))
}

/// Changes a campaign
///
/// Name and waiting-room numbers at any time; a window's stock may grow until it closes and shrink before it opens;
/// its times may change before it opens.
#[utoipa::path(patch, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = String, Path)),
    request_body = PatchCampaign,
    responses((status = 200, body = Campaign), (status = 404, response = Problem),
        (status = 409, response = Problem), (status = 422, response = Problem)))]
pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
    Json(request): Json<PatchCampaign>,
) -> http::Result<Json<Campaign>> {
    let command = Command::Update(create::patch(&request).map_err(invalid)?);
    command_campaign(&service, &id, command, "update", &acting).await
}

/// Pauses a campaign
///
/// Nothing is issued until it is resumed. Idempotent.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Campaign), (status = 404, response = Problem), (status = 409, response = Problem)))]
pub(super) async fn pause(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<Json<Campaign>> {
    command_campaign(&service, &id, Command::Pause, "pause", &acting).await
}

/// Resumes a campaign
///
/// Idempotent.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Campaign), (status = 404, response = Problem)))]
pub(super) async fn resume(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<Json<Campaign>> {
    command_campaign(&service, &id, Command::Resume, "resume", &acting).await
}

/// Cancels a campaign
///
/// For good: it cannot be resumed. Coupons already issued stay. Idempotent.
#[utoipa::path(post, path = "/v1/campaigns/{id}/cancel", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Campaign), (status = 404, response = Problem)))]
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<Json<Campaign>> {
    command_campaign(&service, &id, Command::Cancel, "cancel", &acting).await
}

/// Rebuilds a campaign's gate
///
/// Fences the gate and loads the campaign anew from the log. Needed only when an operator distrusts the gate: it
/// rebuilds itself when it has forgotten.
#[utoipa::path(post, path = "/v1/campaigns/{id}/rebuild", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Campaign), (status = 404, response = Problem)))]
pub(super) async fn rebuild(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Path(id): Path<String>,
) -> http::Result<Json<Campaign>> {
    let campaign = service.rebuild(&campaign_id(&id)?, acting.actor()).await;
    let campaign = campaign.map_err(|why| no_answer(&id, why))?;
    acting.did("rebuild", &id);
    Ok(Json(campaign))
}

async fn command_campaign(
    service: &Service,
    id: &str,
    command: Command,
    action: &str,
    acting: &Acting,
) -> Result<Json<Campaign>, Failure> {
    let outcome = service.command(&campaign_id(id)?, command, acting.actor()).await;
    match outcome.map_err(|why| no_answer(id, why))? {
        Ok(campaign) => {
            acting.did(action, id);
            Ok(Json(campaign))
        }
        Err(Refused::Invalid(problem)) => Err(invalid(problem).into()),
        Err(Refused::Conflict(problem)) => Err(Problem::new(Code::Conflict, format!("{problem}.")).into()),
    }
}
