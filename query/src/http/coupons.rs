//! Coupons: of a campaign, of a person, and one by its code.

use std::sync::Arc;

use axum::extract::State;
use firstcome_shared::auth::Reader;
use firstcome_shared::domain::UserId;
use firstcome_shared::http::{self, Json, Path, Query as Parameters};
use firstcome_shared::position::Position;
use firstcome_shared::wire::{Code, Coupon, CouponEvent, CouponHistory, Page, Problem, Time};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{AtLeast, known, paging, shown, unavailable};
use crate::Query;
use crate::read_model;

/// The order of a list, by sequence number.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// First come first.
    #[default]
    Asc,
    /// Latest first.
    Desc,
}

/// Which page of a campaign's coupons.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CampaignQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<u32>,
    /// `asc`: first come first, which is usual; `desc`: latest first.
    #[param(inline)]
    order: Option<Order>,
    /// Wait until the read model has reached this position.
    #[param(value_type = Option<String>)]
    at_least: Option<Position>,
}

/// Lists a campaign's coupons
///
/// In the order in which the gate decided.
#[utoipa::path(get, path = "/v1/history/campaigns/{id}/coupons", tag = "history",
    params(("id" = String, Path), CampaignQuery),
    responses((status = 200, body = Page<Coupon>), (status = 404, response = Problem),
        (status = 422, response = Problem), (status = 504, response = Problem)))]
pub(super) async fn of_campaign(
    State(query): State<Arc<Query>>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<CampaignQuery>,
) -> http::Result<Json<Page<Coupon>>> {
    let limit = paging::limit(asked.limit)?;
    let after = paging::after_seq(asked.after.as_deref())?;
    query.reached(asked.at_least).await?;
    let campaign = known(&query, &id).await?.id;
    let order = match asked.order.unwrap_or_default() {
        Order::Asc => read_model::Order::Ascending,
        Order::Desc => read_model::Order::Descending,
    };
    let coupons = query.model.coupons(&campaign, order, after, limit + 1).await.map_err(unavailable)?;
    let page = paging::page(coupons, limit, |coupon| coupon.seq.to_string());
    Ok(Json(paging::shown(page, |coupon| shown(coupon, &caller))))
}

/// Which page of a person's coupons.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UserQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<u32>,
    /// Wait until the read model has reached this position.
    #[param(value_type = Option<String>)]
    at_least: Option<Position>,
}

/// Lists a person's coupons
///
/// By campaign and sequence number. Nobody is unknown: a person without coupons has an empty list.
#[utoipa::path(get, path = "/v1/history/users/{id}/coupons", tag = "history",
    params(("id" = String, Path), UserQuery),
    responses((status = 200, body = Page<Coupon>), (status = 422, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn of_user(
    State(query): State<Arc<Query>>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<UserQuery>,
) -> http::Result<Json<Page<Coupon>>> {
    let user = UserId::parse(&id).map_err(|invalid| Problem::invalid(invalid.field, invalid.problem))?;
    let limit = paging::limit(asked.limit)?;
    let after = paging::after_coupon(asked.after.as_deref())?;
    query.reached(asked.at_least).await?;
    let after = after.as_ref().map(|(campaign, seq)| (campaign, *seq));
    let coupons = query.model.coupons_of(&user, after, limit + 1).await.map_err(unavailable)?;
    let page = paging::page(coupons, limit, |coupon| format!("{}.{}", coupon.campaign, coupon.seq));
    Ok(Json(paging::shown(page, |coupon| shown(coupon, &caller))))
}

/// Shows a coupon with its history
#[utoipa::path(get, path = "/v1/history/coupons/{code}", tag = "history", params(("code" = String, Path), AtLeast),
    responses((status = 200, body = CouponHistory), (status = 404, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn get(
    State(query): State<Arc<Query>>,
    Reader(caller): Reader,
    Path(code): Path<String>,
    Parameters(asked): Parameters<AtLeast>,
) -> http::Result<Json<CouponHistory>> {
    query.reached(asked.at_least).await?;
    let found = query.model.coupon(&code).await.map_err(unavailable)?;
    // The code is not repeated: what was mistyped may be almost right.
    let coupon =
        found.ok_or_else(|| Problem::new(Code::CouponNotFound, "There is no coupon of this code."))?;
    // Being issued is all that can happen to a coupon so far.
    let issued = CouponEvent {
        at: Time(coupon.issued_at),
        kind: "coupons_issued".to_owned(),
        position: coupon.position,
    };
    Ok(Json(CouponHistory { coupon: shown(coupon, &caller), history: vec![issued] }))
}
