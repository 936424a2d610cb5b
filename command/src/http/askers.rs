//! Who asked most often, for the operator's eye.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Operator;
use firstcome_shared::http::{self, Json, Path, Query};
use firstcome_shared::wire::{Asker, Page, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{campaign_id, no_answer};
use crate::service::Service;

/// How many of those who asked most often.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskersQuery {
    /// At most so many, 1 to 1000; 20 when absent.
    limit: Option<u32>,
}

/// Lists who asked most often
///
/// As this instance has counted it since it first served the campaign, whatever became of the asks, in bounded memory:
/// nobody who asked just once, and for certain only who made more than about one in 2048 of all asks. User ids are
/// personal, so this needs an operator.
#[utoipa::path(get, path = "/v1/campaigns/{id}/askers", tag = "operations",
    params(("id" = String, Path), AskersQuery),
    responses((status = 200, body = Page<Asker>), (status = 404, response = Problem),
        (status = 422, response = Problem)))]
pub(super) async fn askers(
    State(service): State<Arc<Service>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    Query(query): Query<AskersQuery>,
) -> http::Result<Json<Page<Asker>>> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=1_000).contains(&limit) {
        return Err(Problem::invalid("limit", "must be 1 to 1000").into());
    }
    let lane = service.lane(&campaign_id(&id)?).await.map_err(|why| no_answer(&id, why))?;
    let top = lane.askers().top(usize::try_from(limit).unwrap_or(usize::MAX));
    let items = top.into_iter().map(|asker| Asker {
        user_id: asker.user.to_string(),
        asks: asker.most,
        at_least: asker.least,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}
