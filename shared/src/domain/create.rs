//! From what an operator sends to a campaign's definition: every rule about what is allowed, with the field it is
//! about.

use jiff::civil::{Date, Time as CivilTime};
use jiff::tz::TimeZone;

use super::campaign::{Definition, MAX_PER_USER, MAX_WINDOWS, Terms, Window};
use super::command::{Patch, WindowPatch};
use super::ids::{CampaignId, Invalid};
use crate::clock::Millis;
use crate::wire;

const MAX_STOCK: u64 = 1_000_000_000;
const MAX_NAME: usize = 200;

/// The definition that `request` asks for, made with the secret `key_id`.
pub fn definition(request: &wire::CreateCampaign, key_id: &str) -> Result<Definition, Invalid> {
    let id = CampaignId::parse(&request.id)?;
    if id == CampaignId::service() {
        return Err(Invalid::new(
            "id",
            "must have a letter or digit: acts on the whole service are noted under `-`",
        ));
    }
    let name = request.name.clone().unwrap_or_else(|| request.id.clone());
    check_name(&name)?;
    let per_user_limit = request.per_user_limit.unwrap_or(1);
    if !(1..=MAX_PER_USER).contains(&per_user_limit) {
        return Err(Invalid::new("per_user_limit", format!("must be 1 to {MAX_PER_USER}")));
    }
    if request.waiting_room.is_some() {
        return Err(Invalid::new("waiting_room", "waiting rooms are not available in this version"));
    }
    let windows = windows(request)?;
    check_windows(&windows).map_err(|wrong| match (&request.windows, windows.len()) {
        (Some(_), 1) => Invalid { field: format!("windows[0].{}", wrong.field), ..wrong },
        _ => wrong,
    })?;
    Ok(Definition {
        id,
        name,
        windows,
        per_user_limit,
        limit_per: request.limit_per,
        coupon: terms(&request.coupon)?,
        waiting_room: None,
        key_id: key_id.to_owned(),
    })
}

/// The domain's form of a PATCH body.
pub fn patch(request: &wire::PatchCampaign) -> Result<Patch, Invalid> {
    if let Some(name) = &request.name {
        check_name(name)?;
    }
    let windows = request.windows.iter().flatten().map(|window| WindowPatch {
        id: window.id,
        opens_at: window.opens_at.map(|at| at.0),
        closes_at: window.closes_at.map(|at| at.0),
        stock: window.stock,
    });
    Ok(Patch {
        name: request.name.clone(),
        stock: request.stock,
        windows: windows.collect(),
        waiting_room: request.waiting_room,
    })
}

/// Windows must be non-empty, ordered and disjoint, each with stock.
pub(super) fn check_windows(windows: &[Window]) -> Result<(), Invalid> {
    if windows.is_empty() || windows.len() > MAX_WINDOWS {
        return Err(Invalid::new("windows", format!("must be 1 to {MAX_WINDOWS} windows")));
    }
    // A one-off is created by plain fields, so its errors must name those.
    let field = |place: usize, name: &str| match windows.len() {
        1 => name.to_owned(),
        _ => format!("windows[{place}].{name}"),
    };
    for (place, window) in windows.iter().enumerate() {
        if window.closes_at <= window.opens_at {
            return Err(Invalid::new(field(place, "closes_at"), "must be after opens_at"));
        }
        check_stock(&field(place, "stock"), window.stock)?;
        if place > 0 && window.opens_at < windows[place - 1].closes_at {
            return Err(Invalid::new(
                field(place, "opens_at"),
                "must not be before the window before it closes",
            ));
        }
    }
    Ok(())
}

fn check_stock(field: &str, stock: u64) -> Result<(), Invalid> {
    if (1..=MAX_STOCK).contains(&stock) {
        Ok(())
    } else {
        Err(Invalid::new(field, format!("must be 1 to {MAX_STOCK}")))
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Invalid::new(
            "name",
            format!("must be 1 to {MAX_NAME} bytes without control characters"),
        ));
    }
    Ok(())
}

fn windows(request: &wire::CreateCampaign) -> Result<Vec<Window>, Invalid> {
    let one_off = request.opens_at.is_some() || request.closes_at.is_some() || request.stock.is_some();
    match (one_off, &request.windows, &request.daily) {
        (true, None, None) => {
            let missing = |field: &str| Invalid::new(field, "is required with a one-off campaign");
            Ok(vec![Window {
                id: 1,
                opens_at: request.opens_at.ok_or_else(|| missing("opens_at"))?.0,
                closes_at: request.closes_at.ok_or_else(|| missing("closes_at"))?.0,
                stock: request.stock.ok_or_else(|| missing("stock"))?,
            }])
        }
        (false, Some(windows), None) => Ok((1..)
            .zip(windows)
            .map(|(id, window)| Window {
                id,
                opens_at: window.opens_at.0,
                closes_at: window.closes_at.0,
                stock: window.stock,
            })
            .collect()),
        (false, None, Some(daily)) => expand(daily),
        _ => {
            Err(Invalid::new("windows", "give exactly one of: opens_at, closes_at and stock; windows; daily"))
        }
    }
}

