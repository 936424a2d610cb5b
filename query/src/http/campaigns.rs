//! Campaigns with their history in numbers.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Reader;
use firstcome_shared::http::{self, Json, Path, Query as Parameters};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{HistoryCampaign, Page, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{AtLeast, known, not_found, paging, unavailable};
use crate::Query;

/// Which page of campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<u32>,
    /// Wait until the read model has reached this position.
    #[param(value_type = Option<String>)]
    at_least: Option<Position>,
}

/// Lists campaigns with their statistics
///
/// By name, as far as the log has been read.
#[utoipa::path(get, path = "/v1/history/campaigns", tag = "history", params(ListQuery),
    responses((status = 200, body = Page<HistoryCampaign>), (status = 422, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn list(
    State(query): State<Arc<Query>>,
    Reader(_): Reader,
    Parameters(asked): Parameters<ListQuery>,
) -> http::Result<Json<Page<HistoryCampaign>>> {
    let limit = paging::limit(asked.limit)?;
    let after = paging::after_campaign(asked.after.as_deref())?;
    query.reached(asked.at_least).await?;
    let after = after.as_ref().map(firstcome_shared::domain::CampaignId::as_str);
    let views = query.model.campaigns(after, limit + 1).await.map_err(unavailable)?;
    let page = paging::page(views, limit, |view| view.id.to_string());
    let now = query.clock.now();
    let items = page.items.iter().filter_map(|view| view.on_wire(now)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// Shows a campaign's statistics
#[utoipa::path(get, path = "/v1/history/campaigns/{id}", tag = "history", params(("id" = String, Path), AtLeast),
    responses((status = 200, body = HistoryCampaign), (status = 404, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn get(
    State(query): State<Arc<Query>>,
    Reader(_): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<AtLeast>,
) -> http::Result<Json<HistoryCampaign>> {
    query.reached(asked.at_least).await?;
    let view = known(&query, &id).await?;
    Ok(Json(view.on_wire(query.clock.now()).ok_or_else(|| not_found(&id))?))
}
