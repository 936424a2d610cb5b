//! Bad input, as an attacker or a tired colleague sends it: always a problem document with a stable code, never a 500,
//! never a panic, nothing written.

mod campaigns;
mod places;

use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::rig::{Api, Folder, Server, assert_level, fingerprint, send};

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
    for campaign in ["there", "several"] {
        assert_level(&server.api, campaign).await;
    }
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
    let table = vec![
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
