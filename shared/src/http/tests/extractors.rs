//! What the extractors refuse, and how they say which field it was.

use axum::body::Bytes;

use super::*;

#[tokio::test]
async fn json_that_is_right_is_taken() {
    let answer = post(&open(), r#"{"name":"a","parts":[{"stock":7}]}"#).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json["parts"][0]["stock"], 7);
}

#[tokio::test]
async fn the_body_must_say_that_it_is_json() {
    let router = open();
    let body = r#"{"name":"a"}"#;
    for said in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "json", ""] {
        let request = request("POST", "/v1/things", &[("content-type", said)], body);
        ask(&router, request).await.is_problem(415, "unsupported_media_type");
    }
    ask(&router, request("POST", "/v1/things", &[], body)).await.is_problem(415, "unsupported_media_type");
    for said in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(
            ask(&router, request("POST", "/v1/things", &[("content-type", said)], body)).await.status,
            201
        );
    }
}

#[tokio::test]
async fn what_is_not_json_is_malformed_and_the_place_is_named() {
    let router = open();
    for (body, place) in [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("{\"name\":\n!}", "line 2 column 1"),
        (r#"{"name":"a"} x"#, "line 1 column 14"),
        ("name=a", "line 1 column 2"),
    ] {
        let answer = post(&router, body).await;
        answer.is_problem(400, "malformed_request");
        assert!(answer.json["detail"].as_str().unwrap().contains(place), "{}", answer.text);
    }
    let answer = post(&router, Bytes::from_static(b"{\"name\":\"\xff\"}")).await;
    answer.is_problem(400, "malformed_request");
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let router = open();
    for (body, field, detail) in [
        (r#"{"name":"a","colour":"red"}"#, "colour", "unknown field `colour`"),
        (r"{}", "name", "missing field `name`"),
        (r#"{"name":7}"#, "name", "invalid type: integer `7`"),
        (r#"{"name":"a","name":"b"}"#, "name", "duplicate field `name`"),
        (
            r#"{"name":"a","parts":[{"stock":1},{"stock":-1}]}"#,
            "parts[1].stock",
            "invalid value: integer `-1`",
        ),
        (r#"{"name":"a","parts":[{}]}"#, "parts[0].stock", "missing field `stock`"),
        (r#"{"name":"a","parts":[{"stock":1,"size":2}]}"#, "parts[0].size", "unknown field `size`"),
        (r#"{"name":"a","parts":{}}"#, "parts", "invalid type: map"),
        (r#"{"name":""}"#, "name", "1 to 9 letters"),
    ] {
        let answer = post(&router, body).await;
        answer.is_problem(422, "invalid_request").names_field(field, detail);
    }
    let answer = post(&router, "7").await;
    answer.is_problem(422, "invalid_request");
    assert_eq!(answer.json.get("field"), None);
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let router = open();
    let of_size = |size: usize| format!("{{\"name\":\"{}\"}}", "n".repeat(size - 11));
    assert_eq!(post(&router, of_size(64 * 1024)).await.status, 201);
    post(&router, of_size(64 * 1024 + 1)).await.is_problem(413, "body_too_large");
    post(&router, of_size(1024 * 1024)).await.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together_and_counted() {
    let router = open();
    let in_pieces = |text: &str| {
        let pieces: Vec<_> =
            text.as_bytes().chunks(7).map(|piece| Ok::<_, Infallible>(piece.to_vec())).collect();
        Body::from_stream(stream::iter(pieces))
    };
    let answer = post(&router, in_pieces(r#"{"name":"in several pieces","parts":[{"stock":7}]}"#)).await;
    assert_eq!((answer.status, answer.json["name"].as_str()), (201, Some("in several pieces")));
    let long = format!("{{\"name\":\"{}\"}}", "n".repeat(64 * 1024));
    post(&router, in_pieces(&long)).await.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_query_parameter_that_is_wrong_is_named() {
    let router = open();
    for (query, field, detail) in [
        ("limit=many", "limit", "invalid digit"),
        ("limit=-1", "limit", "invalid digit"),
        ("limit=", "limit", "empty string"),
        ("limit=1&limit=2", "limit", "duplicate field"),
        ("limitt=1", "limitt", "unknown field `limitt`"),
    ] {
        let answer = get(&router, &format!("/v1/things?{query}"), &[]).await;
        answer.is_problem(422, "invalid_request").names_field(field, detail);
    }
    let answer = get(&router, "/v1/things?limit=5&from=a%3A%20b", &[]).await;
    assert_eq!(answer.text, r#"local operator Some(5) Some("a: b")"#);
}

#[tokio::test]
async fn a_path_parameter_that_is_wrong_is_refused() {
    let router = open();
    assert_eq!(get(&router, "/v1/things/7", &[]).await.text, "local 7");
    for path in ["/v1/things/seven", "/v1/things/-7", "/v1/things/99999999999999999999", "/v1/named/a/256"] {
        get(&router, path, &[]).await.is_problem(422, "invalid_request");
    }
    let answer = get(&router, "/v1/named/%ff/1", &[]).await;
    answer.is_problem(422, "invalid_request").names_field("one", "UTF-8");
}
