//! The wrong path, method, media type, origin, cursor or position.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{ASK, Case, all_are_refused, server};
use crate::rig::Folder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests_to_the_wrong_place_are_refused() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    let ask = json!({ "user_id": "u" });
    let case = |what: &str,
                request: RequestBuilder,
                status: u16,
                code: &'static str,
                field: Option<&'static str>| {
        Case { what: what.to_owned(), request, status, code, field }
    };
    let request = |method: &str, path: &str| api.request(method.parse().unwrap(), path);
    let mut cases = vec![
        case(
            "form",
            request("POST", ASK)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("user_id=u"),
            415,
            "unsupported_media_type",
            None,
        ),
        case("no media type", request("POST", ASK).body("{}"), 415, "unsupported_media_type", None),
        case(
            "a likeness of JSON",
            request("POST", ASK).header("content-type", "application/jsonp").body(ask.to_string()),
            415,
            "unsupported_media_type",
            None,
        ),
        case(
            "foreign Origin",
            request("POST", ASK).header("origin", "https://evil.example").json(&ask),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "no Origin at all",
            request("POST", ASK).header("origin", "null").json(&ask),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "an Origin that begins well",
            request("POST", ASK).header("origin", "http://localhost.evil.example").json(&ask),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "foreign Host",
            request("POST", ASK).header("host", "evil.example").json(&ask),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "foreign Origin, cancel",
            request("POST", "/v1/campaigns/there/cancel").header("origin", "http://evil.example"),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "foreign Origin, look",
            request("GET", "/v1/campaigns").header("origin", "http://evil.example"),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "foreign Host, metrics",
            request("GET", "/metrics").header("host", "evil.example"),
            403,
            "foreign_origin",
            None,
        ),
        case(
            "bad key",
            request("POST", "/v1/campaigns/several/coupons").header("idempotency-key", "").json(&ask),
            422,
            "invalid_request",
            Some("Idempotency-Key"),
        ),
        case(
            "long key",
            request("POST", "/v1/campaigns/several/coupons")
                .header("idempotency-key", "k".repeat(129))
                .json(&ask),
            422,
            "invalid_request",
            Some("Idempotency-Key"),
        ),
        case(
            "no ASCII",
            request("POST", "/v1/campaigns/several/coupons")
                .header("idempotency-key", "schlüssel")
                .json(&ask),
            422,
            "invalid_request",
            Some("Idempotency-Key"),
        ),
    ];
    for (method, path, status, code) in [
        ("POST", "/v1/campaigns/nowhere/coupons", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/No%20Name/coupons", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/%00/coupons", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/..%2f..%2fetc%2fpasswd/coupons", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/%ff/coupons", 422, "invalid_request"),
        ("GET", "/v1/campaigns/nowhere", 404, "campaign_not_found"),
        ("GET", "/v1/campaigns/a'%20OR%201=1--", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/nowhere/pause", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/nowhere/resume", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/nowhere/cancel", 404, "campaign_not_found"),
        ("POST", "/v1/campaigns/nowhere/rebuild", 404, "campaign_not_found"),
        ("GET", "/v1/campaigns/nowhere/fingerprint?store=log", 404, "campaign_not_found"),
        ("GET", "/v1/history/campaigns/nowhere", 404, "campaign_not_found"),
        ("GET", "/v1/history/campaigns/nowhere/coupons", 404, "campaign_not_found"),
        ("GET", "/v1/history/campaigns/nowhere/coupons.csv", 404, "campaign_not_found"),
        ("GET", "/v1/history/campaigns/nowhere/timeline", 404, "campaign_not_found"),
        ("GET", "/v1/history/campaigns/nowhere/fingerprint", 404, "campaign_not_found"),
        ("GET", "/v1/history/coupons/AAAA-BBBB-CCCC-DDDD", 404, "coupon_not_found"),
        ("POST", "/v1/dead-letters/0-1/replay", 404, "dead_letter_not_found"),
        ("DELETE", "/v1/dead-letters/what", 404, "dead_letter_not_found"),
        ("POST", "/v1/history/dead-letters/7-1/replay", 404, "dead_letter_not_found"),
        ("DELETE", "/v1/history/dead-letters/0-1", 404, "dead_letter_not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v2/campaigns", 404, "not_found"),
        ("GET", "/v1/history/nothing", 404, "not_found"),
        ("GET", "/.env", 404, "not_found"),
        ("DELETE", "/v1/campaigns/there", 405, "method_not_allowed"),
        ("PUT", "/v1/campaigns", 405, "method_not_allowed"),
        ("GET", "/v1/campaigns/there/coupons", 405, "method_not_allowed"),
        ("GET", "/v1/campaigns/there/cancel", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/v1/history/campaigns", 405, "method_not_allowed"),
        ("BREW", "/v1/campaigns", 405, "method_not_allowed"),
    ] {
        let body = if path.ends_with("/coupons") && method == "POST" {
            request(method, path).json(&ask)
        } else {
            request(method, path)
        };
        cases.push(case(&format!("{method} {path}"), body, status, code, None));
    }
    all_are_refused(api, cases).await;
    let allowed = api.delete("/v1/campaigns/there").await;
    let allow =
        allowed.headers.get("allow").and_then(|allow| allow.to_str().ok()).unwrap_or_default().to_owned();
    assert!(allow.contains("GET") && allow.contains("PATCH"), "says what is allowed: {allowed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_cursors_positions_and_ranges_are_refused() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let table = [
        ("/v1/campaigns?after=No%20Name", "after"),
        ("/v1/campaigns?limit=0", "limit"),
        ("/v1/campaigns?limit=1001", "limit"),
        ("/v1/campaigns?limit=-1", "limit"),
        ("/v1/campaigns?limit=ten", "limit"),
        ("/v1/campaigns?page=2", "page"),
        ("/v1/audit-log?after=x", "after"),
        ("/v1/audit-log?campaign=No%20Name", "campaign"),
        ("/v1/audit-log?limit=99999999999", "limit"),
        ("/v1/campaigns/there/fingerprint", "store"),
        ("/v1/campaigns/there/fingerprint?store=mongo", "store"),
        ("/v1/campaigns/there/fingerprint?store=read_model", "store"),
        ("/v1/campaigns/there/fingerprint?store=log&from=-1", "from"),
        ("/v1/campaigns/there/fingerprint?store=log&to=1.5", "to"),
        ("/v1/campaigns/there/fingerprint?store=log&upto=42", "upto"),
        ("/v1/campaigns/there/fingerprint?store=log&rows=maybe", "rows"),
        ("/v1/history/campaigns?after=No%20Name", "after"),
        ("/v1/history/campaigns?limit=0", "limit"),
        ("/v1/history/campaigns/there?at_least=yesterday", "at_least"),
        ("/v1/history/campaigns/there?at_least=0-99999999999999999999999", "at_least"),
        ("/v1/history/campaigns/there?at_least=-1-1", "at_least"),
        ("/v1/history/campaigns/there?at_least=7-1", "at_least"),
        ("/v1/history/campaigns/there/coupons?after=x", "after"),
        ("/v1/history/campaigns/there/coupons?after=-1", "after"),
        ("/v1/history/campaigns/there/coupons?after=99999999999999999999", "after"),
        ("/v1/history/campaigns/there/coupons?order=sideways", "order"),
        ("/v1/history/campaigns/there/timeline?step=2s", "step"),
        ("/v1/history/campaigns/there/timeline?from=noon", "from"),
        ("/v1/history/users/somebody/coupons?after=there", "after"),
        ("/v1/history/users/somebody/coupons?limit=1001", "limit"),
    ];
    let cases = table.into_iter().map(|(path, field)| Case {
        what: path.to_owned(),
        request: server.api.request(Method::GET, path),
        status: 422,
        code: "invalid_request",
        field: Some(field),
    });
    all_are_refused(&server.api, cases.collect()).await;
    // The largest that can be asked for is a question like any other.
    let most = u64::MAX;
    for path in [
        format!("/v1/campaigns/there/fingerprint?store=log&from={most}&to={most}&upto=0-{most}"),
        format!("/v1/campaigns/there/fingerprint?store=gate&from=0&to={most}&rows=true"),
        format!("/v1/campaigns/there/fingerprint?store=ledger&from={most}&to=0"),
        format!("/v1/history/campaigns/there/fingerprint?from={most}&to={most}&upto=0-{most}"),
        format!("/v1/history/campaigns/there/coupons?after={}", i64::MAX),
        "/v1/campaigns?after=zzz".to_owned(),
    ] {
        server.api.get(&path).await.with(200);
    }
}
