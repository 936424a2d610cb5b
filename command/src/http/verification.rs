//! The rows of gate, log and ledger, summed up for comparison.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::{Reader, Role};
use firstcome_shared::domain::mask;
use firstcome_shared::fingerprint::Range;
use firstcome_shared::http::{self, Json, Path, Query};
use firstcome_shared::wire::{Fingerprint, Problem, Store};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{campaign_id, no_answer};
use crate::service::Service;

/// Which rows, of which store.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FingerprintQuery {
    /// `gate`, `log` or `ledger`.
    store: Store,
    /// First sequence number.
    from: Option<u64>,
    /// Last sequence number.
    to: Option<u64>,
    /// Leave out what stands in the log after this position; the gate knows no positions.
    upto: Option<String>,
    /// Return the rows too, when they are fewer than 1,000.
    rows: Option<bool>,
}

/// Sums up a store's coupons
///
/// Count, highest sequence number and order-free checksum of the rows themselves, never from a counter.
#[utoipa::path(get, path = "/v1/campaigns/{id}/fingerprint", tag = "operations",
    params(("id" = String, Path), FingerprintQuery),
    responses((status = 200, body = Fingerprint), (status = 404, response = Problem), (status = 422, response = Problem)))]
pub(super) async fn fingerprint(
    State(service): State<Arc<Service>>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Query(query): Query<FingerprintQuery>,
) -> http::Result<Json<Fingerprint>> {
    if query.store == Store::ReadModel {
        let detail = "the read model's fingerprint is at /v1/history/campaigns/{id}/fingerprint";
        return Err(Problem::invalid("store", detail).into());
    }
    let upto = query.upto.as_deref().map(str::parse).transpose();
    let range = Range {
        from: query.from.unwrap_or(1),
        to: query.to.unwrap_or(u64::MAX),
        upto: upto.map_err(|_| Problem::invalid("upto", "must be a position such as 0-42"))?,
        rows: query.rows.unwrap_or(false),
    };
    let fingerprint = service.fingerprint(&campaign_id(&id)?, query.store, &range).await;
    let mut fingerprint = fingerprint.map_err(|why| no_answer(&id, why))?;
    if caller.role < Role::Issuer {
        fingerprint.rows.iter_mut().flatten().for_each(|row| row.code = mask(&row.code));
    }
    Ok(Json(fingerprint))
}
