//! What happened when: counts of a campaign in steps of a second, a minute or an hour.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Reader;
use firstcome_shared::clock::Millis;
use firstcome_shared::http::{self, Json, Path, Query as Parameters};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{Problem, Time, Timeline};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{known, unavailable};
use crate::Query;
use crate::read_model::Span;

/// Most buckets in an answer: hours of a rush in seconds, or a year in hours.
const MOST: u32 = 10_000;

/// Length of a bucket.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum Step {
    /// A second.
    #[serde(rename = "1s")]
    #[default]
    Second,
    /// A minute.
    #[serde(rename = "1m")]
    Minute,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
}

impl Step {
    fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

/// Which part of the timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// `1s`, which is usual, `1m` or `1h`.
    #[param(inline)]
    step: Option<Step>,
    /// Only seconds that begin then or later.
    from: Option<Time>,
    /// Only seconds that begin before.
    to: Option<Time>,
    /// Wait until the read model has reached this position.
    #[param(value_type = Option<String>)]
    at_least: Option<Position>,
}

/// Shows a campaign's timeline
///
/// Counts by the time of the events, in UTC; spans in which nothing happened are left out.
#[utoipa::path(get, path = "/v1/history/campaigns/{id}/timeline", tag = "history",
    params(("id" = String, Path), TimelineQuery),
    responses((status = 200, body = Timeline), (status = 404, response = Problem), (status = 422, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn timeline(
    State(query): State<Arc<Query>>,
    Reader(_): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<TimelineQuery>,
) -> http::Result<Json<Timeline>> {
    let step = asked.step.unwrap_or_default().seconds();
    let from = asked.from.map_or(Millis(i64::MIN), |from| from.0);
    let to = asked.to.map_or(Millis(i64::MAX), |to| to.0);
    if to <= from {
        return Err(Problem::invalid("to", "must be after `from`").into());
    }
    query.reached(asked.at_least).await?;
    let campaign = known(&query, &id).await?.id;
    let span = Span { step: i64::from(step) * 1_000, from, to, limit: MOST + 1 };
    let items = query.model.timeline(&campaign, span).await.map_err(unavailable)?;
    if items.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        let detail = format!(
            "gives more than {MOST} buckets: take a longer step, or a shorter span with `from` and `to`"
        );
        return Err(Problem::invalid("step", detail).into());
    }
    Ok(Json(Timeline { campaign_id: campaign.to_string(), step_seconds: u64::from(step), items }))
}
