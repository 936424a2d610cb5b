//! Bad input, as an attacker or a tired colleague sends it: always a problem document with a stable code, never a 500,
//! never a panic, nothing written.

use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::rig::{Api, Folder, Server, fingerprint, from_now, one_off, send};

/// A request that must be refused: what is wrong, the request, status, code, and the field that is named.
struct Case {
    what: String,
    request: RequestBuilder,
    status: u16,
    code: &'static str,
    field: Option<&'static str>,
}

/// Everything that a refused request could have written to.
async fn written(api: &Api) -> Value {
    json!({
        "campaigns": api.get("/v1/campaigns").await.with(200)["items"].as_array().unwrap().iter()
            .map(|campaign| json!([campaign["id"], campaign["issued"], campaign["stock"], campaign["name"]]))
            .collect::<Vec<_>>(),
        "log": api.get("/v1/pipeline").await.with(200)["log"],
        "gate": fingerprint(api, "there", "gate").await,
    })
}

async fn all_are_refused(api: &Api, cases: Vec<Case>) {
    let before = written(api).await;
    for Case { what, request, status, code, field } in cases {
        let answer = send(request).await.unwrap_or_else(|error| panic!("{what}: no answer: {error:?}"));
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let problem = answer.problem(status, code);
        if let Some(field) = field {
            assert_eq!(problem["field"], field, "{what}: {problem}");
        }
        assert!(answer.headers.contains_key("x-request-id"), "{what}: {answer:?}");
    }
    assert_eq!(written(api).await, before, "something was written");
}

async fn server(folder: &Folder) -> Server {
    let server = Server::start(folder).await;
    server.api.create("there", 10).await;
    server.api.create_as("several", 10, &json!({ "per_user_limit": 2 })).await;
    server.api.ask("there", "somebody").await.issued();
    server
}

const ASK: &str = "/v1/campaigns/there/coupons";

/// A body as it is, which says that it is JSON.
fn raw(api: &Api, path: &str, body: impl Into<Body>) -> RequestBuilder {
    api.request(Method::POST, path).header("content-type", "application/json").body(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_ask_are_refused() {
    let folder = Folder::new();
    let server = server(&folder).await;
    let api = &server.api;
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let user = |user: &str| json!({ "user_id": user }).to_string().into_bytes();
    let table: Vec<(&str, Vec<u8>, u16, &str, Option<&str>)> = vec![
        ("nothing", Vec::new(), 400, "malformed_request", None),
        ("half an object", b"{\"user_id\":".to_vec(), 400, "malformed_request", None),
        ("words", b"give me one".to_vec(), 400, "malformed_request", None),
        ("trailing text", b"{\"user_id\":\"u\"} x".to_vec(), 400, "malformed_request", None),
        ("a byte order mark", b"\xef\xbb\xbf{\"user_id\":\"u\"}".to_vec(), 400, "malformed_request", None),
        ("not UTF-8", b"{\"user_id\":\"\xff\xfe\"}".to_vec(), 400, "malformed_request", None),
        ("half a surrogate pair", br#"{"user_id":"\ud800"}"#.to_vec(), 400, "malformed_request", None),
        ("nested without end", nested.clone().into_bytes(), 422, "invalid_request", None),
        (
            "nested in a field",
            format!("{{\"user_id\":{nested}}}").into_bytes(),
            422,
            "invalid_request",
            Some("user_id"),
        ),
        ("a list", b"[\"u\"]".to_vec(), 422, "invalid_request", None),
        ("null", b"null".to_vec(), 422, "invalid_request", None),
        ("no user", b"{}".to_vec(), 422, "invalid_request", Some("user_id")),
        ("a number as user", b"{\"user_id\":17}".to_vec(), 422, "invalid_request", Some("user_id")),
        ("null as user", b"{\"user_id\":null}".to_vec(), 422, "invalid_request", Some("user_id")),
        (
            "an unknown field",
            b"{\"user_id\":\"u\",\"vip\":true}".to_vec(),
            422,
            "invalid_request",
            Some("vip"),
        ),
        (
            "the user twice",
            b"{\"user_id\":\"u\",\"user_id\":\"v\"}".to_vec(),
            422,
            "invalid_request",
            Some("user_id"),
        ),
        ("an empty user", user(""), 422, "invalid_request", Some("user_id")),
        ("129 bytes of user", user(&"x".repeat(129)), 422, "invalid_request", Some("user_id")),
        ("65 letters of two bytes", user(&"é".repeat(65)), 422, "invalid_request", Some("user_id")),
        ("10 KB of user", user(&"x".repeat(10_240)), 422, "invalid_request", Some("user_id")),
        ("a newline in the user", user("a\nb"), 422, "invalid_request", Some("user_id")),
        ("a NUL in the user", user("a\0b"), 422, "invalid_request", Some("user_id")),
        ("an escape in the user", user("\u{1b}[2J"), 422, "invalid_request", Some("user_id")),
        ("a C1 control in the user", user("\u{85}"), 422, "invalid_request", Some("user_id")),
        ("1 MB", user(&"x".repeat(1 << 20)), 413, "body_too_large", None),
        ("a little above 64 KiB", user(&"x".repeat(64 << 10)), 413, "body_too_large", None),
    ];
    let cases = table.into_iter().map(|(what, body, status, code, field)| Case {
        what: what.to_owned(),
        request: raw(api, ASK, body),
        status,
        code,
        field,
    });
    all_are_refused(api, cases.collect()).await;

    // A megabyte that does not say how long it is.
    let pieces = futures::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16 << 10])));
    let request = raw(api, ASK, Body::wrap_stream(pieces));
    let case =
        Case { what: "1 MB in pieces".into(), request, status: 413, code: "body_too_large", field: None };
    all_are_refused(api, vec![case]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_are_kept_to_the_letter() {
    let folder = Folder::new();
    let server = server(&folder).await;
    server.api.create("odd", 100).await;
    let names = [
        "한국어 사용자".to_owned(),
        "\"quoted\" \\ and {braced}".to_owned(),
        "'; DROP TABLE coupon; --".to_owned(),
        "=1+1".to_owned(),
        "a,b;c".to_owned(),
        " ".to_owned(),
        "\u{202e}right to left".to_owned(),
        "e\u{301}".to_owned(),
        "é".to_owned(),
        "U".to_owned(),
        "u".to_owned(),
        "😀".repeat(32),
        "x".repeat(128),
        "<script>alert(1)</script>".to_owned(),
        "null".to_owned(),
        "%2e%2e".to_owned(),
    ];
    let told = crate::rig::ask_all(&server.api, "odd", &names).await;
    let sold = crate::rig::coupons(&told);
    assert_eq!(sold.len(), names.len(), "each is a person of its own: {told:?}");
    for (name, told) in names.iter().zip(&told) {
        assert_eq!(told.coupon().unwrap().user, *name);
    }
    crate::rig::assert_exact(&server, "odd", u64::try_from(names.len()).unwrap(), &sold).await;
    let server = server.killed_and_started_again().await;
    for coupon in &sold {
        assert_eq!(server.api.ask("odd", &coupon.user).await.already(), *coupon);
    }
}
