//! The routes that every service has.

use std::collections::BTreeSet;

use super::*;
use crate::telemetry::{BUILD_INFO, HTTP_REQUEST_DURATION_SECONDS, HTTP_REQUESTS_TOTAL};

#[tokio::test]
async fn they_are_open_although_there_are_keys() {
    let router = Plumbing::default().router(keys().0);
    for path in ["/healthz", "/metrics", "/openapi.json", "/docs/"] {
        assert_eq!(get(&router, path, &[("host", "shop.example")]).await.status, 200, "{path}");
    }
    get(&router, "/nothing", &[]).await.is_problem(404, "not_found");
    assert_eq!(get(&router, "/healthz", &[]).await.text, r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let plumbing = Plumbing::default();
    let router = plumbing.router(ApiKeys::none());
    let answer = get(&router, "/readyz", &[]).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.json["detail"].as_str().unwrap().contains("log: away; gate: away"), "{}", answer.text);
    plumbing.ready.store(true, Ordering::SeqCst);
    let answer = get(&router, "/readyz", &[]).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"status":"ready"}"#));
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() {
    let router = open();
    get(&router, "/v1/things/4711", &[]).await;
    get(&router, "/v1/named/4711/1", &[]).await;
    ask(&router, request("HEAD", "/v1/named/4711/1", &[], "")).await;
    get(&router, "/v1/nothing/4711", &[]).await;
    ask(&router, request("BREW", "/v1/named/4711/1", &[], "")).await;
    let text = get(&router, "/metrics", &[]).await.text;
    for (route, method, status) in [
        ("/v1/things/{number}", "GET", 200),
        ("/v1/named/{one}/{two}", "GET", 200),
        ("/v1/named/{one}/{two}", "HEAD", 200),
        ("/v1/named/{one}/{two}", "other", 405),
        ("unmatched", "GET", 404),
    ] {
        let counter =
            format!("{HTTP_REQUESTS_TOTAL}{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} ");
        assert!(text.contains(&counter), "{counter} in {text}");
        let bucket = format!(
            "{HTTP_REQUEST_DURATION_SECONDS}_bucket{{route=\"{route}\",method=\"{method}\",le=\"+Inf\"}} "
        );
        assert!(text.contains(&bucket), "{bucket} in {text}");
    }
    assert!(text.contains(&format!("# HELP {HTTP_REQUESTS_TOTAL} ")), "{text}");
    assert!(text.contains(&format!("{BUILD_INFO}{{service=\"plumbing\",version=\"1.2.3\"}} 1")), "{text}");
    assert!(!text.contains("4711") && !text.contains("BREW"), "{text}");
}

#[tokio::test]
async fn the_document_is_made_from_the_handlers() {
    let answer = get(&open(), "/openapi.json", &[]).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let paths: BTreeSet<&str> =
        answer.json["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["/healthz", "/metrics", "/readyz", "/v1/downloads", "/v1/events", "/v1/fails", "/v1/hangs"];
    let expected = expected.into_iter().chain(["/v1/named/{one}/{two}", "/v1/panics", "/v1/things"]);
    assert_eq!(paths, expected.chain(["/v1/things/{number}"]).collect());
    assert_eq!(answer.json["info"]["title"], "plumbing");
    assert_eq!(answer.json["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(answer.json["security"][0]["bearer"], Value::Array(Vec::new()));
    assert_eq!(answer.json["paths"]["/healthz"]["get"]["security"][0], serde_json::json!({}));
    let make = &answer.json["paths"]["/v1/things"]["post"]["responses"];
    for status in ["409", "default"] {
        let pointer = make[status]["$ref"].as_str().map(|text| text.trim_start_matches('#').to_owned());
        let problem = answer.json.pointer(&pointer.unwrap_or_default());
        let problem = problem.unwrap_or(&make[status]);
        let schema = &problem["content"]["application/problem+json"]["schema"]["$ref"];
        let schema = answer.json.pointer(schema.as_str().unwrap().trim_start_matches('#')).unwrap();
        assert!(schema["properties"]["code"].is_object(), "{schema}");
    }
    assert_whole(&answer.json, &answer.json);
}

/// Every reference within the document leads somewhere.
fn assert_whole(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(pointer) = members.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(pointer.trim_start_matches('#')).is_some(), "{pointer}");
            }
            members.values().for_each(|member| assert_whole(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_whole(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_docs_load_nothing_from_elsewhere() {
    let router = open();
    let page = get(&router, "/docs/", &[]).await;
    assert_eq!(page.status, 200);
    let start = get(&router, "/docs/swagger-initializer.js", &[]).await.text;
    assert!(start.contains("/openapi.json") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    for text in [&page.text, &start] {
        assert!(!text.contains("://"), "{text}");
    }
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "index.css"] {
        assert!(page.text.contains(file), "{file}");
        assert_eq!(get(&router, &format!("/docs/{file}"), &[]).await.status, 200, "{file}");
    }
    get(&router, "/docs/nothing.js", &[]).await.is_problem(404, "not_found");
    assert_eq!(get(&router, "/docs", &[]).await.headers[header::LOCATION], "/docs/");
}