/// One window a day, in the zone's local time: a day with a clock change is as long as it is.
fn expand(daily: &wire::Daily) -> Result<Vec<Window>, Invalid> {
    let date = |field: &str, text: &str| {
        text.parse::<Date>().map_err(|_| Invalid::new(field, "must be a date such as 2026-12-01"))
    };
    let time = |field: &str, text: &str| {
        text.parse::<CivilTime>().map_err(|_| Invalid::new(field, "must be a time such as 10:00"))
    };
    let (from, to) = (date("daily.from", &daily.from)?, date("daily.to", &daily.to)?);
    let (opens, closes) = (time("daily.opens", &daily.opens)?, time("daily.closes", &daily.closes)?);
    let zone = TimeZone::get(&daily.time_zone)
        .map_err(|_| Invalid::new("daily.time_zone", "is not a known IANA time zone, such as Asia/Seoul"))?;
    if to < from {
        return Err(Invalid::new("daily.to", "must not be before daily.from"));
    }
    check_stock("daily.stock", daily.stock)?;
    let moment = |date: Date, time: CivilTime| {
        let zoned = date.to_datetime(time).to_zoned(zone.clone());
        zoned
            .map(|zoned| Millis(zoned.timestamp().as_millisecond()))
            .map_err(|_| Invalid::new("daily", "lies outside the time that can be represented"))
    };
    let mut windows = Vec::new();
    for (id, day) in (1..).zip(from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to)) {
        if windows.len() == MAX_WINDOWS {
            return Err(Invalid::new("daily.to", format!("gives more than {MAX_WINDOWS} windows")));
        }
        let last_day = if closes <= opens { day.tomorrow().unwrap_or(day) } else { day };
        windows.push(Window {
            id,
            opens_at: moment(day, opens)?,
            closes_at: moment(last_day, closes)?,
            stock: daily.stock,
        });
    }
    Ok(windows)
}

fn terms(coupon: &wire::CouponTerms) -> Result<Terms, Invalid> {
    if coupon.percent_off.is_some() && coupon.amount_off.is_some() {
        return Err(Invalid::new("coupon.amount_off", "give percent_off or amount_off, not both"));
    }
    if coupon.percent_off.is_some_and(|percent| !(1..=100).contains(&percent)) {
        return Err(Invalid::new("coupon.percent_off", "must be 1 to 100"));
    }
    if coupon.amount_off == Some(0) {
        return Err(Invalid::new("coupon.amount_off", "must be at least 1"));
    }
    let code = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let named = match (coupon.amount_off, coupon.currency.as_deref()) {
        (Some(_), Some(currency)) => code(currency),
        (amount, currency) => amount.is_none() && currency.is_none(),
    };
    if !named {
        return Err(Invalid::new(
            "coupon.currency",
            "must be an ISO 4217 code such as EUR, with amount_off only",
        ));
    }
    if coupon.valid_for.is_some() && coupon.expires_at.is_some() {
        return Err(Invalid::new("coupon.expires_at", "give valid_for or expires_at, not both"));
    }
    Ok(Terms {
        percent_off: coupon.percent_off,
        amount_off: coupon.amount_off,
        currency: coupon.currency.clone(),
        valid_for_seconds: coupon.valid_for.as_deref().map(seconds).transpose()?,
        expires_at: coupon.expires_at.map(|at| at.0),
    })
}

/// A duration of days (24 hours each) or smaller units, in whole seconds.
fn seconds(text: &str) -> Result<i64, Invalid> {
    let wrong =
        || Invalid::new("coupon.valid_for", "must be a positive ISO 8601 duration such as P30D or PT12H");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if length.as_secs() < 1 || length.as_secs() > 100 * 366 * 86_400 {
        Err(wrong())
    } else {
        Ok(length.as_secs())
    }
}

impl From<&Terms> for wire::CouponTerms {
    fn from(terms: &Terms) -> Self {
        Self {
            percent_off: terms.percent_off,
            amount_off: terms.amount_off,
            currency: terms.currency.clone(),
            valid_for: terms.valid_for_seconds.map(|seconds| match seconds % 86_400 {
                0 => format!("P{}D", seconds / 86_400),
                _ => format!("PT{seconds}S"),
            }),
            expires_at: terms.expires_at.map(wire::Time),
        }
    }
}
