//! What the service logs: facts, one a line, and never who they are about.

use serde_json::Value;

use crate::rig::{Folder, Launch, Server, ask_all, assert_level, eventually, people};

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_leaves_no_person_in_the_log() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("summer", 100).await;
    let crowd = people("secret-person", 150);
    ask_all(&server.api, "summer", &crowd).await;
    assert_level(&server.api, "summer").await;
    for path in ["/v1/history/users/secret-person-1/coupons", "/v1/campaigns/summer/coupons/secret-person-1"]
    {
        server.api.get(path).await;
    }
    server.api.act("/v1/campaigns/summer/pause").await.with(200);
    let ended = server.stop().await;
    assert!(ended.stderr.contains("serving"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret-person"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_debug_a_request_and_its_coupon_can_be_followed() {
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--log", "debug,hyper=info,sqlx=info"]).start().await;
    server.api.create("summer", 100).await;
    let request = server.api.request(reqwest::Method::POST, "/v1/campaigns/summer/coupons");
    let request = request.header("x-request-id", "order-4711").json(&serde_json::json!({ "user_id": "ann" }));
    let answer = crate::rig::send(request).await.unwrap();
    assert_eq!((answer.status, answer.headers["x-request-id"].to_str().unwrap()), (201, "order-4711"));
    let position = answer.json()["position"].as_str().unwrap().to_owned();
    let ended = server.stop().await;
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("order-4711")).collect();
    assert!(lines.iter().any(|line| line.contains(&position) && line.contains("seq=1")), "{lines:?}");
}

/// From HTTP through the event to both projections, and to who asks later.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_did_can_be_followed_by_its_request() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    server.api.create("summer", 100).await;
    let request = server.api.request(reqwest::Method::POST, "/v1/campaigns/summer/pause");
    let answer = crate::rig::send(request.header("x-request-id", "night-7")).await.unwrap();
    assert_eq!((answer.status, answer.headers["x-request-id"].to_str().unwrap()), (200, "night-7"));
    server.api.act("/v1/campaigns/summer/resume").await.with(200);
    assert_level(&server.api, "summer").await;

    let audit = async || {
        let audit = server.api.get("/v1/audit-log").await.with(200);
        let items = audit["items"].as_array().unwrap().clone();
        (items.len() == 3).then_some(items)
    };
    let audit = eventually("the ledger has all three", audit).await;
    let ids: Vec<_> = audit.iter().map(|item| item["details"]["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids[1], "night-7", "newest first: {audit:?}");
    assert!(ids[0] != ids[2] && ids.iter().all(|id| !id.is_empty()), "each has a name: {ids:?}");

    let lines = async || {
        let said = server.stderr();
        let lines: Vec<_> = said.lines().filter(|line| line.contains("night-7")).map(str::to_owned).collect();
        (lines.len() == 3).then_some(lines)
    };
    let lines = eventually("asked for, and applied to both projections", lines).await;
    for parts in [
        ["operator acted", "action=\"pause\"", "on=\"summer\""],
        ["applied", "projection=\"ledger\"", "event=\"campaign_paused\""],
        ["applied", "projection=\"read_model\"", "actor=\"local\""],
    ] {
        let is_there = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert_eq!(lines.iter().filter(is_there).count(), 1, "{parts:?}: {lines:?}");
    }
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_log_format_json_every_line_is_one_object() {
    let folder = Folder::new();
    let server = Launch::on(&folder).args(&["--log-format", "json"]).start().await;
    server.api.create("summer", 100).await;
    let ended = server.stop().await;
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 3, "{}", ended.stderr);
    for line in &lines {
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "no {field}: {line}");
        }
    }
    let acted = lines.iter().find(|line| line["message"] == "operator acted");
    let acted = acted.unwrap_or_else(|| panic!("{}", ended.stderr));
    assert_eq!((&acted["action"], &acted["on"]), (&"create".into(), &"summer".into()), "{acted}");

    let refused = Launch::on(&folder).args(&["--log-format", "xml"]).refused().await;
    assert!(refused.code == Some(2) && refused.stderr.contains("expected text or json"), "{refused:?}");
}
