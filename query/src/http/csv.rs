//! A campaign's coupons as a spreadsheet reads them: RFC 4180, streamed page by page so that a million rows take no
//! more memory than a thousand, and safe to open.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use firstcome_shared::auth::{Caller, Reader};
use firstcome_shared::domain::CampaignId;
use firstcome_shared::http::{self, Path, Query as Parameters};
use firstcome_shared::projection::StoreUnavailable;
use firstcome_shared::wire::Problem;
use futures::stream;

use super::{AtLeast, known, shown, unavailable};
use crate::Query;
use crate::projection::CouponView;
use crate::read_model::Order;

const HEAD: &str = "seq,user_id,code,issued_at,expires_at,status,window\r\n";
const ROWS: u32 = 1_000;

/// Downloads a campaign's coupons as CSV
///
/// All of them, in order, streamed. A cell that a spreadsheet would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/v1/history/campaigns/{id}/coupons.csv", tag = "history",
    params(("id" = String, Path), AtLeast),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 404, response = Problem),
        (status = 504, response = Problem)))]
pub(super) async fn of_campaign(
    State(query): State<Arc<Query>>,
    Reader(caller): Reader,
    Path(id): Path<String>,
    Parameters(asked): Parameters<AtLeast>,
) -> http::Result<Response> {
    query.reached(asked.at_least).await?;
    let campaign = known(&query, &id).await?.id;
    let disposition = format!("attachment; filename=\"{campaign}-coupons.csv\"");
    // A name of letters, digits and hyphens is a header's value.
    let disposition =
        HeaderValue::try_from(disposition).unwrap_or(const { HeaderValue::from_static("attachment") });
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8");
    // The first rows before the head: a store that is away is a problem document, not a broken download.
    let (mut text, last) = rows(&query, &campaign, None, &caller).await.map_err(unavailable)?;
    text.insert_str(0, HEAD);
    let first = (text, last);
    let body = stream::try_unfold(Some(first), move |rest| {
        let (query, campaign, caller) = (Arc::clone(&query), campaign.clone(), caller.clone());
        async move {
            let Some((text, last)) = rest else { return Ok(None) };
            let rest = match last {
                Some(last) => Some(rows(&query, &campaign, Some(last), &caller).await?),
                None => None,
            };
            Ok::<_, StoreUnavailable>(Some((Bytes::from(text), rest)))
        }
    });
    let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Some rows after sequence number `after`, and the last of them unless they are the last of all.
async fn rows(
    query: &Query,
    campaign: &CampaignId,
    after: Option<u64>,
    caller: &Caller,
) -> Result<(String, Option<u64>), StoreUnavailable> {
    let coupons = query.model.coupons(campaign, Order::Ascending, after, ROWS).await?;
    let full = coupons.len() >= usize::try_from(ROWS).unwrap_or(usize::MAX);
    let last = coupons.last().filter(|_| full).map(|coupon| coupon.seq);
    let mut text = String::with_capacity(coupons.len() * 120);
    for coupon in coupons {
        write_row(&mut text, coupon, caller);
    }
    Ok((text, last))
}

fn write_row(text: &mut String, view: CouponView, caller: &Caller) {
    let (window, status) = (view.window, view.status_name());
    let coupon = shown(view, caller);
    let expires_at = coupon.expires_at.map(|at| at.to_string()).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{},{},{},{},{expires_at},{status},{window}\r\n",
        coupon.seq,
        cell(&coupon.user_id),
        cell(&coupon.code),
        coupon.issued_at,
    );
}

/// A cell with text from outside. What would be a formula is made text by an apostrophe.
fn cell(text: &str) -> String {
    const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (text, expected) in [
            ("u-1", "u-1"),
            ("Kim, Ana", "\"Kim, Ana\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@cmd", "'@cmd"),
            ("＝1", "'＝1"),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("한국어 사용자", "한국어 사용자"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
