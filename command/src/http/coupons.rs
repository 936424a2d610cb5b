//! Asking for a coupon: the one request that a million people send in the same second.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use firstcome_shared::auth::Issuer;
use firstcome_shared::domain::{Ask, CampaignId, Held, RequestKey, Terms, UserId, Verdict};
use firstcome_shared::http::{self, Failure, Json, Path, RequestId};
use firstcome_shared::wire::{
    AskCoupon, Code, Coupon, CouponStatus, Issued, Outcome, Problem, StateReason, Time,
};

use super::{campaign_id, invalid, no_answer};
use crate::lane::{Lane, Logged};
use crate::service::Service;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The `Idempotency-Key` header, when there is one.
pub(super) struct IdempotencyKey(Option<RequestKey>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Self(None)) };
        let key = RequestKey::parse(value.to_str().unwrap_or_default()).map_err(invalid)?;
        Ok(Self(Some(key)))
    }
}

/// Asks for a coupon
///
/// Decides, in order, whether this person gets a coupon, and answers when the decision is safely logged. Repeating a
/// request is always safe: the same person, or the same `Idempotency-Key`, gets the same coupon.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/coupons", tag = "coupons",
    params(
        ("id" = String, Path, description = "The campaign"),
        ("Idempotency-Key" = Option<String>, Header, description = "Required when a person may hold several coupons: \
            tells a retry from a second wish. 1 to 128 printable ASCII characters"),
    ),
    request_body = AskCoupon,
    responses(
        (status = 201, body = Issued, description = "A new coupon"),
        (status = 200, body = Issued, description = "The coupon this person or request got before"),
        (status = 409, response = Problem),
        (status = 404, response = Problem), (status = 422, response = Problem),
        (status = 429, response = Problem),
        (status = 503, response = Problem),
    ))]
pub(super) async fn issue(
    State(service): State<Arc<Service>>,
    Issuer(_): Issuer,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    request_id: RequestId,
    Json(ask): Json<AskCoupon>,
) -> http::Result<Response> {
    let campaign = campaign_id(&id)?;
    let user = UserId::parse(&ask.user_id).map_err(invalid)?;
    let asked = service.asked(&campaign);
    let lane = service.lane(&campaign).await.map_err(|why| no_answer(&id, why))?;
    let (needs_key, terms) = lane.terms().await.map_err(|why| no_answer(&id, why))?;
    asked.taken();
    if key.is_none() && *needs_key {
        let detail = "A person may hold several coupons of this campaign: send a key that tells a retry from a second wish.";
        return Err(Problem::invalid("Idempotency-Key", detail).into());
    }
    let answer = lane.ask(Ask { user, key }).await;
    let Logged { body: verdict, position } = answer.map_err(|why| no_answer(&id, why))?;
    let issued = |outcome, held: &Held, remaining| {
        let coupon = coupon(&lane, terms, &campaign, &ask.user_id, held);
        Json(Issued { outcome, coupon, remaining, position })
    };
    match verdict {
        Verdict::Issued { held, remaining } => {
            // The message at that position has this coupon, in the log and in both projections.
            tracing::debug!(id = request_id.as_str(), %campaign, seq = held.seq, %position, "coupon issued");
            Ok((StatusCode::CREATED, issued(Outcome::Issued, &held, Some(remaining))).into_response())
        }
        Verdict::AlreadyIssued(held) => Ok(issued(Outcome::AlreadyIssued, &held, None).into_response()),
        refusal => refused(&lane, terms, &campaign, &ask.user_id, refusal),
    }
}

fn coupon(lane: &Lane, terms: &Terms, campaign: &CampaignId, user: &str, held: &Held) -> Coupon {
    Coupon {
        campaign_id: campaign.to_string(),
        seq: held.seq,
        user_id: user.to_owned(),
        code: lane.code(held),
        issued_at: Time(held.issued_at),
        expires_at: terms.expiry(held.issued_at).map(Time),
        status: CouponStatus::Issued,
    }
}

fn refused(
    lane: &Lane,
    terms: &Terms,
    campaign: &CampaignId,
    user: &str,
    verdict: Verdict,
) -> http::Result<Response> {
    let problem = match verdict {
        Verdict::SoldOut { stock } => {
            let detail = || format!("All {stock} coupons of {campaign} are taken.");
            let document = lane.sold_out(stock, || http::document(&Problem::new(Code::SoldOut, detail())));
            return Ok(http::written(Code::SoldOut, document));
        }
        Verdict::NotOpen { opens_at } => {
            let opens_at = Time(opens_at);
            Problem {
                opens_at: Some(opens_at),
                ..Problem::new(Code::NotOpen, format!("{campaign} opens at {opens_at}."))
            }
        }
        Verdict::Paused => Problem::new(Code::Paused, format!("{campaign} is paused. Ask again later.")),
        Verdict::Closed(reason) => {
            let why = match reason {
                StateReason::SoldOut => "sold out",
                StateReason::Ended => "over",
                StateReason::Cancelled => "cancelled",
            };
            Problem { reason: Some(reason), ..Problem::new(Code::Closed, format!("{campaign} is {why}.")) }
        }
        Verdict::LimitReached(held) => {
            let detail = format!("This person has all {} coupons a person may have.", held.len());
            let coupons = held.iter().map(|held| coupon(lane, terms, campaign, user, held)).collect();
            Problem { coupons, ..Problem::new(Code::LimitReached, detail) }
        }
        Verdict::Issued { .. } | Verdict::AlreadyIssued(_) => Problem::new(Code::Internal, "not a refusal"),
    };
    Err(problem.into())
}
