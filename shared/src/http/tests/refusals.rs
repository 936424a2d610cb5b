//! What the middleware refuses, and what it makes of a handler that does not answer.

use super::*;

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[tokio::test]
async fn each_role_may_do_what_is_its_own() {
    let (keys, [reader, issuer, operator]) = keys();
    let router = Plumbing::default().router(keys);
    let json = ("content-type", "application/json");
    for (key, role, expected) in [
        (reader, "reader", [200, 403, 403]),
        (issuer, "issuer", [200, 201, 403]),
        (operator, "operator", [200, 201, 200]),
    ] {
        let authorization = bearer(&key);
        let key = ("authorization", authorization.as_str());
        let read = get(&router, "/v1/things", &[key]).await;
        let make = ask(&router, request("POST", "/v1/things", &[key, json], r#"{"name":"a"}"#)).await;
        let remove = ask(&router, request("DELETE", "/v1/things", &[key], "")).await;
        assert_eq!([read.status, make.status, remove.status], expected, "{role}");
        assert!(read.text.starts_with(&format!("{role} {role} ")), "{}", read.text);
        if expected[2] == 403 {
            remove.is_problem(403, "forbidden");
            assert!(remove.json["detail"].as_str().unwrap().contains("role operator"), "{}", remove.text);
        }
    }
}

#[tokio::test]
async fn a_key_is_needed_when_there_are_keys() {
    let (keys, [reader, ..]) = keys();
    let router = Plumbing::default().router(keys);
    let basic = format!("Basic {reader}");
    let (longer, shorter) = (bearer(&format!("{reader}0")), bearer(&reader[1..]));
    for headers in [
        &[][..],
        &[("authorization", "Bearer unknown")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer")],
        &[("authorization", &reader)],
        &[("authorization", &basic)],
        &[("authorization", &longer)],
        &[("authorization", &shorter)],
    ] {
        let answer = get(&router, "/v1/things", headers).await;
        answer.is_problem(401, "unauthenticated");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    let lower = format!("bearer {reader}");
    assert_eq!(get(&router, "/v1/things", &[("authorization", &lower)]).await.status, 200);
    // Also where no handler asks who calls.
    get(&router, "/v1/fails", &[]).await.is_problem(401, "unauthenticated");
    ask(&router, request("PUT", "/v1/things", &[], "")).await.is_problem(401, "unauthenticated");
    // With keys, whoever has one may come from anywhere.
    let headers =
        [("authorization", lower.as_str()), ("host", "shop.example"), ("origin", "https://shop.example")];
    assert_eq!(get(&router, "/v1/things", &headers).await.status, 200);
}

#[tokio::test]
async fn without_keys_every_caller_is_operator_local() {
    let answer = ask(&open(), request("DELETE", "/v1/things", &[], "")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "local"));
}

#[tokio::test]
async fn without_keys_web_pages_of_others_are_refused() {
    let router = open();
    for headers in [
        &[("host", "evil.example")][..],
        &[("host", "localhost:8080"), ("origin", "http://evil.example")],
        &[("host", "localhost:8080"), ("origin", "https://localhost:8080")],
        &[("host", "localhost:8080"), ("origin", "null")],
        &[("host", "localhost:8080"), ("origin", "http://localhost:3000")],
        &[("origin", "http://127.0.0.1.evil.example")],
        &[("host", "localhost"), ("host", "evil.example")],
    ] {
        for path in ["/v1/things", "/healthz", "/nothing"] {
            get(&router, path, headers).await.is_problem(403, "foreign_origin");
        }
    }
    get(&router, "http://evil.example/v1/things", &[]).await.is_problem(403, "foreign_origin");
    for headers in [
        &[][..],
        &[("host", "localhost")],
        &[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")],
        &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")],
    ] {
        assert_eq!(get(&router, "/v1/things", headers).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems() {
    let router = open();
    get(&router, "/v1/nothing", &[]).await.is_problem(404, "not_found");
    get(&router, "/v1/things/", &[]).await.is_problem(404, "not_found");
    let answer = ask(&router, request("PUT", "/v1/things", &[], "")).await;
    answer.is_problem(405, "method_not_allowed");
    let mut allowed: Vec<&str> = answer.headers[header::ALLOW].to_str().unwrap().split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "POST"]);
    let answer = ask(&router, request("POST", "/healthz", &[], "")).await;
    answer.is_problem(405, "method_not_allowed");
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing() {
    let answer = get(&open(), "/v1/panics", &[]).await;
    answer.is_problem(500, "internal");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn a_cause_is_not_told() {
    let answer = get(&open(), "/v1/fails", &[]).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn a_handler_has_a_deadline() {
    let answer = get(&open(), "/v1/hangs", &[]).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_on_every_route() {
    let router = open();
    let body = || "x".repeat(super::super::MAX_BODY_BYTES + 1);
    ask(&router, request("DELETE", "/v1/things", &[], body())).await.is_problem(413, "body_too_large");
    ask(&router, request("GET", "/healthz", &[], body())).await.is_problem(413, "body_too_large");
    ask(&router, request("POST", "/nothing", &[], body())).await.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_request_keeps_its_name_or_gets_a_new_one() {
    let router = open();
    let id = async |sent: &[(&str, &str)]| {
        let answer = get(&router, "/healthz", sent).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    let longest = "n".repeat(128);
    for sent in ["my-request 1", longest.as_str()] {
        assert_eq!(id(&[("x-request-id", sent)]).await, sent);
    }
    let (first, second) = (id(&[]).await, id(&[]).await);
    assert_ne!(first, second);
    for sent in ["", "tab\there", "größe", &"n".repeat(129)] {
        assert_ne!(id(&[("x-request-id", sent)]).await, sent);
    }
}
