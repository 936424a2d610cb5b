//! The read side's routes. Handlers translate between HTTP and the read model; whoever may not spend a coupon sees
//! its code masked, and that is decided here and nowhere below.

mod campaigns;
mod coupons;
mod csv;
mod fingerprint;
mod live;
mod operations;
mod paging;
mod timeline;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use firstcome_shared::auth::{Caller, Role};
use firstcome_shared::domain::{CampaignId, mask};
use firstcome_shared::http;
use firstcome_shared::position::Position;
use firstcome_shared::wire::{Code, Coupon, Problem, Time};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Query;
use crate::projection::{CampaignView, CouponView};
use crate::service::unavailable;

pub(crate) fn routes(query: Arc<Query>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(campaigns::list))
        .routes(routes!(campaigns::get))
        .routes(routes!(timeline::timeline))
        .routes(routes!(coupons::of_campaign))
        .routes(routes!(csv::of_campaign))
        .routes(routes!(coupons::of_user))
        .routes(routes!(coupons::get))
        .routes(routes!(fingerprint::fingerprint))
        .routes(routes!(operations::lag))
        .routes(routes!(operations::dead_letters))
        .routes(routes!(operations::message))
        .routes(routes!(operations::replay))
        .routes(routes!(operations::discard))
        .routes(routes!(live::live))
        .with_state(query)
}

/// Read your own write.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AtLeast {
    /// Wait until the read model has reached this position, which a command answered with; 504 `not_yet` when that
    /// takes too long.
    #[param(value_type = Option<String>, example = "0-42")]
    at_least: Option<Position>,
}

/// A campaign named in a path. What can be no name is no campaign.
fn campaign_id(text: &str) -> http::Result<CampaignId> {
    Ok(CampaignId::parse(text).map_err(|_| not_found(text))?)
}

fn not_found(campaign: &str) -> Problem {
    Problem::new(Code::CampaignNotFound, format!("There is no campaign {campaign:?}."))
}

/// The campaign of that name, if the read model knows it.
async fn known(query: &Query, id: &str) -> http::Result<CampaignView> {
    let found = query.model.campaign(&campaign_id(id)?).await.map_err(unavailable)?;
    Ok(found.filter(|view| view.definition.is_some()).ok_or_else(|| not_found(id))?)
}

/// The code as this caller may see it.
fn shown_code(code: String, caller: &Caller) -> String {
    if caller.role < Role::Issuer { mask(&code) } else { code }
}

/// The coupon as this caller may see it.
fn shown(view: CouponView, caller: &Caller) -> Coupon {
    Coupon {
        campaign_id: view.campaign.to_string(),
        seq: view.seq,
        user_id: view.user_id.to_string(),
        code: shown_code(view.code, caller),
        issued_at: Time(view.issued_at),
        expires_at: view.expires_at.map(Time),
        status: view.status,
    }
}
