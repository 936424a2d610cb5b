//! What an operator sets of an instance while it runs.

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Acting;
use firstcome_shared::http::{self, Failure, Json};
use firstcome_shared::wire::{PatchPipeline, Pipeline, Problem};

use super::no_answer;
use crate::service::Service;

/// Changes the pipeline's settings
///
/// Of this instance alone, until it stops: `ledger_rate` counts while it is the one that writes the ledger, so send it
/// to every instance. Idempotent.
#[utoipa::path(patch, path = "/v1/pipeline", tag = "operations", request_body = PatchPipeline,
    responses((status = 200, body = Pipeline), (status = 422, response = Problem),
        (status = 503, response = Problem)))]
pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    acting: Acting,
    Json(request): Json<PatchPipeline>,
) -> http::Result<Json<Pipeline>> {
    let checked = |rate| {
        NonZeroU64::new(rate).ok_or_else(|| {
            Failure::from(Problem::invalid("ledger_rate", "must be at least 1, or null: no limit"))
        })
    };
    let rate = request.ledger_rate.map(checked).transpose()?;
    service.set_ledger_rate(rate, acting.actor()).await.map_err(|why| no_answer("", why))?;
    acting.did("ledger_rate", &rate.map_or_else(|| "no limit".to_owned(), |rate| rate.to_string()));
    Ok(Json(service.pipeline().await))
}
