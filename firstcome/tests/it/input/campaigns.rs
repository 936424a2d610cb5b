//! Campaigns, and changes of campaigns, that make no sense.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, all_are_refused, server};
use crate::rig::{Folder, from_now, one_off};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn campaigns_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    let without = |field: &str| {
        let mut campaign = one_off("bad", 10);
        campaign.as_object_mut().unwrap().remove(field);
        campaign
    };
    let with = |field: &str, value: Value| {
        let mut campaign = one_off("bad", 10);
        campaign[field] = value;
        campaign
    };
    let window = |from: i64, to: i64, stock: Value| json!({ "opens_at": from_now(from), "closes_at": from_now(to), "stock": stock });
    let windows = |windows: Vec<Value>| json!({ "id": "bad", "windows": windows });
    let daily = |field: &str, value: Value| {
        let mut daily = json!({ "from": "2031-01-01", "to": "2031-01-03", "opens": "10:00", "closes": "11:00",
                                "time_zone": "Asia/Seoul", "stock": 10 });
        daily[field] = value;
        json!({ "id": "bad", "daily": daily })
    };
    let year = (0..367).map(|day| window(day * 1_000, (day + 1) * 1_000, json!(1))).collect();
    let table = vec![
        (with("stock", json!(0)), "stock"),
        (with("stock", json!(-1)), "stock"),
        (with("stock", json!(1.5)), "stock"),
        (with("stock", json!("10")), "stock"),
        (with("stock", json!(1_000_000_001_u64)), "stock"),
        (with("stock", json!(u64::MAX)), "stock"),
        (with("stock", json!(1e30)), "stock"),
        (without("stock"), "stock"),
        (without("opens_at"), "opens_at"),
        (without("closes_at"), "closes_at"),
        (without("id"), "id"),
        (with("id", json!("")), "id"),
        (with("id", json!("Summer")), "id"),
        (with("id", json!("../log")), "id"),
        (with("id", json!("-")), "id"),
        (windows(vec![json!([from_now(0), from_now(1_000), 5])]), "windows[0]"),
        (
            json!({ "id": "bad", "daily": ["2031-01-01", "2031-01-03", "10:00", "11:00", "Asia/Seoul", 10] }),
            "daily",
        ),
        (with("coupon", json!([20])), "coupon"),
        (with("id", json!("x".repeat(65))), "id"),
        (with("closes_at", json!(from_now(-2_000))), "closes_at"),
        (with("closes_at", json!(from_now(-1))), "closes_at"),
        (with("opens_at", json!("tomorrow")), "opens_at"),
        (with("opens_at", json!("2031-02-30T10:00:00Z")), "opens_at"),
        (with("opens_at", json!(1_900_000_000)), "opens_at"),
        (with("opens_at", json!("99999-01-01T00:00:00Z")), "opens_at"),
        (with("per_user_limit", json!(0)), "per_user_limit"),
        (with("per_user_limit", json!(101)), "per_user_limit"),
        (with("per_user_limit", json!(-1)), "per_user_limit"),
        (with("limit_per", json!("galaxy")), "limit_per"),
        (with("name", json!(" ")), "name"),
        (with("name", json!("a\u{7}b")), "name"),
        (with("name", json!("x".repeat(201))), "name"),
        (with("colour", json!("red")), "colour"),
        (
            with(
                "waiting_room",
                json!({ "admit_per_second": 1, "max_active": 1, "admission_ttl_seconds": 1 }),
            ),
            "waiting_room",
        ),
        (with("coupon", json!({ "percent_off": 0 })), "coupon.percent_off"),
        (with("coupon", json!({ "percent_off": 101 })), "coupon.percent_off"),
        (
            with("coupon", json!({ "percent_off": 5, "amount_off": 5, "currency": "EUR" })),
            "coupon.amount_off",
        ),
        (with("coupon", json!({ "amount_off": 5 })), "coupon.currency"),
        (with("coupon", json!({ "amount_off": 5, "currency": "euro" })), "coupon.currency"),
        (with("coupon", json!({ "valid_for": "a while" })), "coupon.valid_for"),
        (with("coupon", json!({ "valid_for": "-P1D" })), "coupon.valid_for"),
        (with("coupon", json!({ "valid_for": "P1M" })), "coupon.valid_for"),
        (with("coupon", json!({ "valid_for": "P9999999D" })), "coupon.valid_for"),
        (with("coupon", json!({ "valid_for": "P1D", "expires_at": from_now(9_000) })), "coupon.expires_at"),
        (with("coupon", json!({ "free": true })), "coupon.free"),
        (with("windows", json!([])), "windows"),
        (windows(vec![]), "windows"),
        (windows(year), "windows"),
        (windows(vec![window(0, 1_000, json!(0))]), "windows[0].stock"),
        (windows(vec![window(1_000, 1_000, json!(1))]), "windows[0].closes_at"),
        (windows(vec![window(0, 9_000, json!(1)), window(8_999, 10_000, json!(1))]), "windows[1].opens_at"),
        (windows(vec![window(5_000, 9_000, json!(1)), window(0, 4_000, json!(1))]), "windows[1].opens_at"),
        (daily("time_zone", json!("Mars/Olympus_Mons")), "daily.time_zone"),
        (daily("time_zone", json!("../../etc/passwd")), "daily.time_zone"),
        (daily("time_zone", json!("")), "daily.time_zone"),
        (daily("from", json!("2031-13-01")), "daily.from"),
        (daily("to", json!("2030-12-31")), "daily.to"),
        (daily("to", json!("2032-01-05")), "daily.to"),
        (daily("to", json!("9999-12-31")), "daily.to"),
        (daily("opens", json!("25:00")), "daily.opens"),
        (daily("closes", json!("noon")), "daily.closes"),
        (daily("stock", json!(0)), "daily.stock"),
        (daily("stock", json!(-5)), "daily.stock"),
    ];
    let cases = table.into_iter().map(|(campaign, field)| Case {
        what: campaign.to_string(),
        request: api.request(Method::POST, "/v1/campaigns").json(&campaign),
        status: 422,
        code: "invalid_request",
        field: Some(field),
    });
    all_are_refused(api, cases.collect()).await;

    let taken = api.request(Method::POST, "/v1/campaigns").json(&one_off("there", 99));
    let case = Case {
        what: "a taken name".into(),
        request: taken,
        status: 409,
        code: "campaign_exists",
        field: None,
    };
    all_are_refused(api, vec![case]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let later =
        json!({ "id": "later", "opens_at": from_now(600_000), "closes_at": from_now(900_000), "stock": 10 });
    server.api.post("/v1/campaigns", &later).await.with(201);
    let table = [
        ("there", json!({ "stock": 0 }), 409, "conflict"),
        ("there", json!({ "stock": -1 }), 422, "invalid_request"),
        ("there", json!({ "stock": u64::MAX }), 422, "invalid_request"),
        ("there", json!({ "stock": 9 }), 409, "conflict"),
        ("there", json!({ "name": "" }), 422, "invalid_request"),
        ("there", json!({ "id": "elsewhere" }), 422, "invalid_request"),
        ("there", json!({ "per_user_limit": 5 }), 422, "invalid_request"),
        ("there", json!({ "windows": [{ "id": 7, "stock": 20 }] }), 422, "invalid_request"),
        ("there", json!({ "windows": [{ "id": 1, "opens_at": from_now(9_000) }] }), 409, "conflict"),
        ("there", json!({ "windows": [{ "id": 1, "closes_at": from_now(9_000) }] }), 409, "conflict"),
        (
            "later",
            json!({ "windows": [{ "id": 1, "closes_at": from_now(500_000) }] }),
            422,
            "invalid_request",
        ),
        ("later", json!({ "stock": 0 }), 422, "invalid_request"),
        ("nowhere", json!({ "stock": 20 }), 404, "campaign_not_found"),
    ];
    let cases = table.into_iter().map(|(campaign, change, status, code)| Case {
        what: format!("{campaign}: {change}"),
        request: server.api.request(Method::PATCH, &format!("/v1/campaigns/{campaign}")).json(&change),
        status,
        code,
        field: None,
    });
    all_are_refused(&server.api, cases.collect()).await;
}
