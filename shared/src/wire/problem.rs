//! Errors on the wire: RFC 9457 problem details with a stable `code` for programs and a `detail` for people.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Coupon, StateReason, Time};

/// What went wrong, stable across releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the body is not JSON, or the request is not well formed.
    MalformedRequest,
    /// 401: no key, or one that is not known.
    Unauthenticated,
    /// 403: the key's role does not allow this.
    Forbidden,
    /// 403: the browser's `Origin` or the `Host` is not this service's.
    ForeignOrigin,
    /// 403: the person was not admitted from the waiting room.
    NotAdmitted,
    /// 404: no such path.
    NotFound,
    /// 404: no such campaign.
    CampaignNotFound,
    /// 404: no such coupon.
    CouponNotFound,
    /// 404: no such dead letter.
    DeadLetterNotFound,
    /// 405: the path has no such method.
    MethodNotAllowed,
    /// 409: a campaign of that id exists.
    CampaignExists,
    /// 409: all coupons are taken.
    SoldOut,
    /// 409: no window is open yet; see `opens_at`.
    NotOpen,
    /// 409: an operator paused the campaign.
    Paused,
    /// 409: the campaign is closed; see `reason`.
    Closed,
    /// 409: this person has all the coupons a person may have; see `coupons`.
    LimitReached,
    /// 409: the change is not allowed in the campaign's present state.
    Conflict,
    /// 413: the body is larger than allowed.
    BodyTooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 422: a field is not valid; see `field`.
    InvalidRequest,
    /// 429: too many requests wait; nobody's chance is used up.
    Busy,
    /// 500: a bug; it was logged.
    Internal,
    /// 503: outcome unknown or not decided; safe to repeat.
    Unavailable,
    /// 504: the position asked for is not reached yet.
    NotYet,
}

impl Code {
    /// The HTTP status this code comes with.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::ForeignOrigin | Self::NotAdmitted => 403,
            Self::NotFound | Self::CampaignNotFound | Self::CouponNotFound | Self::DeadLetterNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::CampaignExists
            | Self::SoldOut
            | Self::NotOpen
            | Self::Paused
            | Self::Closed
            | Self::LimitReached
            | Self::Conflict => 409,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidRequest => 422,
            Self::Busy => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::NotYet => 504,
        }
    }

    /// A short title for people, the same for every problem of this code.
    pub fn title(self) -> &'static str {
        match self {
            Self::MalformedRequest => "Malformed request",
            Self::Unauthenticated => "Unauthenticated",
            Self::Forbidden => "Forbidden",
            Self::ForeignOrigin => "Foreign origin",
            Self::NotAdmitted => "Not admitted",
            Self::NotFound => "Not found",
            Self::CampaignNotFound => "Campaign not found",
            Self::CouponNotFound => "Coupon not found",
            Self::DeadLetterNotFound => "Dead letter not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::CampaignExists => "Campaign exists",
            Self::SoldOut => "Sold out",
            Self::NotOpen => "Not open",
            Self::Paused => "Paused",
            Self::Closed => "Closed",
            Self::LimitReached => "Limit reached",
            Self::Conflict => "Conflict",
            Self::BodyTooLarge => "Body too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::InvalidRequest => "Invalid request",
            Self::Busy => "Busy",
            Self::Internal => "Internal error",
            Self::Unavailable => "Unavailable",
            Self::NotYet => "Not yet",
        }
    }
}

/// A problem document (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the `code` tells problems apart.
    #[schema(value_type = String)]
    pub r#type: Cow<'static, str>,
    /// Short, the same for every problem of this code.
    #[schema(value_type = String)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong and what to do, for people.
    pub detail: String,
    /// The offending field, with `invalid_request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When the next window opens, with `not_open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Time>,
    /// Why, with `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    /// What the person holds, with `limit_reached`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<Coupon>,
    /// Seconds after which to ask again; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem of that code; extension members are added with struct update.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            r#type: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(code.title()),
            status: code.status(),
            code,
            detail: detail.into(),
            field: None,
            opens_at: None,
            reason: None,
            coupons: Vec::new(),
            retry_after_seconds: match code {
                Code::Busy | Code::Unavailable => Some(1),
                _ => None,
            },
        }
    }

    /// `invalid_request`, naming the field.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidRequest, detail) }
    }
}
