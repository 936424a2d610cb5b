//! The read model's coupons, summed up for comparison with the other stores.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Reader;
use firstcome_shared::event_log::Subject;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::http::{self, Json, Path, Query as Parameters};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{Fingerprint, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{campaign_id, not_found, shown_code, unavailable};
use crate::Query;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FingerprintQuery {
    /// First sequence number.
    from: Option<u64>,
    /// Last sequence number.
    to: Option<u64>,
    /// Leave out what stands in the log after this position.
    #[param(value_type = Option<String>)]
    upto: Option<Position>,
    /// Return the rows too, when they are fewer than 1,000.
    rows: Option<bool>,
    /// Wait until the read model has reached this position.
    #[param(value_type = Option<String>)]
    at_least: Option<Position>,
}

/// Sums up the read model's coupons
///
/// Count, highest sequence number and order-free checksum of the rows themselves, never from a counter.
#[utoipa::path(get, path = "/v1/history/campaigns/{id}/fingerprint", tag = "history",
    params(("id" = String, Path), FingerprintQuery),
    responses((status = 200, body = Fingerprint), (status = 404, response = Problem),
        (status = 422, response = Problem), (status = 504, response = Problem)))]
pub(super) async fn fingerprint(
    State(query): State<Arc<Query>>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<FingerprintQuery>,
) -> http::Result<Json<Fingerprint>> {
    let campaign = campaign_id(&id)?;
    let partition = Subject::decisions(&campaign).partition(query.log.partitions());
    if asked.upto.is_some_and(|upto| upto.partition != partition) {
        return Err(Problem::invalid("upto", "is a position of another partition than the campaign's").into());
    }
    query.reached(asked.at_least).await?;
    let range = Range {
        from: asked.from.unwrap_or(1),
        to: asked.to.unwrap_or(u64::MAX),
        upto: asked.upto,
        rows: asked.rows.unwrap_or(false),
    };
    // One at a time: a million coupons take seconds of a core that issuing needs.
    let _turn = query.fingerprints.acquire().await;
    let sum = query.model.fingerprint(&campaign, &range).await.map_err(unavailable)?;
    let mut sum = sum.ok_or_else(|| not_found(&id))?;
    for row in sum.rows.iter_mut().flatten() {
        row.code = shown_code(std::mem::take(&mut row.code), &caller);
    }
    Ok(Json(sum))
}
